"""What a request cost in tokens, as the API states it in a message, in `message_start` and in `message_delta`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

_CREATION = "cache_creation_input_tokens"
_PATHS: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    _CREATION: (_CREATION,),
    "cache_read_input_tokens": ("cache_read_input_tokens",),
    "cache_creation_5m": ("cache_creation", "ephemeral_5m_input_tokens"),
    "cache_creation_1h": ("cache_creation", "ephemeral_1h_input_tokens"),
    "thinking_tokens": ("output_tokens_details", "thinking_tokens"),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, or of several added up.

    `input_tokens` leaves out what was written to the cache or read from it. `cache_creation_5m` and `cache_creation_1h`
    split `cache_creation_input_tokens` by lifetime; answers from before August 2025 have no split, both are then 0.
    `thinking_tokens` is the part of `output_tokens` that went into thinking, 0 where the API did not state it.
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
        """The `usage` object of an answer of any date; absent and null count as 0, other keys take no part.

        A split without its sum gives the sum. Raises `ValueError` naming a key whose value is no count of tokens.
        """
        return cls().updated(usage)

    @property
    def total_input(self) -> int:
        """All tokens that the model read: uncached, written to the cache, and read from it."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    def updated(self, delta: Mapping[str, Any] | None) -> Self:
        """This usage, from `message_start`, after the usage of a `message_delta`.

        A delta is cumulative: what it states takes the place of what was there, so nothing is counted twice; what it
        does not state (`cache_creation` never stands in a delta) is kept. Raises `ValueError` as `from_mapping`.
        """
        stated = {name: count for name, path in _PATHS.items() if (count := _count(delta, path)) is not None}
        if _CREATION not in stated and stated.keys() & {"cache_creation_5m", "cache_creation_1h"}:
            stated[_CREATION] = sum(
                stated.get(name, getattr(self, name)) for name in ("cache_creation_5m", "cache_creation_1h")
            )
        return replace(self, **stated)

    def __add__(self, other: "Usage") -> "Usage":
        """Both together: the usage of two answers. `sum(usages, Usage())` adds many."""
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Usage)))

    def to_json(self) -> dict[str, Any]:
        """The API's own spelling, every key present; `from_mapping` reads it back."""
        document: dict[str, Any] = {}
        for name, (*parents, key) in _PATHS.items():
            table = document
            for parent in parents:
                table = table.setdefault(parent, {})
            table[key] = getattr(self, name)
        return document


def _count(usage: Mapping[str, Any] | None, path: tuple[str, ...]) -> int | None:
    value: Any = usage
    for key in path:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise _no_count(path, value)
        value = value.get(key)
    if value is None or (type(value) is int and value >= 0):
        return value
    raise _no_count(path, value)


def _no_count(path: tuple[str, ...], value: Any) -> ValueError:
    return ValueError(f"usage.{'.'.join(path)}: {value!r} is not a number of tokens (a whole number, 0 or more)")
