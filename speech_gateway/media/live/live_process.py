"""The live audio process: ``python -m speech_gateway.media.live.live_process``.

It is started by the gateway, and is given the other end of a socket for each live connection. It
decodes plain samples alone, no container and no compressed audio. It ends when the gateway does.
"""

import contextlib
import gc
import os
import selectors
import socket
from collections import deque

from ..workers import messages as control_messages
from ..workers import sandbox
from ..workers.child_start import begin
from .live_messages import MessageReader
from .live_stream import LiveStream
from .voice import VoiceModel

READ_BYTES = 8 * 1024
"""Taken from a connection at a time, so that who sends faster than one speaks delays nobody."""
OWN_FDS = 16
"""Descriptors beside the connections'."""
NICENESS = 10
"""Who listens to speech goes first where there are too few cores."""
MEMORY_BYTES = 512 * 1024**2
"""Address space beside that of the code, and of the connections."""
CONNECTION_BYTES = 4 * 1024**2
"""One that speaks was seen to take 2.4 MB."""


class _Connection:
    """One live connection; what it sends is taken when what it was sent has gone."""

    def __init__(self, link: socket.socket, model: VoiceModel) -> None:
        self.link = link
        self._stream = LiveStream(model)
        self._messages = MessageReader()
        self._answers: deque[bytes] = deque()

    @property
    def waits_for(self) -> int:
        """What the selector is to look for."""
        return selectors.EVENT_WRITE if self._answers else selectors.EVENT_READ

    def advance(self) -> bool:
        """Take some of what has come, and answer; return whether the gateway is there."""
        try:
            if not self._answers:
                data = self.link.recv(READ_BYTES)
                if not data:
                    return False
                for kind, payload in self._messages.feed(data):
                    self._answers.extend(self._stream.take(kind, payload))
            while self._answers:
                sent = self.link.send(self._answers[0])
                self._answers[0] = self._answers[0][sent:]
                if not self._answers[0]:
                    self._answers.popleft()
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        return True


class LiveProcess:
    """Serves all connections in turn, a piece of each at a time."""

    def __init__(self, control: socket.socket, model: VoiceModel) -> None:
        self._control = control
        self._model = model
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Serve until the gateway has ended or closed its side."""
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._advance(key.data)
                elif not self._take_connection():
                    return

    def _take_connection(self) -> bool:
        """Take a new connection; return whether the gateway is there."""
        message, fds = control_messages.receive(self._control)
        for fd in fds:
            link = socket.socket(fileno=fd)
            link.setblocking(False)
            connection = _Connection(link, self._model)
            self._selector.register(link, connection.waits_for, connection)
        return message is not None

    def _advance(self, connection: _Connection) -> None:
        before = connection.waits_for
        if not connection.advance():
            self._selector.unregister(connection.link)
            connection.link.close()
        elif connection.waits_for != before:
            self._selector.modify(connection.link, connection.waits_for, connection)


def main() -> None:
    """Serve the gateway at the other end of a channel."""
    arguments, control = begin()
    model = VoiceModel()
    rehearsed = LiveStream(model)
    rehearsed.rehearse()
    process = LiveProcess(control, model)
    confined, lacks = sandbox.prepare(
        sandbox.Sandbox(
            most_fds=arguments["connections"] + OWN_FDS,
            memory_bytes=MEMORY_BYTES + arguments["connections"] * CONNECTION_BYTES,
            polls=True,
        )
    )
    gc.freeze()
    with contextlib.suppress(OSError):  # a service may be allowed no priorities
        os.nice(NICENESS)
    confined.enter(os.getppid())
    with contextlib.suppress(ConnectionError):
        control_messages.send(control, ready=True, lacks=lacks)
        process.serve()


if __name__ == "__main__":
    main()
