"""Asks a running gateway whether it is ready, as a container's health check does.

It needs no secrets and no other settings than ``listen``, and is over within ``LIMIT``, whatever
the network does.
"""

import queue
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from .config import parsers
from .config.addresses import ListenAddress, bracketed
from .config.options import OPTIONS
from .config.sources import read_sources

LIMIT = 4.0
"""Seconds."""
LISTEN = next(option for option in OPTIONS if option.name == "listen")
PATH = "/readyz"
"""Readiness: whether requests would be served, the backend's part included."""
_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - never bound
_LONGEST_REASON = 200
_FORM = "must be http://host:port, host:port, :port, [::1]:port or unix:/path"


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked."""

    address: ListenAddress
    path: str = PATH

    def __str__(self) -> str:
        if self.address.unix_path is not None:
            return f"unix:{self.address.unix_path}"
        return f"http://{bracketed(self.address.host)}:{self.address.port}"


def problem(url: str, argv: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return why the gateway is not ready, in a line for people; None when it is.

    Which gateway is told by url or else by the settings in argv and environ.
    """
    try:
        target, doubts = (_target(url), ()) if url else _configured(argv, environ)
    except ValueError as error:
        return str(error)
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # In a thread, as nothing ends the look-up of a name; the process's end does not wait for it.
    threading.Thread(target=lambda: answers.put(_ask(target)), daemon=True).start()
    try:
        found = answers.get(timeout=LIMIT)
    except queue.Empty:
        found = _no_answer(target)
    return None if found is None else "; ".join((found, *doubts))


def _configured(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Target, tuple[str, ...]]:
    """Return where the settings have the gateway listen, and what is wrong with them.

    A gateway that runs is not less healthy for settings that were spoilt since it was started.
    """
    sources = read_sources(OPTIONS, argv, environ)
    given = sources.given.get(LISTEN.name)
    text, origin = LISTEN.default or "", "the default"
    if given is not None and given.texts:
        text, origin = given.texts[-1], given.origin
    try:
        address = parsers.listen_address(text)
    except ValueError as error:
        raise ValueError(f"{LISTEN.name} (from {origin}) {error}") from None
    if address.unix_path is None and address.port == 0:
        raise ValueError(f"{LISTEN.name} (from {origin}) is a port of chance; give --health a URL")
    return _reachable(address), sources.problems


def _target(url: str) -> Target:
    """Parse what may be given to --health."""
    if not url.startswith("http://"):
        try:
            return _reachable(parsers.listen_address(url))
        except ValueError:
            raise ValueError(f"health (from the command line) {_FORM}") from None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        host = ""
    if not host or not url.isprintable() or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"health (from the command line) {_FORM}")
    path = parts.path if parts.path != "/" else ""
    return _reachable(ListenAddress(host, port), path or PATH)


def _reachable(address: ListenAddress, path: str = PATH) -> Target:
    """Ask a gateway that listens everywhere on the loopback."""
    host = _LOOPBACK.get(address.host, address.host)
    return Target(ListenAddress(host, address.port, address.unix_path), path)


def _ask(target: Target) -> str | None:
    """Return what is wrong; None where the answer is 200."""
    connection = _Connection(target.address)
    try:
        connection.request("GET", target.path, headers={"Connection": "close"})
        response = connection.getresponse()
        if response.status == 200:
            return None
        reason = response.read(_LONGEST_REASON).decode(errors="replace").partition("\n")[0]
    except TimeoutError:  # it may be the first to know
        return _no_answer(target)
    except OSError as error:
        return f"nobody answers at {target}: {error.strerror or error}"
    except (HTTPException, ValueError):
        return f"what answers at {target} is no gateway"
    finally:
        connection.close()
    return f"{target.path} of {target} answers {response.status}: {reason}"


def _no_answer(target: Target) -> str:
    return f"no answer from {target} within {LIMIT:g} s"


class _Connection(HTTPConnection):
    """A connection to where a gateway listens."""

    def __init__(self, address: ListenAddress) -> None:
        super().__init__(address.host or "localhost", address.port or None, timeout=LIMIT)
        self._unix_path: Path | None = address.unix_path

    def connect(self) -> None:
        """Connect, to a unix socket too."""
        if self._unix_path is None:
            return super().connect()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(str(self._unix_path))
        return None
