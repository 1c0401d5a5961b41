"""Normalisers: what differs from run to run, taken out of both sides before requests are compared.

They change neither what is sent nor what is stored; what must not be stored is the matter of filters.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from flag_harness.cassette.match.matching import body_value
from flag_harness.cassette.redact.headers import select_request_headers
from flag_harness.errors import ConfigError
from flag_harness.wire.json_paths import JsonStep, parse_json_path, replace_at_json_path
from flag_harness.wire.timeline import Request

NORMALISED = "NORMALISED"
"""What stands, while requests are compared, where something was taken out."""


@dataclass(frozen=True, slots=True)
class Normalisers:
    """What takes no part in matching.

    `json` names values of the body by path (`metadata.user_id`, `messages[*].content`, `**.created_at`), with all below
    them; `patterns` takes out what a regular expression finds in the path of the URL and in each text of the body.
    Raises `ConfigError` naming what cannot be understood.
    """

    patterns: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    _steps: tuple[tuple[JsonStep, ...], ...] = field(init=False, repr=False, compare=False)
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("patterns", "json"):
            values = getattr(self, name)
            if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
                raise ConfigError(f"normalise: {name} = {values!r} must be a list of strings")
            object.__setattr__(self, name, tuple(values))
        object.__setattr__(self, "_steps", tuple(map(_parse_path, self.json)))
        object.__setattr__(self, "_pattern", _combined(self.patterns))

    def __add__(self, other: "Normalisers") -> "Normalisers":
        return Normalisers((*self.patterns, *other.patterns), (*self.json, *other.json))

    def __bool__(self) -> bool:
        return bool(self.patterns or self.json)

    def request(self, request: Request) -> Request:
        """The request as it is compared. Requests that differ in nothing else become equal."""
        if not self:
            return request
        value = body_value(request.body)
        body = request.body if isinstance(value, bytes) else msgspec.json.encode(self.value(value))
        return replace(request, url=self._text(request.url), headers=select_request_headers(request.headers), body=body)

    def value(self, value: Any) -> Any:
        """A JSON value as it is compared."""
        for steps in self._steps:
            value = replace_at_json_path(value, steps, NORMALISED)
        return self._texts(value) if self._pattern else value

    def _texts(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {key: self._texts(member) for key, member in value.items()}
        return [self._texts(member) for member in value] if isinstance(value, list) else value

    def _text(self, text: str) -> str:
        return self._pattern.sub(NORMALISED, text) if self._pattern else text


def _combined(patterns: Sequence[str]) -> re.Pattern[str] | None:
    """One pattern that finds what any of them finds: a text is read once."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"normalise: the pattern {pattern!r} is no regular expression: {error}") from None
    if not patterns:
        return None
    try:
        return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    except re.error as error:
        raise ConfigError(
            f"normalise: the patterns {', '.join(map(repr, patterns))} cannot stand side by side: {error}; "
            "use no named groups, and write flags as (?i:...)"
        ) from None


def _parse_path(path: str) -> tuple[JsonStep, ...]:
    try:
        return parse_json_path(path)
    except ValueError as error:
        raise ConfigError(f"normalise: {error}") from None


NO_NORMALISERS = Normalisers()
"""Requests are compared as they are."""
