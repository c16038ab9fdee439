"""What a health check beside a container's gateway learns of how that was started."""

from pathlib import Path

import pytest

from speech_gateway.first_process import gateway_arguments

PROGRAM = "/opt/speech-gateway/bin/speech-gateway"
PYTHON = "/opt/speech-gateway/bin/python"


@pytest.fixture
def cmdline(tmp_path: Path) -> Path:
    return tmp_path / "cmdline"


@pytest.mark.parametrize(
    "before",
    [
        (PROGRAM,),
        (PYTHON, PROGRAM),
        (PYTHON, "-m", "speech_gateway"),
        ("/dev/init", "--", PROGRAM),
        ("tini", "-g", "--", PYTHON, PROGRAM),
        ("tini", PROGRAM),
    ],
)
def test_it_learns_the_flags(cmdline: Path, before: tuple[str, ...]) -> None:
    flags = ["--listen", ":9000", "--token", ""]
    cmdline.write_text("".join(f"{word}\0" for word in (*before, *flags)))

    assert gateway_arguments(cmdline) == flags


@pytest.mark.parametrize(
    "words",
    [
        ("/sbin/init", "splash"),
        ("/bin/sh", "-c", "speech-gateway --listen :9000"),
        ("/usr/bin/python3", "speech_gateway/app.py"),
        ("nginx", "-p", "/etc/speech-gateway", "--listen", ":1"),
        ("/usr/bin/python3", "other.py", "--", "-m"),
        (),
    ],
)
def test_it_learns_nothing_of_another_program(cmdline: Path, words: tuple[str, ...]) -> None:
    cmdline.write_text("".join(f"{word}\0" for word in words))

    assert gateway_arguments(cmdline) == []


def test_it_learns_nothing_where_it_may_not_look(tmp_path: Path) -> None:
    assert gateway_arguments(tmp_path / "none") == []
