"""Structured logs through Python's logging: one JSON object per line, with secrets hidden."""

import json
import logging
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT_LOGGER_NAME = "flag_harness"
"""The name of the logger that is the parent of all loggers of this package."""

REPLACEMENT_FOR_SECRETS = "[hidden]"
_SECRET_NAME_PATTERN = re.compile(r"authorization|api[-_]?key|auth[-_]?token|secret|password|cookie", re.IGNORECASE)
_SECRET_VALUE_PATTERN = re.compile(r"sk-[A-Za-z0-9][\w-]{7,}|(?i:bearer)\s+[\w.~+/-]{8,}=*")


def log_event(logger: logging.Logger, level: int, name: str, /, **fields: Any) -> None:
    """Log the event `name` with its fields. A `JsonLinesFormatter` writes them as JSON, any other formatter as text."""
    if logger.isEnabledFor(level):
        words = "".join(f" {key}={value!r}" for key, value in fields.items())
        logger.log(level, "%s%s", name, words, extra={"event": name, "fields": fields}, stacklevel=2)


class JsonLinesFormatter(logging.Formatter):
    """Formats a record as one line of JSON: `time` (RFC 3339, UTC), `level`, `logger`, `event`, `fields`.

    If other code logged the record, `event` is its message. `exception` holds a traceback. Values that JSON does not
    have are written as their `repr`. Everything that looks like a secret, by its name or value, is hidden.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line break."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", None) or record.getMessage(),
            "fields": getattr(record, "fields", {}),
        }
        if trace := record.exc_text or (self.formatException(record.exc_info) if record.exc_info else ""):
            document["exception"] = trace
        return json.dumps(hide_secrets(document), ensure_ascii=False)


def json_lines_handler(path: Path) -> logging.FileHandler:
    """Return a handler that appends log records as JSON Lines to the file `path`, which the first record creates.

    Raise `OSError` if the directory cannot be made. The caller removes the handler from its logger and closes it.
    """
    # half a surrogate pair is invalid in UTF-8, but valid JSON once it is escaped
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace", delay=True)
    handler.setFormatter(JsonLinesFormatter())
    return handler


def hide_secrets(value: Any, name: str = "") -> Any:
    """Return a copy of a JSON value in which everything that looks like a secret is hidden, at any depth."""
    if _SECRET_NAME_PATTERN.search(name) and value is not None:
        return REPLACEMENT_FOR_SECRETS
    if isinstance(value, Mapping):
        return {_hide_secrets_in_text(str(key)): hide_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [hide_secrets(item) for item in value]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _hide_secrets_in_text(value if isinstance(value, str) else repr(value))


def _hide_secrets_in_text(text: str) -> str:
    return _SECRET_VALUE_PATTERN.sub(REPLACEMENT_FOR_SECRETS, text)
