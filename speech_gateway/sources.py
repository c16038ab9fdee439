"""Where settings come from: the command line, the environment, a YAML file, in this order.

ConfigArgParse merges them. Here every value stays text, with its origin, for its own parser to
judge: so that all problems can be told at once.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

import configargparse

_NO_VALUE = "\0"
_FILE_SOURCE = "config_file|"
_ENVIRONMENT_SOURCE = "environment_variables"


@dataclass(frozen=True, slots=True)
class Option:
    """The one definition of a setting."""

    name: str
    environment: str
    parse: Callable[[str], Any]
    """Raises ValueError, saying what the value may be."""
    help: str
    default: str | None = None
    repeatable: bool = False
    switch: bool = False
    """Whether the flag alone, without a value, means true."""
    example: str | None = None
    """For the commented file of all settings, where there is no default."""

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Given:
    """What was given for one setting, and where."""

    texts: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Sources:
    """All that was given, and what is wrong with the way it was given."""

    given: Mapping[str, Given]
    check_only: bool
    problems: tuple[str, ...]


class _ParserError(Exception):
    pass


class _Parser(configargparse.ArgumentParser):  # type: ignore[misc]  # the library is not typed
    """Raises what argparse would print, so that it can stand beside other problems."""

    def error(self, message: str) -> NoReturn:
        raise _ParserError(message)


class _ConfigFile(configargparse.YAMLConfigFileParser):  # type: ignore[misc]  # as above
    """Takes a file of nothing but comments for what it is."""

    def parse(self, stream: TextIO) -> Mapping[str, Any]:
        text = stream.read()
        if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
            return {}
        named: Any = io.StringIO(text)
        named.name = getattr(stream, "name", "the config file")
        parsed: Mapping[str, Any] = super().parse(named)
        return parsed


def read_sources(
    options: Sequence[Option], argv: Sequence[str], environ: Mapping[str, str]
) -> Sources:
    """Return what argv, environ and the config file that they name say of options."""
    parser = _make_parser(options)
    problems: list[str] = []
    # When the config file cannot be read, again without it: to judge all the rest.
    for contents in (None, "{}"):
        try:
            namespace, unknown = parser.parse_known_args(
                list(argv), env_vars=dict(environ), config_file_contents=contents
            )
            break
        except _ParserError as error:
            problems.append(str(error))
    else:
        return Sources({}, check_only=False, problems=tuple(dict.fromkeys(problems)))
    origins = _origins(parser)
    for argument in unknown:
        name = argument.partition("=")[0].removeprefix("--")
        problems.append(f"{name} (from {origins.get(name, 'the command line')}) is no setting")
    given = {}
    for option in options:
        texts = getattr(namespace, option.attribute)
        if texts is None:
            continue
        origin = origins.get(option.name) or origins.get(option.environment) or "the command line"
        if _NO_VALUE in texts:
            problems.append(f"{option.name} (from {origin}) is given without a value")
        elif origin.startswith("the file") and len(texts) > 1 and not option.repeatable:
            problems.append(f"{option.name} (from {origin}) is given more than one value")
        else:
            given[option.name] = Given(tuple(texts if option.repeatable else texts[-1:]), origin)
    return Sources(given, namespace.check_config, tuple(problems))


def _make_parser(options: Sequence[Option]) -> _Parser:
    parser = _Parser(
        prog="speech-gateway",
        description="A gateway that turns plain HTTP into speech, and speech into text.",
        config_file_parser_class=_ConfigFile,
        formatter_class=configargparse.RawDescriptionHelpFormatter,
        add_config_file_help=False,
        add_env_var_help=True,
        allow_abbrev=False,
        epilog="A flag beats the environment, that beats the config file (YAML, keys named like the"
        "\nflags without dashes in front), that beats the default.",
    )
    for option in options:
        default = f" (default: {option.default})" if option.default is not None else ""
        parser.add_argument(
            f"--{option.name}",
            env_var=option.environment,
            # Lists, and a missing value, arrive here instead of ending the parsing.
            action="append",
            nargs="?",
            const="true" if option.switch else _NO_VALUE,
            metavar="VALUE",
            help=option.help + default,
        )
    parser.add_argument(
        "--config",
        env_var="GATEWAY_CONFIG",
        is_config_file=True,
        metavar="FILE",
        help="a YAML file of settings",
    )
    parser.add_argument(
        "--check-config", action="store_true", help="judge the settings, and start nothing"
    )
    return parser


def _origins(parser: _Parser) -> dict[str, str]:
    """Map names of variables and keys of the file to where they stand, for people."""
    origins: dict[str, str] = {}
    for source, entries in parser.get_source_to_settings_dict().items():
        if source == _ENVIRONMENT_SOURCE:
            origins.update((name, f"the environment's {name}") for name in entries)
        elif source.startswith(_FILE_SOURCE):
            path = source.removeprefix(_FILE_SOURCE)
            origins.update((str(key), f"the file {path}") for key in entries)
    return origins
