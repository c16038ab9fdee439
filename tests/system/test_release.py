"""A release: its version in every place."""

from pathlib import Path

import pytest

from scripts.release import Sources
from speech_gateway import __version__

CHANGES = """\
Changes
=======

1.3.0 (unreleased)
------------------

- It can do more.

1.2.0 (2026-01-31)
------------------

- It could do this (unreleased before).
"""


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    sources = Sources(tmp_path / "__init__.py", tmp_path / "CHANGES.rst")
    sources.package.write_text('"""A package."""\n\n__version__ = "1.2.0"\n')
    sources.changes.write_text(CHANGES)
    return sources


def test_the_changes_are_cut_and_the_package_has_the_version(sources: Sources) -> None:
    assert sources.cut("1.3.0rc1", "2026-02-28") == []

    assert sources.package.read_text() == '"""A package."""\n\n__version__ = "1.3.0rc1"\n'
    heading = "1.3.0rc1 (2026-02-28)\n---------------------\n"
    old = "1.3.0 (unreleased)\n------------------\n"
    assert sources.changes.read_text() == CHANGES.replace(old, heading)
    assert sources.problems("v1.3.0rc1") == []


@pytest.mark.parametrize("version", ["1.3", "v1.3.0", "01.03.0", "next", ""])
def test_what_is_no_version_changes_nothing(sources: Sources, version: str) -> None:
    assert sources.cut(version, "2026-02-28") == [
        f"a version is like 1.2.3 or 1.2.3rc1, and not {version}"
    ]
    assert sources.changes.read_text() == CHANGES


@pytest.mark.parametrize("version", ["1.2.0", "1.1.9", "0.9.0", "1.2.0rc1"])
def test_a_version_goes_forward(sources: Sources, version: str) -> None:
    assert sources.cut(version, "2026-02-28") == [f"{version} is not behind 1.2.0"]


def test_without_changes_there_is_no_release(sources: Sources) -> None:
    sources.changes.write_text(CHANGES.replace("- It can do more.\n", ""))

    assert sources.cut("1.3.0", "2026-02-28") == ["CHANGES.rst has nothing that is unreleased"]


@pytest.mark.parametrize("heading", ["1.3.0", "Unreleased", "1.3.0 (unreleased) "])
def test_another_heading_is_not_passed_by(sources: Sources, heading: str) -> None:
    sources.changes.write_text(CHANGES.replace("1.3.0 (unreleased)", heading))

    with pytest.raises(SystemExit, match="must begin with a heading"):
        sources.cut("1.3.0", "2026-02-28")


def test_nothing_is_cut_twice(sources: Sources) -> None:
    sources.cut("1.3.0", "2026-02-28")

    assert sources.cut("1.3.1", "2026-03-01") == ["CHANGES.rst has nothing that is unreleased"]
    assert sources.version == "1.3.0"


def test_a_tag_of_what_was_not_cut_is_told_all_that_is_wrong(sources: Sources) -> None:
    assert sources.problems("v1.4.0") == [
        "the tag is v1.4.0, and the package has the version 1.2.0",
        "CHANGES.rst begins with 1.3.0",
        "CHANGES.rst calls it unreleased; make release cuts it",
    ]


def test_the_notes_are_the_newest_section_alone(sources: Sources) -> None:
    assert sources.notes == "- It can do more."


def test_the_sources_tell_their_version() -> None:
    assert Sources().version == __version__
