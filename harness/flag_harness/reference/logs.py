"""Structured logs: one JSON object a line, from Python's own logging, with no key in it."""

import json
import logging
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = "flag_harness"
"""The logger above all loggers of this package."""

HIDDEN = "[hidden]"
_SECRET_NAMES = re.compile(r"authorization|api[-_]?key|auth[-_]?token|secret|password|cookie", re.IGNORECASE)
_SECRET_VALUES = re.compile(r"sk-[A-Za-z0-9][\w-]{7,}|(?i:bearer)\s+[\w.~+/-]{8,}=*")


def event(logger: logging.Logger, level: int, name: str, /, **fields: Any) -> None:
    """Log that `name` happened, with the fields that say how; they stand in the text, and as JSON in a file."""
    if logger.isEnabledFor(level):
        words = "".join(f" {key}={value!r}" for key, value in fields.items())
        logger.log(level, "%s%s", name, words, extra={"event": name, "fields": fields}, stacklevel=2)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: `time` (RFC 3339, UTC), `level`, `logger`, `event`, `fields`.

    Records of other origin have their message as `event` and no fields; an exception is told by `exception`. Values
    that JSON has no word for are written as their `repr`. What looks like a key, by its name or its value, is hidden.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", None) or record.getMessage(),
            "fields": getattr(record, "fields", {}),
        }
        if told := record.exc_text or (self.formatException(record.exc_info) if record.exc_info else ""):
            document["exception"] = told
        return json.dumps(without_secrets(document), ensure_ascii=False)


def json_lines(path: Path) -> logging.FileHandler:
    """A handler that appends to the file `path`; its directory is made now, the file with the first record.

    Raises `OSError` where the directory cannot be made. Whoever adds it to a logger takes it off and closes it.
    """
    # half a surrogate pair is no UTF-8, but escaped it is JSON
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace", delay=True)
    handler.setFormatter(JsonLines())
    return handler


def without_secrets(value: Any, name: str = "") -> Any:
    """A JSON value equal to `value`, what looks like a key hidden, at any depth."""
    if _SECRET_NAMES.search(name) and value is not None:
        return HIDDEN
    if isinstance(value, Mapping):
        return {_hidden(str(key)): without_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [without_secrets(item) for item in value]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _hidden(value if isinstance(value, str) else repr(value))


def _hidden(text: str) -> str:
    return _SECRET_VALUES.sub(HIDDEN, text)
