"""docs/architecture.rst names every module, and the tests that hold it."""

import re

import pytest

from tests.support.paths import ROOT

DOCUMENT = ROOT / "docs" / "architecture.rst"
ROWS = re.compile(r"^``([\w/]+\.py)`` +((?:``[\w/]+``(?:, ?|\n *)*)+)", re.MULTILINE)


def rows() -> dict[str, list[str]]:
    """Return the tests of each module, as the document has them."""
    return {
        row[1]: re.findall(r"``([\w/]+)``", row[2]) for row in ROWS.finditer(DOCUMENT.read_text())
    }


def modules() -> list[str]:
    package = ROOT / "speech_gateway"
    return sorted(
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if path.name != "__init__.py" or path.parent.name == "pipelines"
    )


def test_every_module_is_in_the_tables() -> None:
    assert sorted(rows()) == modules()


@pytest.mark.parametrize("module", modules())
def test_the_tests_of_a_module_exist(module: str) -> None:
    tests = rows()[module]

    assert tests
    assert [test for test in tests if not (ROOT / "tests" / f"{test}.py").is_file()] == []


def test_no_two_modules_share_a_name() -> None:
    names = [module.rpartition("/")[2] for module in modules()]
    shared = {name for name in names if names.count(name) > 1}

    assert shared == {"__main__.py"}
