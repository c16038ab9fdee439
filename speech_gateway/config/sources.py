"""Where settings come from: the command line, the environment, the config file, in this order.

A value stays text, with its origin, until its parser judges it: so all problems can be told at
once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import command_line, config_file
from .command_line import CHECK, CONFIG, CONFIG_VARIABLE, PRINT
from .config_file import ConfigFile
from .option_type import Option
from .parsers import switch


@dataclass(frozen=True, slots=True)
class Given:
    """The texts given for one setting, and their origin."""

    texts: tuple[str, ...]
    """Empty when the default was asked for."""
    origin: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that was given, and the problems found."""

    given: Mapping[str, Given]
    check_only: bool
    print_only: bool
    problems: tuple[str, ...]


def read_sources(
    options: Sequence[Option], argv: Sequence[str], environ: Mapping[str, str]
) -> Sources:
    """Return what argv, environ and the config file that they name say of options."""
    flags = command_line.read(options, argv)
    path, file = _read_file(options, flags.given, environ)
    problems = [*flags.problems, *file.problems]
    names = {option.name for option in options}
    problems += [
        f"{name} (from the file {path}) is no setting" for name in file.given if name not in names
    ]
    given: dict[str, Given] = {}
    for option in options:
        found = _first_given(option, flags.given, environ, file.given, path)
        if found is None:
            continue
        if found.origin == f"the file {path}" and len(found.texts) > 1 and not option.repeatable:
            problems.append(f"{option.name} (from {found.origin}) is given more than one value")
            continue
        counting = found.texts if option.repeatable else found.texts[-1:]
        given[option.name] = Given(tuple(text for text in counting if text), found.origin)
    wanted = {}
    for name in (CHECK, PRINT):
        try:
            wanted[name] = switch(flags.given.get(name, ("false",))[-1])
        except ValueError as error:
            problems.append(f"{name} (from {command_line.ORIGIN}) {error}")
    return Sources(given, wanted.get(CHECK, False), wanted.get(PRINT, False), tuple(problems))


def _read_file(
    options: Sequence[Option], flags: Mapping[str, tuple[str, ...]], environ: Mapping[str, str]
) -> tuple[str, ConfigFile]:
    """Return the path of the config file, empty where there is none, and what it says."""
    origin = command_line.ORIGIN if CONFIG in flags else f"the environment's {CONFIG_VARIABLE}"
    path = flags.get(CONFIG, (environ.get(CONFIG_VARIABLE, ""),))[-1]
    try:
        mappings = {option.name for option in options if option.takes_mappings}
        return path, config_file.read(path, mappings) if path else ConfigFile({}, ())
    except ValueError as error:
        return path, ConfigFile({}, (f"{CONFIG} (from {origin}) {error}",))


def _first_given(
    option: Option,
    flags: Mapping[str, tuple[str, ...]],
    environ: Mapping[str, str],
    file: Mapping[str, tuple[str, ...]],
    path: str,
) -> Given | None:
    if texts := flags.get(option.name):
        return Given(texts, command_line.ORIGIN)
    if text := environ.get(option.environment):  # an empty variable counts as none
        return Given((text,), f"the environment's {option.environment}")
    if texts := file.get(option.name):
        return Given(texts, f"the file {path}")
    return None
