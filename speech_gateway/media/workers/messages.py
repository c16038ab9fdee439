"""What the gateway and the fork server say to each other: one JSON object in each packet."""

import json
import socket
from typing import Any

MAX_BYTES = 4096


def send(channel: socket.socket, *fds: int, **message: Any) -> None:
    """Send a message, with file descriptors; raises OSError when nobody is there."""
    socket.send_fds(channel, [json.dumps(message).encode()], fds)


def receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the next message and its file descriptors; None when the other side has ended."""
    data, fds, _, _ = socket.recv_fds(channel, MAX_BYTES, 1)
    return (json.loads(data) if data else None), fds


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a channel that keeps packets apart."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
