"""What the gateway of a container was started with, which a health check beside it is not told."""

from pathlib import Path

CMDLINE = Path("/proc/1/cmdline")
_AS_MODULE = ["-m", "speech_gateway"]
_PROGRAM = "speech-gateway"


def gateway_arguments(cmdline: Path = CMDLINE) -> list[str]:
    """Return the flags of the gateway that is the first process, or that an init starts as its own.

    Empty where it is another program, as it is outside of containers.
    """
    try:
        words = cmdline.read_bytes().decode(errors="surrogateescape").split("\0")[:-1]
    except OSError:
        return []
    behind_init = words[words.index("--") + 1 :] if "--" in words else words[1:]
    for started in (words, behind_init):
        flags = _flags(started)
        if flags is not None:
            return flags
    return []


def _flags(words: list[str]) -> list[str] | None:
    """Return what stands behind the program; None if it is not the gateway."""
    if words and Path(words[0]).name.startswith("python"):
        if words[1:3] == _AS_MODULE:
            return words[3:]
        words = words[1:]
    return words[1:] if words and Path(words[0]).name == _PROGRAM else None
