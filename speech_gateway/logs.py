"""The log on standard error: a line an event, as text or as JSON."""

import json
import logging
import sys
import time
from collections.abc import Callable

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")


class _Stamp:
    """Writes times; one that falls in the same second as the last costs next to nothing."""

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
    """``2026-01-31T12:00:00.000 INFO speech_gateway.x: message key=value``."""

    def __init__(self) -> None:
        super().__init__()
        self._stamp = _Stamp(time.localtime)

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = getattr(record, "fields", {})
        tail = "".join([f" {key}={value}" for key, value in fields.items()])
        stamp, level, message = self._stamp(record), record.levelname, record.getMessage()
        line = f"{stamp} {level} {record.name}: {message}{tail}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line; a request's fields stand beside the message."""

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
        return json.dumps(line, ensure_ascii=False)


def set_up(log_format: str, level: str) -> None:
    """Send the whole process's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # A log that cannot be written, as on a full disk, is no reason to fail a request.
    logging.raiseExceptions = False
    # Nor does a line need what no formatter here prints (Python's logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
