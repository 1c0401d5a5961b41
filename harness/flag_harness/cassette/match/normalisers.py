"""Normalisers mask values that differ from run to run, so that requests with such values still match.

They are applied to copies of sent and recorded requests for the comparison. Filters, in contrast, remove what must not
be stored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from flag_harness.cassette.match.matching import decode_comparable_body
from flag_harness.cassette.redact.headers import select_request_headers
from flag_harness.errors import ConfigError
from flag_harness.wire.json_paths import JsonStep, parse_json_path, replace_at_json_path
from flag_harness.wire.timeline import Request

NORMALISED_TEXT = "NORMALISED"
"""The text that replaces masked values while requests are compared."""


@dataclass(frozen=True, slots=True)
class Normalisers:
    """Rules for values that matching ignores.

    `json` masks values of the body by path (`metadata.user_id`, `messages[*].content`, `**.created_at`), including
    everything nested in them. `patterns` masks the matches of regular expressions in the URL's path and in each text of
    the body. Raise `ConfigError` if a path or a pattern is invalid.
    """

    patterns: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    _json_path_steps: tuple[tuple[JsonStep, ...], ...] = field(init=False, repr=False, compare=False)
    _combined_pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("patterns", "json"):
            values = getattr(self, name)
            if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
                raise ConfigError(f"normalise: {name} = {values!r} must be a list of strings")
            object.__setattr__(self, name, tuple(values))
        object.__setattr__(self, "_json_path_steps", tuple(map(_parse_path, self.json)))
        object.__setattr__(self, "_combined_pattern", _combine_patterns(self.patterns))

    def __add__(self, other: "Normalisers") -> "Normalisers":
        return Normalisers((*self.patterns, *other.patterns), (*self.json, *other.json))

    def __bool__(self) -> bool:
        return bool(self.patterns or self.json)

    def normalise_request(self, request: Request) -> Request:
        """Return the request with all values masked to which a rule applies."""
        if not self:
            return request
        value = decode_comparable_body(request.body)
        body = request.body if isinstance(value, bytes) else msgspec.json.encode(self.normalise_value(value))
        url, headers = self._normalise_text(request.url), select_request_headers(request.headers)
        return replace(request, url=url, headers=headers, body=body)

    def normalise_value(self, value: Any) -> Any:
        """Return a JSON value with all values in it masked to which a rule applies."""
        for steps in self._json_path_steps:
            value = replace_at_json_path(value, steps, NORMALISED_TEXT)
        return self._normalise_texts(value) if self._combined_pattern else value

    def _normalise_texts(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._normalise_text(value)
        if isinstance(value, dict):
            return {key: self._normalise_texts(member) for key, member in value.items()}
        return [self._normalise_texts(member) for member in value] if isinstance(value, list) else value

    def _normalise_text(self, text: str) -> str:
        return self._combined_pattern.sub(NORMALISED_TEXT, text) if self._combined_pattern else text


def _combine_patterns(patterns: Sequence[str]) -> re.Pattern[str] | None:
    """Combine patterns into one, so that each text is searched only once. Return None if there are no patterns."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"normalise: the pattern {pattern!r} is not a regular expression: {error}") from None
    if not patterns:
        return None
    try:
        return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    except re.error as error:
        raise ConfigError(
            f"normalise: the patterns {', '.join(map(repr, patterns))} cannot be combined: {error}; "
            "use no named groups, and write flags as (?i:...)"
        ) from None


def _parse_path(path: str) -> tuple[JsonStep, ...]:
    try:
        return parse_json_path(path)
    except ValueError as error:
        raise ConfigError(f"normalise: {error}") from None


NO_NORMALISERS = Normalisers()
"""Normalisers that mask nothing."""
