"""Detectors of personal data, which a project declares as regular expressions or functions."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flag_harness.cassette.redact.edits import TextEdit
from flag_harness.cassette.redact.encodings import find_redaction_edits
from flag_harness.config import PRIVACY_ACTIONS, DetectorSettings, PrivacyAction
from flag_harness.errors import ConfigError
from flag_harness.imports import import_attribute

DetectorFunction = Callable[[str], Iterable[tuple[int, int] | str]]
"""A function that returns the personal data in a text: as (start, end) positions, or as the strings themselves."""


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds personal data in texts. `action` is what happens to findings: `mask`, `refuse` (to save the cassette) or
    `warn`.

    `find_spans` must return the same result for equal texts. If it does not, replayed requests no longer match. Raise
    `ConfigError` if the action is unknown.
    """

    name: str
    find_spans: DetectorFunction
    action: PrivacyAction = "mask"

    def __post_init__(self) -> None:
        if self.action not in PRIVACY_ACTIONS:
            raise ConfigError(
                f"detector {self.name!r}: action = {self.action!r} must be one of {', '.join(PRIVACY_ACTIONS)}"
            )

    def find_named_spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield `(start, stop, name of this detector)` for each finding.

        Raise `ConfigError` if the project's function fails.
        """
        try:
            found = list(self.find_spans(text))
        except Exception as error:  # whatever a function of the project raises; its message may quote the text
            raise ConfigError(
                f"{self._name_of_detector_function()} raised {type(error).__name__}{_error_location(error)}"
            ) from None
        for one in found:
            if isinstance(one, str):
                yield from (
                    (match.start(), match.end(), self.name) for match in re.finditer(re.escape(one), text) if one
                )
            else:
                yield (*self._require_valid_span(one, len(text)), self.name)

    def redaction_edits(self, text: str) -> tuple[TextEdit, ...]:
        """Return the edits that redact the findings in a text. Data that is escaped or in base64 is found, too."""
        return _find_edits(self, text) if len(text) <= _MAX_CACHED_TEXT_LENGTH else _find_edits.__wrapped__(self, text)

    def _require_valid_span(self, found: Any, length: int) -> tuple[int, int]:
        """Return the start and stop that the project's function has returned as `found`.

        Raise `ConfigError` if they are not positions in a text of this length.
        """
        if isinstance(found, tuple) and len(found) == 2 and all(type(one) is int for one in found):
            start, stop = found
            if 0 <= start <= stop <= length:
                return start, stop
        raise ConfigError(
            f"{self._name_of_detector_function()} must return (start, end) positions in the text, or matched strings; "
            f"it returned {'a position outside of the text' if isinstance(found, tuple) else type(found).__name__}"
        )

    def _name_of_detector_function(self) -> str:
        return (
            f"[tool.flag-harness.privacy] {self.name}: the function {getattr(self.find_spans, '__qualname__', 'find')}"
        )


_MAX_CACHED_TEXT_LENGTH = 100_000
"""The longest text in characters whose findings are cached. A conversation sends most of its texts repeatedly."""


@lru_cache(maxsize=1024)
def _find_edits(detector: Detector, text: str) -> tuple[TextEdit, ...]:
    """Return the edits that redact a detector's findings in a text. Results are cached."""
    return tuple(find_redaction_edits(text, detector.find_named_spans, in_binary=False))


def make_detector(name: str, settings: DetectorSettings, folder: Path) -> Detector:
    """Build a detector from its settings: a pattern, or a function that is imported from `folder` (that of
    `pyproject.toml`).
    """
    if settings.pattern:
        return Detector(name, PatternFinder(settings.pattern), settings.action)
    try:
        function = import_attribute(settings.function, "function", "myapp.privacy:find_names", folder)
    except ConfigError as error:
        raise ConfigError(f"[tool.flag-harness.privacy] {name}: {error}") from None
    if not callable(function):
        raise ConfigError(
            f"[tool.flag-harness.privacy] {name}: {settings.function!r} must be a function of a text, "
            f"not {type(function).__name__}"
        )
    return Detector(name, function, settings.action)


@dataclass(frozen=True, slots=True)
class PatternFinder:
    """A detector function that finds the matches of a regular expression."""

    pattern: str

    def __call__(self, text: str) -> Iterator[tuple[int, int]]:
        return (match.span() for match in re.finditer(self.pattern, text))


def _error_location(error: Exception) -> str:
    """Return the file and line where an error was raised, as the end of a message: ` in privacy.py, line 7`."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f" in {Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}" if trace else ""
