"""A text reaches a backend that decodes each of its reads by itself, over a real network."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from speech_gateway.upstream.tcp_segments import SEGMENT, whole_characters
from tests.support.backend import answer
from tests.support.client import connect
from tests.support.network import CLIENT_ADDRESS, GATEWAY_ADDRESS, MISSING, two_machines
from tests.support.program import program

PORT = 8000
TEXTS = {
    "Cyrillic": "Съешь же ещё этих мягких французских булок. " * 20,
    "Chinese": "我能吞下玻璃而不伤身体。" * 80,
    "emoji": "🦊 jumps over 🐕. " * 60,
    "mixed": "naïve café, Ελληνικά, ภาษาไทย, עברית; " * 24,
}


@dataclass
class ReadingBackend:
    """A backend that reads its socket as it comes, and notes where each read ended."""

    listener: socket.socket
    reads: list[bytes] = field(default_factory=list)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                while piece := connection.recv(65_536):
                    if piece.startswith(b"GET "):  # how it is
                        connection.sendall(answer(b"ok"))
                        break
                    self.reads.append(piece)
                    if piece.endswith(b"--\r\n"):
                        connection.sendall(answer(b"sound"))

    def cut_characters(self) -> int:
        """Return how many reads ended in the middle of a character."""
        cut = 0
        for piece in self.reads:
            try:
                piece.decode()
            except UnicodeDecodeError:
                cut += 1
        return cut


@contextmanager
def reading_backend(listener: socket.socket) -> Iterator[ReadingBackend]:
    backend = ReadingBackend(listener)
    thread = threading.Thread(target=backend.serve)
    thread.start()
    try:
        yield backend
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_no_read_ends_in_the_middle_of_a_character(text: str) -> None:
    with two_machines() as network:
        network.gateway.send_in_segments()
        backend_socket, client_socket = network.client.socket(), network.client.socket()
        backend_socket.bind((CLIENT_ADDRESS, PORT))
        backend_socket.listen()
        flags = ("--listen", f"{GATEWAY_ADDRESS}:{PORT}", "--max-tts-text-size", "4096")
        url = f"http://{CLIENT_ADDRESS}:{PORT}"
        with reading_backend(backend_socket) as backend:
            async with program(
                "--skit-url", url, *flags, before=network.gateway.command
            ) as gateway:
                await gateway.line("listening on")
                async with (
                    await connect(PORT, host=GATEWAY_ADDRESS, sock=client_socket) as client,
                    asyncio.timeout(30),
                ):
                    for length in (*range(900, 960, 10), 4096):
                        spoken = (text * 5)[:length].encode()
                        assert (await client.ask("POST", "/tts", body=spoken)).status == 200

    assert backend.cut_characters() == 0
    assert len(backend.reads) > 7 * 3


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_is_cut_between_its_characters(text: str) -> None:
    pieces = list(whole_characters(text.encode()))

    assert "".join(piece.decode() for piece in pieces) == text
    assert all(len(piece) <= SEGMENT for piece in pieces)


def test_what_is_no_utf_8_is_cut_nevertheless() -> None:
    data = b"\x80" * 5000

    assert b"".join(whole_characters(data)) == data
