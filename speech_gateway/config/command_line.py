"""The command line, read as Go's flag package reads one.

argparse would take ``-listen`` for ``-l isten``, and ``--token -x`` for a missing value.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .option_type import Option

ORIGIN = "the command line"
CONFIG, CONFIG_VARIABLE = "config", "GATEWAY_CONFIG"
CONFIG_HELP = "a YAML file of settings"
CHECK, PRINT, HEALTH = "check-config", "print-config", "health"
COMPLETION, VERSION, HELP = "print-completion", "version", "help"
SHELLS = ("bash", "zsh", "fish")
_FLAG = re.compile(r"(?P<dashes>--?)(?P<name>[A-Za-z][\w-]*)(=(?P<value>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """A flag that has something else done than serving."""

    name: str
    help: str
    takes: str = ""
    """What stands for its value in the help; empty where it has none."""
    needs_value: bool = False
    choices: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """The value, in brackets where it may be left out; empty where there is none."""
        return self.takes if self.needs_value or not self.takes else f"[{self.takes}]"


COMMANDS = (
    Command(CHECK, "judge the settings, and start nothing"),
    Command(PRINT, "print the settings in force and where they come from, as a config file"),
    Command(
        HEALTH,
        "ask the gateway that runs here with these settings, or the one at URL, whether it is "
        "ready; exit with 0 if so, else with 1",
        "URL",
    ),
    Command(
        COMPLETION,
        "print what has a shell complete this command's flags: bash, zsh or fish",
        "SHELL",
        needs_value=True,
        choices=SHELLS,
    ),
    Command(VERSION, "print the version"),
    Command(HELP, "print this help"),
)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was given, by the flags' names without dashes, and the problems found."""

    given: Mapping[str, tuple[str, ...]]
    problems: tuple[str, ...]


def read(options: Iterable[Option], argv: Sequence[str]) -> CommandLine:
    """Return what argv says. A flag may be given again; whether that is right is judged later."""
    options = list(options)
    alone = {option.name: "true" for option in options if option.switch}
    alone |= {command.name: "true" for command in COMMANDS if not command.needs_value}
    alone |= {HEALTH: "", "h": "true"}
    known = {CONFIG, *alone, *(o.name for o in options), *(c.name for c in COMMANDS)}
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
        elif value is None and name not in alone:
            problems.append(f"{name} (from {ORIGIN}) is given without a value")
        else:
            text = alone[name] if value is None else value
            given[name] = (*given.get(name, ()), text)
    if "h" in given:
        given[HELP] = given.pop("h")
    return CommandLine(given, tuple(problems))


def _is_flag(word: str, known: set[str]) -> bool:
    """Tell a flag from a value; a token may begin with one dash, and Go's flags do."""
    flag = _FLAG.fullmatch(word)
    return flag is not None and (flag["dashes"] == "--" or flag["name"] in known)
