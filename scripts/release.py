"""The version, in all the places that tell it: the package, CHANGES.rst and the tag.

``python -m scripts.release cut VERSION`` puts the version and today's date at the head of
CHANGES.rst, in place of *unreleased*, and the version into the package.
``python -m scripts.release check TAG`` says where they are not the tag's, and ``notes`` prints what
CHANGES.rst has of the version.
"""

import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADING = re.compile(r"^(?P<version>\S+) \((?P<when>.+)\)\n-+$", re.MULTILINE)
SECTION = re.compile(r"^.+\n-+\s*$", re.MULTILINE)
UNRELEASED = "unreleased"
VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:rc([0-9]+))?")
VERSION_LINE = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)


@dataclass(frozen=True)
class Sources:
    """The files that tell the version."""

    package: Path = ROOT / "speech_gateway/__init__.py"
    changes: Path = ROOT / "CHANGES.rst"

    @property
    def version(self) -> str:
        """The package's version."""
        found = VERSION_LINE.search(self.package.read_text())
        assert found is not None
        return found[1]

    @property
    def newest(self) -> re.Match[str]:
        """The heading of the first section of the changes."""
        text = self.changes.read_text()
        first, found = SECTION.search(text), HEADING.search(text)
        if first is None or found is None or first.start() != found.start():
            raise SystemExit('CHANGES.rst must begin with a heading like "1.2.3 (unreleased)"')
        return found

    @property
    def notes(self) -> str:
        """What the first section of the changes says."""
        text = self.changes.read_text()
        following = HEADING.search(text, self.newest.end())
        return text[self.newest.end() : following.start() if following else None].strip()

    def problems(self, tag: str) -> list[str]:
        """Return what does not belong to a release by that tag."""
        problems = []
        if tag != f"v{self.version}":
            problems.append(f"the tag is {tag}, and the package has the version {self.version}")
        if self.newest["version"] != self.version:
            problems.append(f"CHANGES.rst begins with {self.newest['version']}")
        if self.newest["when"] == UNRELEASED:
            problems.append("CHANGES.rst calls it unreleased; make release cuts it")
        return problems

    def cut(self, version: str, day: str) -> list[str]:
        """Make the version of what is unreleased; return why that cannot be."""
        newest = self.newest
        problems = []
        if not VERSION.fullmatch(version):
            problems.append(f"a version is like 1.2.3 or 1.2.3rc1, and not {version}")
        elif _order(version) <= _order(self.version):
            problems.append(f"{version} is not behind {self.version}")
        if newest["when"] != UNRELEASED or not self.notes:
            problems.append("CHANGES.rst has nothing that is unreleased")
        if problems:
            return problems
        text = self.changes.read_text()
        heading = f"{version} ({day})"
        underlined = f"{heading}\n{'-' * len(heading)}"
        self.changes.write_text(text.replace(newest[0], underlined, 1))
        package = self.package.read_text()
        self.package.write_text(VERSION_LINE.sub(f'__version__ = "{version}"', package))
        return []


def _order(version: str) -> tuple[int, ...]:
    """Return what sorts versions; a candidate comes before its version."""
    found = VERSION.fullmatch(version)
    assert found is not None
    major, minor, patch, candidate = found.groups()
    return int(major), int(minor), int(patch), int(candidate) if candidate else sys.maxsize


def main(argv: list[str]) -> int:
    """Do what argv says; return the exit status."""
    sources = Sources()
    match argv:
        case ["check", tag]:
            problems = sources.problems(tag)
        case ["cut", version]:
            problems = sources.cut(version, datetime.now(UTC).date().isoformat())
        case ["notes"]:
            problems = []
            sys.stdout.write(f"{sources.notes}\n")
        case _:
            problems = ["say cut VERSION, check TAG or notes"]
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
