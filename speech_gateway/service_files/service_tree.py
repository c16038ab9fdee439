"""Which files make the service, and where they go."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import edited_file

FILES = Path(__file__).parent
"""Brings the repository's config/ and systemd/ as links, and in a wheel as copies."""
SETTINGS = Path("config/speech-gateway.conf")
ENGINE_UNIT = Path("systemd/bundled-engine.conf")
SCRIPTS = tuple(
    Path("systemd", name)
    for name in ("pause-after-failure", "reload-and-wait", "reload-with-token")
)
"""What the units run beside the gateway."""
SERVICE = "speech-gateway.service"


@dataclass(frozen=True, slots=True)
class ServiceTree:
    """Where the service's files go; below root, for who makes a package of them."""

    root: Path
    prefix: Path
    config: Path
    units: Path
    share: Path

    @property
    def staged(self) -> bool:
        """Whether it is for another machine, whose package manager sees to edited settings."""
        return self.root != Path("/")

    def install(self, *, engine: bool) -> str:
        """Write all files, with the bundled engine's if wanted; return what to tell of it."""
        for source, place in self._files():
            if source != ENGINE_UNIT or engine:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(self._filled_in(source))
                place.chmod(0o755 if source in SCRIPTS else 0o644)
            else:
                _remove(place)
        settings = self._place(self.config / SETTINGS.name)
        settings.parent.mkdir(parents=True, exist_ok=True)
        if not self.staged:
            return edited_file.lay(self._filled_in(SETTINGS), settings)
        settings.write_bytes(self._filled_in(SETTINGS))
        return ""

    def uninstall(self) -> None:
        """Remove all but the settings and the environment that this runs in."""
        for _, place in self._files():
            _remove(place)

    def _files(self) -> Iterator[tuple[Path, Path]]:
        """Yield each file but the settings, and its place."""
        yield ENGINE_UNIT, self._place(self.units / f"{SERVICE}.d" / ENGINE_UNIT.name)
        for script in SCRIPTS:
            yield script, self._place(self.prefix / "libexec" / script.name)
        for path in sorted(FILES.glob("systemd/speech-gateway*")):
            yield path.relative_to(FILES), self._place(self.units / path.name)
        for path in sorted(FILES.glob("config/**/*")):
            source = path.relative_to(FILES)
            if path.is_file() and source != SETTINGS:
                yield source, self._place(self.share / source.relative_to("config"))

    def _filled_in(self, source: Path) -> bytes:
        """Return what a file has, with the places that are named in it."""
        told = (FILES / source).read_bytes()
        for name, path in (b"@PREFIX@", self.prefix), (b"@CONFIG@", self.config):
            told = told.replace(name, bytes(path))
        return told

    def _place(self, path: Path) -> Path:
        return self.root / path.relative_to("/")


def _remove(place: Path) -> None:
    """Remove a file, and its folder unless something else is there."""
    place.unlink(missing_ok=True)
    with suppress(OSError):
        place.parent.rmdir()
