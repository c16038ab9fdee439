"""What ``--help`` prints."""

import argparse
from collections.abc import Iterable

from .command_line import COMMANDS, CONFIG, CONFIG_HELP, CONFIG_VARIABLE, HELP
from .option_type import Option

_EPILOG = """\
A flag beats the environment, that beats the config file (YAML, keys named like the
flags without dashes in front), that beats the default. An empty value is the default.
Go's form of flags is taken as well: -listen :8080, -listen=:8080, --listen=:8080.

As a service of systemd's: speech-gateway install-service makes it one, and
speech-gateway check-service judges its settings before a restart; each has --help."""


def help_text(options: Iterable[Option]) -> str:
    """Return the help, as wide as the terminal."""
    parser = argparse.ArgumentParser(
        prog="speech-gateway",
        usage="%(prog)s [--setting VALUE ...] [--command]",
        description="A gateway that turns plain HTTP into speech, and speech into text.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
        add_help=False,
    )
    commands = parser.add_argument_group("commands, instead of serving")
    for command in COMMANDS:
        names = ("-h", f"--{HELP}") if command.name == HELP else (f"--{command.name}",)
        if command.takes:
            nargs = None if command.needs_value else "?"
            commands.add_argument(*names, metavar=command.takes, nargs=nargs, help=command.help)
        else:
            commands.add_argument(*names, action="store_true", help=command.help)
    settings = parser.add_argument_group("settings")
    settings.add_argument(
        f"--{CONFIG}", metavar="FILE", help=f"{CONFIG_HELP} [env var: {CONFIG_VARIABLE}]"
    )
    for option in options:
        default = f" (default: {option.default})" if option.default is not None else ""
        settings.add_argument(
            f"--{option.name}",
            metavar=option.placeholder,
            nargs="?" if option.switch else None,
            help=f"{option.help}{default} [env var: {option.environment}]".replace("%", "%%"),
        )
    return parser.format_help()
