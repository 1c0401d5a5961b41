"""Parse YAML into plain Python values, so that a malicious file can neither run code nor exhaust memory.

Only PyYAML's parser is used, which yields events, and not its loaders: these crash on 100,000 nested lists, and expand
merge keys without limit. The code here does not recurse, and counts depth and size as events arrive.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any

from flag_harness.cassette.importers.limits import ImportLimits
from flag_harness.errors import require_extra

with require_extra("vcr"):
    import yaml

_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG_PREFIX = "tag:yaml.org,2002:"
_INTEGER_PATTERN = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,4000})")
_FLOAT_PATTERN = re.compile(r"(?:[-+]?[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?")
"""Matches an unquoted number with a decimal point, as PyYAML reads it. It does not match `7e10`, which may be an id."""
_VALUE_BY_PLAIN_SCALAR: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + word: float(sign + word[1:]) for sign in ("", "-", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_LIBYAML_TOO_DEEP_MESSAGE = "exceeded maximum nesting depth"
"""The message of libyaml (0.2.6 or later) for more than 1,000 levels of nested brackets."""
_CONTENT_KEYS_OF_PICKLED_OBJECT = ("args", "state")
"""The keys under which a pickled object (`!!python/object/apply:`, `!!python/object/new:`) keeps its content."""


class _MergeKey(str):
    """The unquoted YAML key `<<`: the members of its value are merged into the mapping that has the key."""

    __slots__ = ()


_MERGE_KEY = _MergeKey("<<")


def parse_yaml(data: bytes, limits: ImportLimits) -> Any:
    """Parse a YAML document into dicts, lists, strings, bytes, numbers, booleans and None.

    `!!binary` gives bytes. The tag of a Python object gives the object's content: `!!python/...:istr [x]` is x. An
    unquoted scalar is a JSON value if it is a valid one, else text. Raise `ValueError` with a one-line message if the
    data is invalid, too large, or holds several documents.
    """
    reader = _ValueBuilder(limits)
    try:
        for event in yaml.parse(data, _YAML_LOADER):
            reader.add_event(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        location = f" in line {mark.line + 1}" if mark else ""
        if error.problem == _LIBYAML_TOO_DEEP_MESSAGE:
            raise ValueError(_too_deep_message(limits, location)) from None
        raise ValueError(f"not YAML: {error.problem or error.context}{location}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None
    if not reader.documents:
        raise ValueError("empty")
    return reader.documents[0]


@dataclass(slots=True)
class _UnfinishedCollection:
    """A list or mapping whose end has not been read yet, and its values so far.

    `size_before` is the size of the document before it: the number of characters and values, as `_ValueBuilder` counts.
    """

    yaml_tag: str | None
    yaml_anchor: str | None
    is_mapping: bool
    size_before: int
    values: list[Any] = field(default_factory=list)


class _ValueBuilder:
    """Builds Python values from the events of a YAML parser.

    It counts characters and values. What an alias stands for is counted each time the alias is used.
    """

    def __init__(self, limits: ImportLimits) -> None:
        self.documents: list[Any] = []
        self._limits = limits
        self._open_collections: list[_UnfinishedCollection] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._size = 0

    def add_event(self, event: Any) -> None:
        """Add the next event of the YAML parser. Raise `ValueError` if the document exceeds a limit."""
        start = self._size
        match event:
            case yaml.ScalarEvent():
                self._count_characters(event, len(event.value) + 1)
                self._add_value(_parse_scalar(event), event.anchor, start)
            case yaml.AliasEvent():
                if event.anchor not in self._anchors:
                    raise ValueError(
                        f"alias {event.anchor!r:.40} does not refer to a complete value{_line_number_suffix(event)}"
                    )
                value, size = self._anchors[event.anchor]
                self._count_characters(event, size)
                self._add_value(value, None, start)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._count_characters(event, 1)
                if len(self._open_collections) >= self._limits.max_nesting_depth:
                    raise ValueError(_too_deep_message(self._limits, _line_number_suffix(event)))
                self._open_collections.append(
                    _UnfinishedCollection(event.tag, event.anchor, isinstance(event, yaml.MappingStartEvent), start)
                )
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                done = self._open_collections.pop()
                self._add_value(_build_collection(done, event), done.yaml_anchor, done.size_before)

    def _count_characters(self, event: Any, count: int) -> None:
        """Count `count` more characters. Raise `ValueError` if there are too many."""
        self._size += count
        if self._size > self._limits.max_size_with_aliases:
            raise ValueError(
                f"more than {self._limits.max_size_with_aliases:,} characters once aliases are expanded"
                f"{_line_number_suffix(event)}"
            )

    def _add_value(self, value: Any, anchor: str | None, size_before: int) -> None:
        if anchor:
            self._anchors[anchor] = value, self._size - size_before
        if self._open_collections:
            self._open_collections[-1].values.append(value)
        elif self.documents:
            raise ValueError("more than one YAML document; httpmock writes such, and they are not read")
        else:
            self.documents.append(value)


def _too_deep_message(limits: ImportLimits, location: str) -> str:
    return f"more than {limits.max_nesting_depth} levels of nesting{location}"


def _line_number_suffix(event: Any) -> str:
    """Return the line of an event as the end of an error message, such as ` in line 3`."""
    return f" in line {event.start_mark.line + 1}"


def _build_collection(done: _UnfinishedCollection, event: Any) -> Any:
    """Return the finished list or mapping or, if it stands for a pickled Python object, that object's content."""
    value: Any = done.values
    if done.is_mapping:
        try:
            value = _build_mapping(done.values[::2], done.values[1::2], event)
        except TypeError:
            raise ValueError(f"a mapping's key is itself a list or a mapping{_line_number_suffix(event)}") from None
    if not (done.yaml_tag or "").startswith(f"{_TAG_PREFIX}python/object/"):
        return value
    return _content_of_pickled_object(value)


