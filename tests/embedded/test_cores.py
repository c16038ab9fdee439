"""How many utterances are transcribed at once."""

import os
from pathlib import Path

import pytest

from speech_gateway.embedded.cores import cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("share", "expected"),
    [("max 100000", ALL), ("50000 100000", 1), ("100000 100000", 1), ("9900000 100000", ALL)],
)
def test_a_container_s_share_counts(tmp_path: Path, share: str, expected: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{share}\n")

    assert cores(tmp_path / "cpu.max") == expected


@pytest.mark.parametrize("written", ["", "nonsense", "1 2 3", "x 100000", "1 0"])
def test_without_a_share_all_cores_are_its(tmp_path: Path, written: str) -> None:
    (tmp_path / "cpu.max").write_text(written)

    assert cores(tmp_path / "cpu.max") == ALL
    assert cores(tmp_path / "nothing") == ALL
