"""What is said in place of settings: commands that make a service of the gateway, and check it."""

from collections.abc import Callable, Sequence

INSTALL, CHECK = "install-service", "check-service"


def of(argv: Sequence[str]) -> Callable[[Sequence[str]], int] | None:
    """Return the command that argv begins with, if it begins with one."""
    match argv:
        case [word, *_] if word == INSTALL:
            from .install_command import main  # noqa: PLC0415 - for this alone
        case [word, *_] if word == CHECK:
            from .check_command import main  # noqa: PLC0415 - for this alone
        case _:
            return None
    return main
