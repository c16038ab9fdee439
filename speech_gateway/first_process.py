"""What the gateway of a container was started with, which a health check beside it is not told."""

from pathlib import Path

CMDLINE = Path("/proc/1/cmdline")
_MODULE = "speech_gateway"
_PROGRAM = "speech-gateway"


def gateway_arguments(cmdline: Path = CMDLINE) -> list[str]:
    """Return the flags of the gateway that is the first process, or that an init starts as its own.

    Empty where it is another program, as it is outside of containers.
    """
    try:
        words = cmdline.read_bytes().decode(errors="surrogateescape").split("\0")[:-1]
    except OSError:
        return []
    for index, word in enumerate(words):
        started_as_module = word == _MODULE and words[index - 1] == "-m"
        if started_as_module or Path(word).name == _PROGRAM:
            return words[index + 1 :]
    return []
