"""The error of a start that failed, and the exit statuses."""

CANNOT_SERVE = 1
"""Exit status when the settings are right and something else fails."""
WRONG_SETTINGS = 2
"""Exit status when settings or installation are wrong: another start would end like this."""


class StartupError(Exception):
    """The gateway cannot start; ``problems`` are for people, a line each."""

    def __init__(self, *problems: str, exit_status: int = CANNOT_SERVE) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.exit_status = exit_status
