"""The journal's native protocol: fields, and nothing that waits."""

import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_gateway.journal import JournalHandler
from speech_gateway.logs import TextFormatter


class Kept(logging.Handler):
    """Keeps the messages of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


@pytest.fixture
def journal(place: str) -> Iterator[socket.socket]:
    """A socket as journald has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(place)
        listening.settimeout(5)
        yield listening


@pytest.fixture
def otherwise() -> Kept:
    return Kept()


@pytest.fixture
def handler(place: str, otherwise: Kept) -> Iterator[JournalHandler]:
    made = JournalHandler(otherwise, place)
    made.setFormatter(TextFormatter(stamped=False))
    yield made
    made.close()


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("name", logging.WARNING, "", 0, message, (), None)
    made.fields = fields
    return made


def test_an_entry_has_the_line_and_its_fields(
    journal: socket.socket, handler: JournalHandler
) -> None:
    handler.handle(record("it ended", code=502, request_id="seven", backend=None))

    assert journal.recv(4096).decode().splitlines() == [
        "MESSAGE=name: it ended code=502 request_id=seven",
        "PRIORITY=4",
        "SYSLOG_IDENTIFIER=speech-gateway",
        "LOGGER=name",
        "SPEECH_GATEWAY_CODE=502",
        "SPEECH_GATEWAY_REQUEST_ID=seven",
    ]


def test_a_newline_forges_no_field(journal: socket.socket, handler: JournalHandler) -> None:
    handler.handle(record("said", why="one\nSPEECH_GATEWAY_CODE=200"))

    entry = journal.recv(4096)
    why = b"one\nSPEECH_GATEWAY_CODE=200"
    length = len(why).to_bytes(8, "little")
    assert entry.endswith(b"SPEECH_GATEWAY_WHY\n" + length + why + b"\n")


def test_an_event_that_cannot_be_told_fails_nobody(
    handler: JournalHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    handler.handle(logging.LogRecord("name", logging.INFO, "", 0, "%d", ("no number",), None))


def test_a_traceback_is_one_entry(journal: socket.socket, handler: JournalHandler) -> None:
    failed = record("it failed")
    try:
        raise ValueError("why")
    except ValueError:
        failed.exc_info = sys.exc_info()
    handler.handle(failed)

    assert journal.recv(4096).count(b"ValueError: why") == 1
    journal.setblocking(False)
    with pytest.raises(BlockingIOError):
        journal.recv(4096)


def test_a_slow_journal_is_not_waited_for_and_is_told_what_it_missed(
    journal: socket.socket, handler: JournalHandler, otherwise: Kept
) -> None:
    for number in range(3000):
        handler.handle(record(f"event {number}"))
    journal.setblocking(False)
    taken = 0
    try:
        while journal.recv(4096):
            taken += 1
    except BlockingIOError:
        pass

    handler.handle(record("the next one"))

    assert b"the next one" in journal.recv(4096)
    assert f"and {3000 - taken} events were dropped".encode() in journal.recv(4096)
    assert 0 < taken < 3000
    assert not otherwise.messages


def test_what_the_journal_cannot_take_goes_to_standard_error(
    place: str, handler: JournalHandler, otherwise: Kept
) -> None:
    handler.handle(record("nobody listens"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(place)
        handler.handle(record("x" * 1_000_000))
        handler.handle(record("somebody listens"))
        assert b"somebody listens" in listening.recv(4096)

    assert [message[:20] for message in otherwise.messages] == ["nobody listens", "x" * 20]
