"""The log: one line for each event, as text or as JSON, on standard error or in the journal."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from .journal import NOTICE, PRIORITIES, JournalHandler
from .standard_streams import printable
from .structured_logs import EcsFormatter, OtelFormatter

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json", "otel", "ecs")
ERROR_MARK = "<3>"
"""Marks a line to the journal as an error (sd-daemon(3))."""


class _Stamp:
    """Formats times; a time within the same second as the last costs next to nothing."""

    def __init__(self, convert: Callable[[float], time.struct_time]) -> None:
        self._convert = convert
        self._second = -1
        self._text = ""

    def __call__(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", self._convert(second))
        return f"{self._text}.{int(record.msecs):03d}"


class TextFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.000 INFO speech_gateway.x: message key=value``.

    To the journal, which records times and priorities itself, without time and level.
    """

    def __init__(self, *, stamped: bool = True) -> None:
        super().__init__()
        self._stamp = _Stamp(time.localtime) if stamped else None

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        line = f"{record.name}: {record.getMessage()}{''.join(map(_pair, fields.items()))}"
        if self._stamp is not None:
            line = f"{self._stamp(record)} {record.levelname} {line}"
        line = printable(line)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII; a request's fields are members of it."""

    def __init__(self) -> None:
        super().__init__()
        self._stamp = _Stamp(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": self._stamp(record) + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class JournalFormatter(logging.Formatter):
    """Puts the journal's priority in front of each line of another formatter (sd-daemon(3))."""

    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        mark = f"<{PRIORITIES.get(record.levelno, NOTICE)}>"
        return mark + self._lines.format(record).replace("\n", f"\n{mark}")


def set_up(log_format: str, level: str, environ: Mapping[str, str]) -> None:
    """Send the log of the whole process to standard error, or to the journal if that goes there."""
    journal = is_journal(sys.stderr, environ)
    lines = _formatter(log_format, stamped=not journal)
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JournalFormatter(lines) if journal else lines)
    if journal:
        handler = JournalHandler(otherwise=handler)
        handler.setFormatter(lines)
    root = logging.getLogger()
    before, root.handlers[:] = root.handlers[:], [handler]
    for old in before:
        if isinstance(old, JournalHandler):
            old.close()
    root.setLevel(level.upper())
    # A log that cannot be written, as on a full disk, is no reason to fail a request.
    logging.raiseExceptions = False
    # Nor does a line need what no formatter here prints (Python's logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _formatter(log_format: str, *, stamped: bool) -> logging.Formatter:
    match log_format:
        case "json":
            return JsonFormatter()
        case "otel":
            return OtelFormatter()
        case "ecs":
            return EcsFormatter()
        case _:
            return TextFormatter(stamped=stamped)


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether what is written to stream goes to the journal (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _pair(field: tuple[str, object]) -> str:
    name, value = field
    if value is None:
        return ""
    if type(value) is str and " " in value:
        value = f'"{value.replace(chr(34), chr(39))}"'
    return f" {name}={value}"
