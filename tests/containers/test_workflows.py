"""The workflows are what their tool takes for such, and call targets that there are."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


def judged(workflow: Path) -> str:
    """Return what actionlint finds wrong."""
    command = [os.environ["ACTIONLINT"], "-no-color", str(workflow)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_its_tool_finds_no_fault(workflow: Path) -> None:
    assert judged(workflow) == ""


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_its_tool_would_find_a_misspelt_key(workflow: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text(workflow.read_text().replace("runs-on:", "run-on:", 1))

    assert 'unexpected key "run-on"' in judged(tmp_path / "wrong.yml")


def test_they_call_what_there_is() -> None:
    text = "".join(path.read_text() for path in WORKFLOWS)
    called = set(re.findall(r"(?:run: |^ *)make ([a-z-]+)", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert called == {"release-check"}
    assert called <= targets
    assert ".ci/run" in text
