"""The tokens that a request used, as the API reports them in messages and in stream events."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

_CACHE_CREATION_KEY = "cache_creation_input_tokens"
_JSON_PATH_BY_FIELD: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    _CACHE_CREATION_KEY: (_CACHE_CREATION_KEY,),
    "cache_read_input_tokens": ("cache_read_input_tokens",),
    "cache_creation_5m": ("cache_creation", "ephemeral_5m_input_tokens"),
    "cache_creation_1h": ("cache_creation", "ephemeral_1h_input_tokens"),
    "thinking_tokens": ("output_tokens_details", "thinking_tokens"),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one answer, or the sum over several.

    `input_tokens` excludes tokens that were written to the cache or read from it. `cache_creation_5m` and
    `cache_creation_1h` split `cache_creation_input_tokens` by how long they are cached; both are 0 in answers from
    before August 2025, which have no such split. `thinking_tokens` is the part of `output_tokens` that was used for
    thinking, or 0 if the API did not report it.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_5m: int = 0
    cache_creation_1h: int = 0
    thinking_tokens: int = 0

    @classmethod
    def from_mapping(cls, usage: Mapping[str, Any] | None) -> Self:
        """Return the usage from the `usage` object of an answer.

        Missing and null counts are 0; unknown keys are ignored. If the object has the tokens written to the cache only
        for each lifetime (5 minutes and 1 hour), they are added up. Raise `ValueError` naming the key if a value is not
        a number of tokens.
        """
        return cls().with_delta(usage)

    @property
    def total_input(self) -> int:
        """All input tokens: not cached, written to the cache, and read from the cache."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    def with_delta(self, delta: Mapping[str, Any] | None) -> Self:
        """Return this usage, updated by the `usage` object of a `message_delta` event.

        Counts in the event are totals, so they replace those of `message_start` and nothing is counted twice. Counts
        that the event lacks are kept (it never has `cache_creation`). Raise `ValueError` as `from_mapping` does.
        """
        counts = {
            name: count
            for name, path in _JSON_PATH_BY_FIELD.items()
            if (count := _token_count(delta, path)) is not None
        }
        if _CACHE_CREATION_KEY not in counts and counts.keys() & {"cache_creation_5m", "cache_creation_1h"}:
            counts[_CACHE_CREATION_KEY] = sum(
                counts.get(name, getattr(self, name)) for name in ("cache_creation_5m", "cache_creation_1h")
            )
        return replace(self, **counts)

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum of two usages. Use `sum(usages, Usage())` for many."""
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Usage)))

    def to_json(self) -> dict[str, Any]:
        """Return the usage as the API's JSON object, with every key, so that `from_mapping` can read it."""
        document: dict[str, Any] = {}
        for name, (*parents, key) in _JSON_PATH_BY_FIELD.items():
            table = document
            for parent in parents:
                table = table.setdefault(parent, {})
            table[key] = getattr(self, name)
        return document


def _token_count(usage: Mapping[str, Any] | None, path: tuple[str, ...]) -> int | None:
    """Return the number of tokens at a path of keys in `usage`, or None if there is no value at the path.

    Raise `ValueError` if the value is not a whole number of 0 or more.
    """
    value: Any = usage
    for key in path:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise _token_count_error(path, value)
        value = value.get(key)
    if value is None or (type(value) is int and value >= 0):
        return value
    raise _token_count_error(path, value)


def _token_count_error(path: tuple[str, ...], value: Any) -> ValueError:
    return ValueError(f"usage.{'.'.join(path)}: {value!r} is not a number of tokens (a whole number, 0 or more)")
