"""systemd's journal, by its native protocol: an entry for each event, with fields of its own.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
"""

import contextlib
import logging
import socket
from collections.abc import Mapping
from functools import cache

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "speech-gateway"
FIELD_PREFIX = "SPEECH_GATEWAY_"
NOTICE = 5
PRIORITIES = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


class JournalHandler(logging.Handler):
    """Sends each event as one datagram, and waits for nothing.

    While the journal is too slow to take it, an event is dropped, which is told as soon as it takes
    one again. What it cannot be sent at all goes to another handler.
    """

    def __init__(self, otherwise: logging.Handler, path: str = SOCKET) -> None:
        super().__init__()
        self._otherwise = otherwise
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # By its path each time: a journal that was started again has another socket.
            self._socket.sendto(self._entry(record), self._path)
        except BlockingIOError:
            self._dropped += 1
        except OSError:
            self._otherwise.handle(record)
        except Exception:  # noqa: BLE001 - as every handler: no event fails what it tells of
            self.handleError(record)
        else:
            if self._dropped:
                self._tell_dropped()

    def _tell_dropped(self) -> None:
        with contextlib.suppress(OSError):  # next time, then
            self._socket.sendto(_dropped_entry(self._dropped), self._path)
            self._dropped = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()

    def _entry(self, record: logging.LogRecord) -> bytes:
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": PRIORITIES.get(record.levelno, NOTICE),
            "SYSLOG_IDENTIFIER": IDENTIFIER,
            "LOGGER": record.name,
        }
        own: dict[str, object] = getattr(record, "fields", {})
        for name, value in own.items():
            if value is not None:
                fields[_own_name(name)] = value
        return encode(fields)


@cache
def _own_name(name: str) -> str:
    return FIELD_PREFIX + name.upper()


def encode(fields: Mapping[str, object]) -> bytes:
    """Return an entry as the protocol has it."""
    plain = "".join([f"{name}={value}\n" for name, value in fields.items()])
    if plain.count("\n") == len(fields):
        return plain.encode(errors="backslashreplace")
    return b"".join(_with_length(name, str(value)) for name, value in fields.items())


def _with_length(name: str, value: str) -> bytes:
    """Return a field that may hold newlines."""
    data = value.encode(errors="backslashreplace")
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


def _dropped_entry(number: int) -> bytes:
    message = f"{__name__}: the journal was too slow, and {number} events were dropped"
    return encode({"MESSAGE": message, "PRIORITY": 4, "SYSLOG_IDENTIFIER": IDENTIFIER})
