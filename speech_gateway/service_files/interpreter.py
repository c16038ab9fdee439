"""Judges the Python that runs it: whether the service, in its sandbox, could run it as well.

It is run alone by scripts/service-python, and by any Python from 3.7 on: each is to tell what is
wrong with it.
"""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - nothing is put there
"""What ProtectHome= and PrivateTmp= hide, in systemd/speech-gateway.service."""
OLDEST = (3, 11)
MOST_LINKS = 40
WRONG_PLACE = 3
"""Exit status when no other Python would do better."""


def problem(root: str = "/") -> str:
    """Return why the service cannot run this Python; empty if it can.

    What is below root will be below / one day.
    """
    if sys.version_info < OLDEST:
        return "it is Python {}.{}, which is older than {}.{}".format(
            *sys.version_info[:2], *OLDEST
        )
    lacking = [name for name in _modules() if importlib.util.find_spec(name) is None]
    if lacking:
        return f"it has no module {lacking[0]}"
    return next(filter(None, (place_problem(part, root) for part in _parts())), "")


def place_problem(path: str, root: str = "/") -> str:
    """Return why the service cannot use path; empty if it can."""
    way = [os.path.normpath(place) for place in _way_to(path)]
    hidden = (_hidden(_final(place, root)) for place in way)
    closed = (_closed(Path(place)) for place in way if _final(place, root) == place)
    return next(filter(None, (*hidden, *closed)), "")


def _modules() -> list[str]:
    to_make_a_venv = ["venv", "ensurepip"] if sys.prefix == sys.base_prefix else []
    return ["ssl", *to_make_a_venv]


def _parts() -> Iterator[str]:
    """Yield what this Python is made of: program, shared libraries, standard library, packages."""
    yield sys.executable
    maps = Path("/proc/self/maps")
    for line in maps.read_text().splitlines() if maps.exists() else ():
        _, slash, path = line.partition("/")
        if slash and not path.endswith(" (deleted)"):
            yield "/" + path
    paths = sysconfig.get_paths()
    yield from (paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def _way_to(path: str) -> Iterator[str]:
    """Yield each place that links on the way to path lead to: who cannot see one is lost there."""
    for _ in range(MOST_LINKS):
        yield path
        folder = Path(path).parent.resolve()
        path = str(folder / Path(path).name)
        yield path
        if not Path(path).is_symlink():
            return
        path = os.path.normpath(folder / os.readlink(path))  # noqa: PTH115 - new in 3.9


def _final(path: str, root: str) -> str:
    """Return what path will be when root is /; how far it is open below root says nothing."""
    staged = root != "/" and os.path.commonpath([path, root]) == root
    return "/" + os.path.relpath(path, root) if staged else path


def _hidden(path: str) -> str:
    for folder in HIDDEN:
        if os.path.commonpath([path, folder]) == folder:
            return f"the service's sandbox hides {folder}, and {path} with it"
    return ""


def _closed(path: Path) -> str:
    for part in (path, *path.parents):
        if part.exists() and not _is_open(part):
            return f"the service's user may not read {part} (chmod o+rX)"
    return ""


def _is_open(part: Path) -> bool:
    wanted = stat.S_IXOTH if part.is_dir() else stat.S_IROTH
    return bool(part.stat().st_mode & wanted)


def main() -> int:
    """Print the program to make an environment with, or what is wrong with it or with the place."""
    wrong_place = place_problem(os.path.abspath(sys.argv[1]))  # noqa: PTH100 - not the links' ends
    told = wrong_place or problem()
    # The name with the version: a link like python3 leads to another version one day.
    print(told or os.path.realpath(sys.executable))  # noqa: T201
    return WRONG_PLACE if wrong_place else bool(told)


if __name__ == "__main__":
    sys.exit(main())
