"""A test that is skipped is told of, and fails where nothing may be missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

BY_MARK = """
@pytest.mark.skipif(True, reason="needs a quiet room")
def test() -> None: ...
"""
INSIDE = """
def test() -> None: pytest.skip("needs a quiet room")
"""
MODULE = """
pytest.skip("needs a quiet room", allow_module_level=True)
"""
EXPECTED_TO_FAIL = """
@pytest.mark.xfail
def test() -> None: assert False
"""


def run(folder: Path, text: str, no_skips: str) -> tuple[int, str]:
    """Run a module of tests with the project's own settings; return the status and the output."""
    module = folder / "test_it.py"
    module.write_text(f"import pytest\n{text}")
    settings = ("-c", str(ROOT / "setup.cfg"), "-p", "tests.conftest", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *settings, f"--rootdir={folder}", str(module)],
        cwd=ROOT,
        env={**os.environ, "SPEECH_GATEWAY_NO_SKIPS": no_skips},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("text", [BY_MARK, INSIDE, MODULE], ids=["by a mark", "inside", "a module"])
def test_a_skip_is_a_failure_where_none_may_be(tmp_path: Path, text: str) -> None:
    status, told = run(tmp_path, text, "1")

    assert status in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    assert "needs a quiet room; no test may be skipped here" in told


def test_a_skip_is_told_of_elsewhere(tmp_path: Path) -> None:
    status, told = run(tmp_path, BY_MARK, "")

    assert status == pytest.ExitCode.OK
    assert "SKIPPED [1]" in told
    assert "needs a quiet room" in told


def test_what_is_expected_to_fail_is_no_skip(tmp_path: Path) -> None:
    status, _ = run(tmp_path, EXPECTED_TO_FAIL, "1")

    assert status == pytest.ExitCode.OK
