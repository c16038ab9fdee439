"""docs/realtime_clients.rst says of clients what make clients runs."""

import re

import pytest

from tests.support.documents import Document
from tests.support.paths import DOCS, ROOT

DOCUMENT = Document(DOCS / "realtime_clients.rst")
CLIENTS = ROOT / "tests" / "clients"
OF_WYOMING = {"home-assistant", "home-assistant-2026", "wyoming-satellite"}
"""What is set up for docs/wyoming.rst."""
IN_SCRIPTS = {
    '"http://gateway:8080/v1"': "options.openai_url",
    '"ws://gateway:8080/v1/realtime"': "address",
    '"gpt-4o-mini-transcribe"': "MODELS[options.mode]",
    "workflow=workflow": "workflow=_Workflow(account)",
    "session=session": "session=_session(TURN_DETECTION[options.mode])",
}
"""What the scripts have in the place of what the document has."""


def words(text: str) -> str:
    return " ".join(text.split())


def as_run(code: str) -> str:
    for written, run in IN_SCRIPTS.items():
        code = code.replace(written, run)
    return words(code)


@pytest.mark.parametrize("code", DOCUMENT.code("python"))
def test_what_is_told_was_run_word_for_word(code: str) -> None:
    assert [path for path in CLIENTS.glob("*.py") if as_run(code) in words(path.read_text())]


def test_wyoming_openai_is_started_as_it_says() -> None:
    (command,) = DOCUMENT.code("sh")
    script = words((CLIENTS / "wyoming_openai_client.py").read_text())

    for flag, value in re.findall(r"(--(?:stt|tts)\S+) (\S+)", command):
        assert f'"{flag}"' in script
        assert value == "http://gateway:8080/v1" or f'"{value}"' in script


def test_the_versions_are_those_that_are_set_up() -> None:
    requirements = (CLIENTS / "requirements").glob("*.txt")
    ours = [path.read_text() for path in requirements if path.stem not in OF_WYOMING]
    set_up = {version for text in ours for version in asked_for(text)}

    told = {version for _, version, *_ in DOCUMENT.table("Client")}

    assert told == {*set_up, "replayed"}


def asked_for(requirements: str) -> list[str]:
    """Return the versions of what is asked for, not of what comes with it."""
    return re.findall(r"==(\S+)", requirements.partition("#")[0])
