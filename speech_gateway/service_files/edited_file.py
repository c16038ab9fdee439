"""A configuration that an operator may have edited, and that an installation must not lose."""

from pathlib import Path


def lay(new: bytes, place: Path) -> str:
    """Write new to place, unless somebody has edited the file there; return what to tell of it.

    What was written last is kept beside it, to tell. A new one is laid beside an edited one.
    """
    last, beside = (place.with_name(place.name + suffix) for suffix in (".dist", ".new"))
    was = _text(last)
    told = ""
    if place.exists() and _text(place) != was:
        if new != was:
            beside.write_bytes(new)
        told = f"Kept {place} as you have edited it"
        told += f"; new settings are in {beside}.\n" if beside.exists() else ".\n"
    else:
        place.write_bytes(new)
    last.write_bytes(new)
    return told


def _text(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
