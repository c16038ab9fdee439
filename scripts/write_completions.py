"""Writes the completions for shells, from the definitions of the settings and the commands.

All of them take Go's flags too: one dash, and ``=`` before the value.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speech_gateway.config.command_line import COMMANDS, CONFIG, CONFIG_HELP
from speech_gateway.config.options import OPTIONS

FOLDER = Path(__file__).parents[1] / "speech_gateway" / "shell"
HEAD = "# Completion of speech-gateway's flags, written by: make config\n"
BASH = """\
_speech_gateway() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD-1]}}
    # bash takes --flag=value for three words
    if [[ $word == = ]]; then
        word=
    elif [[ $flag == = ]]; then
        flag=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    COMPREPLY=()
    [[ $flag == --* ]] || flag=-$flag
    case $flag in
        {paths})
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return ;;
{choices}        {free})
            return ;;
        {switches})
            # may be followed by another flag
            if [[ $word != -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W 'true false' -- "$word")
                return
            fi ;;
    esac
    local dashes=--
    [[ $word == -[!-]* ]] && dashes=-
    mapfile -t COMPREPLY < <(compgen -P "$dashes" -W {names} -- "${{word#"$dashes"}}")
}}
complete -F _speech_gateway speech-gateway
"""
BASH_CHOICE = """\
        {pattern})
            mapfile -t COMPREPLY < <(compgen -W {words} -- "$word")
            return ;;
"""


@dataclass(frozen=True)
class Flag:
    """What a shell must know of a flag."""

    name: str
    help: str
    choices: tuple[str, ...] = ()
    is_path: bool = False
    takes_value: bool = True
    may_be_alone: bool = False


def flags() -> Iterator[Flag]:
    """Yield all flags, the settings' and the commands'."""
    for command in COMMANDS:
        alone = not command.needs_value
        yield Flag(command.name, command.help, command.choices, False, bool(command.takes), alone)
    yield Flag(CONFIG, CONFIG_HELP, is_path=True)
    for option in OPTIONS:
        choices = ("true", "false") if option.switch else option.choices
        yield Flag(option.name, option.help, choices, option.is_path, may_be_alone=option.switch)


def bash() -> str:
    """Return the completion for bash."""
    every = list(flags())
    valued = [flag for flag in every if flag.takes_value]
    names = shlex.quote(" ".join(flag.name for flag in every))
    return HEAD + BASH.format(
        names=names,
        switches=_pattern(flag for flag in valued if flag.choices and flag.may_be_alone),
        paths=_pattern(flag for flag in valued if flag.is_path),
        choices="".join(
            BASH_CHOICE.format(pattern=_pattern([flag]), words=shlex.quote(" ".join(flag.choices)))
            for flag in valued
            if flag.choices and not flag.may_be_alone
        ),
        free=_pattern(
            flag for flag in valued if not (flag.choices or flag.is_path or flag.may_be_alone)
        ),
    )


def _pattern(some: Iterable[Flag]) -> str:
    return "|".join(f"--{flag.name}" for flag in some)


def zsh() -> str:
    """Return the completion for zsh."""
    lines = ["#compdef speech-gateway", HEAD.rstrip(), "_arguments \\"]
    for flag in flags():
        told = flag.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
        action = "_files" if flag.is_path else f"({' '.join(flag.choices)})"
        colon = "::" if flag.may_be_alone else ":"
        value = f"{colon}value:{action}" if flag.takes_value else ""
        for dashes in ("--", "-"):
            after = "=" if flag.takes_value else ""
            spec = shlex.quote(f"*{dashes}{flag.name}{after}[{told}]{value}")
            lines.append(f"    {spec} \\")
    return "\n".join(lines).removesuffix(" \\") + "\n"


def fish() -> str:
    """Return the completion for fish."""
    lines = [HEAD.rstrip(), "complete -c speech-gateway -f"]
    for flag in flags():
        told = flag.help.replace("\\", "\\\\").replace("'", "\\'")
        value = "-r -F" if flag.is_path else f"-x -a '{' '.join(flag.choices)}'"
        if flag.may_be_alone or not flag.takes_value:
            value = ""
        words = f"complete -c speech-gateway -l {flag.name} -o {flag.name} {value} -d '{told}'"
        lines.append(words.replace("  ", " "))
    return "\n".join(lines) + "\n"


FILES = {"speech-gateway.bash": bash, "_speech-gateway": zsh, "speech-gateway.fish": fish}
"""Which function writes which file."""

if __name__ == "__main__":
    for name, render in FILES.items():
        (FOLDER / name).write_text(render())
