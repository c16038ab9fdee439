"""What the command ``speech-gateway`` runs: the program, unless a part of it is missing."""

import sys

NOT_WHOLE = 2
"""Exit status; as for wrong settings, so that systemd does not start it again and again."""


def main() -> int:
    """Run the gateway; return the exit status."""
    try:
        from .__main__ import main as program  # noqa: PLC0415 - it may lack what it imports
    except ImportError as error:
        sys.stderr.write(f"speech-gateway: not installed whole: {error}; install it again\n")
        return NOT_WHOLE
    return program()
