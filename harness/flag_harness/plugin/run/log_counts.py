"""Counts the warnings and errors that the code under test logs."""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flag_harness.record import LogCount

_FORMAT_SPECIFIER_PATTERN = re.compile(r"%(?:\([^)]*\))?[-+ #0]*[\d*]*(?:\.[\d*]+)?[a-zA-Z%]")
_LOGGER_NOT_COUNTED = "flag_harness.simulator"
"""The logger of the simulator, which is not the code under test. What it logs is in the run record's field `cache`."""
_MAX_DIFFERENT_MESSAGES = 100
_MAX_MESSAGE_LENGTH = 200


class LogCounter(logging.Handler):
    """Counts log records of level WARNING and above by their level, logger and message."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count a log record. After a hundred different messages, new ones are ignored."""
        if record.name.startswith(_LOGGER_NOT_COUNTED):
            return
        key = record.levelname, record.name, _message_template(record).partition("\n")[0][:_MAX_MESSAGE_LENGTH]
        if key in self._counts or len(self._counts) < _MAX_DIFFERENT_MESSAGES:
            self._counts[key] += 1

    def message_counts(self) -> "tuple[LogCount, ...]":
        """Return how often each message was logged, the most frequent first."""
        from flag_harness.record import LogCount

        ordered = sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0]))
        return tuple(LogCount(*key, count) for key, count in ordered)


def _message_template(record: logging.LogRecord) -> str:
    """Return the message before its arguments are filled in, or the first argument if the message has no words."""
    message = str(record.msg)
    if (
        isinstance(record.args, tuple)
        and record.args
        and not re.search(r"[^\W\d_]", _FORMAT_SPECIFIER_PATTERN.sub("", message))
    ):
        return str(record.args[0])
    return message


@contextmanager
def count_logs() -> Iterator[LogCounter]:
    """Count warnings and errors that are logged inside the context, by any logger that propagates to the root."""
    counter = LogCounter()
    logging.getLogger().addHandler(counter)
    try:
        yield counter
    finally:
        logging.getLogger().removeHandler(counter)
