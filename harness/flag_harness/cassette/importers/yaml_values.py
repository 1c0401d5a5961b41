"""YAML as plain values, from the parser's events alone: no tag is ever looked up, let alone executed.

PyYAML's loaders are not used. Their composer recurses in C and kills the process on 100,000 nested lists, and their
constructors expand merge keys without bound. Here nothing recurses, and depth and size are counted as events arrive.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any

from flag_harness.cassette.importers.limits import Limits
from flag_harness.errors import require_extra

with require_extra("vcr"):
    import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,4000})")
_FLOAT = re.compile(r"(?:[-+]?[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
"""What PyYAML takes for a number, and so quotes where it is text. The text `7e10`, an id maybe, it does not quote."""
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + word: float(sign + word[1:]) for sign in ("", "-", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_TOO_DEEP = "exceeded maximum nesting depth"
"""What libyaml says of brackets that it reads ahead of its events: since 0.2.6 it stops at 1,000 by itself."""
_MADE_OF = ("args", "state")
"""Where a pickled object (`!!python/object/apply:`, `!!python/object/new:`) keeps what it was made of."""


class _Merge(str):
    """The key `<<`, written plain: what stands behind it belongs to the mapping that it stands in."""

    __slots__ = ()


_MERGE = _Merge("<<")


def plain_yaml(data: bytes, limits: Limits) -> Any:
    """The one document in `data` as dicts, lists, strings, bytes, numbers, booleans and None.

    `!!binary` gives bytes. A tag that names a Python object gives what the object was made of: `!!python/...:istr [x]`
    is x. A plain scalar is what JSON would make of it, else text. Raises `ValueError` in one line.
    """
    reader = _Reader(limits)
    try:
        for event in yaml.parse(data, _LOADER):
            reader.feed(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}" if mark else ""
        if error.problem == _TOO_DEEP:
            raise ValueError(_inside_each_other(limits, place)) from None
        raise ValueError(f"not YAML: {error.problem or error.context}{place}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None
    if not reader.documents:
        raise ValueError("empty")
    return reader.documents[0]


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet, and what came of it so far."""

    tag: str | None
    anchor: str | None
    mapping: bool
    start: int
    values: list[Any] = field(default_factory=list)


class _Reader:
    """Builds values from events. `_size` counts characters and values, those behind an alias each time."""

    def __init__(self, limits: Limits) -> None:
        self.documents: list[Any] = []
        self._limits = limits
        self._open: list[_Open] = []
        self._named: dict[str, tuple[Any, int]] = {}
        self._size = 0

    def feed(self, event: Any) -> None:
        start = self._size
        match event:
            case yaml.ScalarEvent():
                self._grow(event, len(event.value) + 1)
                self._add(_scalar(event), event.anchor, start)
            case yaml.AliasEvent():
                if event.anchor not in self._named:
                    raise ValueError(f"alias {event.anchor!r:.40} names nothing that is complete{_place(event)}")
                value, size = self._named[event.anchor]
                self._grow(event, size)
                self._add(value, None, start)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._grow(event, 1)
                if len(self._open) >= self._limits.depth:
                    raise ValueError(_inside_each_other(self._limits, _place(event)))
                self._open.append(_Open(event.tag, event.anchor, isinstance(event, yaml.MappingStartEvent), start))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                done = self._open.pop()
                self._add(_collection(done, event), done.anchor, done.start)

    def _grow(self, event: Any, by: int) -> None:
        self._size += by
        if self._size > self._limits.expanded:
            raise ValueError(
                f"more than {self._limits.expanded:,} characters once aliases stand in full{_place(event)}"
            )

    def _add(self, value: Any, anchor: str | None, start: int) -> None:
        if anchor:
            self._named[anchor] = value, self._size - start
        if self._open:
            self._open[-1].values.append(value)
        elif self.documents:
            raise ValueError("more than one YAML document; httpmock writes such, and they are not read")
        else:
            self.documents.append(value)


def _inside_each_other(limits: Limits, place: str) -> str:
    return f"more than {limits.depth} values inside each other{place}"


def _place(event: Any) -> str:
    return f" in line {event.start_mark.line + 1}"


def _collection(done: _Open, event: Any) -> Any:
    """A finished list or mapping; what a pickled object was made of, where it is one."""
    value: Any = done.values
    if done.mapping:
        try:
            value = _mapping(done.values[::2], done.values[1::2], event)
        except TypeError:
            raise ValueError(f"a mapping's key is itself a list or a mapping{_place(event)}") from None
    if not (done.tag or "").startswith(f"{_TAG}python/object/"):
        return value
    return _content(value)


def _mapping(keys: list[Any], values: list[Any], event: Any) -> dict[Any, Any]:
    """The mapping, with the members of those that it merges, unless it has its own; the first merged one wins."""
    pairs = list(zip(keys, values, strict=True))
    merged: dict[Any, Any] = {}
    for source in (value for key, value in pairs if type(key) is _Merge):
        for one in reversed(source) if isinstance(source, list) else [source]:
            if not isinstance(one, dict):
                raise ValueError(f"<< stands before what is no mapping{_place(event)}")  # noqa: TRY004 - from a file
            merged.update(one)
    return merged | {key: value for key, value in pairs if type(key) is not _Merge}


def _content(value: Any) -> Any:
    """What a pickled object holds: the first of its arguments or, without any, of its state."""
    if isinstance(value, dict):
        value = next((value[name] for name in _MADE_OF if value.get(name)), value)
    return value[0] if isinstance(value, list) and value else value


def _scalar(event: Any) -> Any:
    text: str = event.value
    tag = (event.tag or "").removeprefix(_TAG)
    if tag in ("binary", "python/bytes"):
        return _binary(event)
    if text == _MERGE and not event.tag and event.implicit[0]:
        return _MERGE
    if tag in _TYPED or (not tag and event.implicit[0]):
        return _plain(text)
    return text


_TYPED = ("null", "bool", "int", "float")


def _plain(text: str) -> Any:
    """What an unquoted scalar means. Only JSON's words and numbers: `yes`, `1:30` and `2024-05-01` are text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _binary(event: Any) -> bytes:
    try:
        return base64.b64decode("".join(event.value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"!!binary is not base64{_place(event)}") from None