def _build_mapping(keys: list[Any], values: list[Any], event: Any) -> dict[Any, Any]:
    """Build a mapping from its keys and values, including the mappings that `<<` merges into it.

    If a key occurs more than once, the mapping's own member is used, else that of the first merged mapping.
    """
    pairs = list(zip(keys, values, strict=True))
    merged: dict[Any, Any] = {}
    for source in (value for key, value in pairs if type(key) is _MergeKey):
        for one in reversed(source) if isinstance(source, list) else [source]:
            if not isinstance(one, dict):
                raise ValueError(f"the value of << is not a mapping{_line_number_suffix(event)}")  # noqa: TRY004 - from a file
            merged.update(one)
    return merged | {key: value for key, value in pairs if type(key) is not _MergeKey}


def _content_of_pickled_object(value: Any) -> Any:
    """Return the content of a pickled object: its first argument or, if there is none, its state."""
    if isinstance(value, dict):
        value = next((value[name] for name in _CONTENT_KEYS_OF_PICKLED_OBJECT if value.get(name)), value)
    return value[0] if isinstance(value, list) and value else value


def _parse_scalar(event: Any) -> Any:
    text: str = event.value
    tag = (event.tag or "").removeprefix(_TAG_PREFIX)
    if tag in ("binary", "python/bytes"):
        return _decode_binary(event)
    if text == _MERGE_KEY and not event.tag and event.implicit[0]:
        return _MERGE_KEY
    if tag in _PLAIN_SCALAR_TAGS or (not tag and event.implicit[0]):
        return _parse_plain_scalar(text)
    return text


_PLAIN_SCALAR_TAGS = ("null", "bool", "int", "float")


def _parse_plain_scalar(text: str) -> Any:
    """Return the value of an unquoted YAML text: a number, boolean or None, as in JSON.

    `yes` and `2024-05-01` stay texts.
    """
    if text in _VALUE_BY_PLAIN_SCALAR:
        return _VALUE_BY_PLAIN_SCALAR[text]
    if _INTEGER_PATTERN.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT_PATTERN.fullmatch(text) else text


def _decode_binary(event: Any) -> bytes:
    try:
        return base64.b64decode("".join(event.value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"!!binary is not base64{_line_number_suffix(event)}") from None
