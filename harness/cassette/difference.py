"""Where two JSON values differ, by path."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

ABSENT = type("Absent", (), {"__repr__": lambda self: "nothing"})()
"""Stands for a value that one side does not have."""

CONTEXT = 24
"""Characters of a text shown before and after the place where it changes."""
LONGEST = 80
"""Characters of a value that are shown at most."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A place that differs: `path` as `messages[0].content[1].text`, empty for the whole."""

    path: str
    recorded: Any
    sent: Any

    def __str__(self) -> str:
        recorded, sent = shortened(self.recorded, self.sent)
        return f"{self.path or 'body'}: recorded {recorded}, sent {sent}"


def differences(recorded: Any, sent: Any, path: str = "") -> Iterator[Difference]:
    """The smallest places in which `sent` differs from `recorded`, in the order of the recorded value."""
    if isinstance(recorded, dict) and isinstance(sent, dict):
        for key in [*recorded, *(key for key in sent if key not in recorded)]:
            inner = f"{path}.{key}" if path else key
            yield from differences(recorded.get(key, ABSENT), sent.get(key, ABSENT), inner)
    elif isinstance(recorded, list) and isinstance(sent, list):
        for place in range(max(len(recorded), len(sent))):
            yield from differences(_at(recorded, place), _at(sent, place), f"{path}[{place}]")
    elif recorded != sent or type(recorded) is not type(sent):
        yield Difference(path, recorded, sent)


def shortened(recorded: Any, sent: Any) -> tuple[str, str]:
    """Both values in few characters; of two texts, the part around the first change."""
    if isinstance(recorded, str) and isinstance(sent, str):
        start = max(_common(recorded, sent) - CONTEXT, 0)
        return _window(recorded, start), _window(sent, start)
    return _cut(repr(recorded)), _cut(repr(sent))


def _at(values: Sequence[Any], place: int) -> Any:
    return values[place] if place < len(values) else ABSENT


def _common(one: str, other: str) -> int:
    """How many leading characters two texts share."""
    shortest = min(len(one), len(other))
    return next((place for place in range(shortest) if one[place] != other[place]), shortest)


def _window(text: str, start: int) -> str:
    shown = text[start : start + LONGEST]
    return ("…" if start else "") + repr(shown) + ("…" if start + LONGEST < len(text) else "")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
