"""The command line, read as Go's flag package reads one, and the help.

argparse would take ``-listen`` for ``-l isten``, and ``--token -x`` for a missing value.
"""

import argparse
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .option_type import Option

ORIGIN = "the command line"
CONFIG, CHECK, HELP = "config", "check-config", "help"
CONFIG_VARIABLE = "GATEWAY_CONFIG"
_FLAG = re.compile(r"(?P<dashes>--?)(?P<name>[A-Za-z][\w-]*)(=(?P<value>.*))?", re.DOTALL)
_EPILOG = """\
A flag beats the environment, that beats the config file (YAML, keys named like the
flags without dashes in front), that beats the default. An empty value is the default.
Go's form of flags is taken as well: -listen :8080, -listen=:8080, --listen=:8080."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was given, by the flags' names without dashes, and the problems found."""

    given: Mapping[str, tuple[str, ...]]
    problems: tuple[str, ...]


def read(options: Iterable[Option], argv: Sequence[str]) -> CommandLine:
    """Return what argv says. A flag may be given again; whether that is right is judged later."""
    options = list(options)
    switches = {option.name for option in options if option.switch} | {CHECK, HELP, "h"}
    known = {option.name for option in options} | {CONFIG} | switches
    given: dict[str, tuple[str, ...]] = {}
    problems = []
    words = deque(argv)
    while words:
        flag = _FLAG.fullmatch(words.popleft())
        if flag is None:  # not shown: it may be a part of a token
            problems.append(
                f"word {len(argv) - len(words)} of {ORIGIN} is no setting, nor the value of one"
            )
            continue
        name, value = flag["name"], flag["value"]
        if value is None and words and not _is_flag(words[0], known):
            value = words.popleft()
        if name not in known:
            problems.append(f"{name} (from {ORIGIN}) is no setting")
        elif value is None and name not in switches:
            problems.append(f"{name} (from {ORIGIN}) is given without a value")
        else:
            text = "true" if value is None else value
            given[name] = (*given.get(name, ()), text)
    if "h" in given:
        given[HELP] = given.pop("h")
    return CommandLine(given, tuple(problems))


def _is_flag(word: str, known: set[str]) -> bool:
    """Tell a flag from a value; a token may begin with one dash, and Go's flags do."""
    flag = _FLAG.fullmatch(word)
    return flag is not None and (flag["dashes"] == "--" or flag["name"] in known)


def help_text(options: Iterable[Option]) -> str:
    """Return what ``--help`` prints, as wide as the terminal."""
    parser = argparse.ArgumentParser(
        prog="speech-gateway",
        description="A gateway that turns plain HTTP into speech, and speech into text.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    for option in options:
        default = f" (default: {option.default})" if option.default is not None else ""
        parser.add_argument(
            f"--{option.name}",
            metavar="VALUE",
            nargs="?" if option.switch else None,
            help=f"{option.help}{default} [env var: {option.environment}]".replace("%", "%%"),
        )
    parser.add_argument(
        f"--{CONFIG}",
        metavar="FILE",
        help=f"a YAML file of settings [env var: {CONFIG_VARIABLE}]",
    )
    parser.add_argument(
        f"--{CHECK}", action="store_true", help="judge the settings, and start nothing"
    )
    return parser.format_help()
