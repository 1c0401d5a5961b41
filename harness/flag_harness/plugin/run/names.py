"""The names of cassettes: readable, stable, legal on every file system, and of no two tests the same.

A name is made of what the test is called and of its parameters' values, sorted by the parameters' names, never of
pytest's own ids, which differ between its versions. No two differ in nothing but case.
"""

import dataclasses
import enum
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flag_harness.matrix import Combination

LONGEST = 120
"""Characters of a name that are kept; file systems allow 255 bytes, Windows 260 characters with the folder's path."""
VCR_ILLEGAL = r"<>?%*:|\"'/\\"
"""Characters that pytest-recording replaces in the names of cassettes."""
VCR_LONGEST = 255
"""Characters of a file's name from which pytest-recording shortens it: `PC_NAME_MAX` of Linux and macOS."""
_HASH_AND_DOTS = 35
"""An MD5 in hexadecimal, and three dots."""
LONGEST_VALUE = 40
"""Characters of a parameter's value that are shown."""

_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\s]+')
_PLAIN = re.compile(r"[A-Za-z0-9_.,=+\-\[\]]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Names of devices, which Windows keeps to itself, whatever follows the dot."""
_PLAIN_VALUE = re.compile(r"[a-z0-9_.+-]*[a-z0-9_+-]")
_LITERAL = re.compile(r"true|false|none|[+-]?(?:[0-9][0-9_.]*(?:e[+-]?[0-9]+)?|\.[0-9]+|inf|infinity|nan)")
"""Strings that would read as a number, a boolean or `None`."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def slug(text: str) -> str:
    """A file name for the text: itself where it is plain and short, else shortened with a hash of the whole.

    >>> slug("test_matrix[streaming+prompt_cache]")
    'test_matrix[streaming+prompt_cache]'
    """
    if len(text) <= LONGEST and _PLAIN.fullmatch(text) and not text.endswith(".") and not _RESERVED.fullmatch(text):
        return text
    ascii_text = text.encode("ascii", "replace").decode("ascii")
    return f"{_ILLEGAL.sub('-', ascii_text)[:LONGEST].strip('-. ')}-{_digest(text)}"


def cassette_name(
    classes: Sequence[str], function: str, parameters: Mapping[str, Any], positions: Mapping[str, int]
) -> str:
    """The name of a test's cassette, without its suffix: `TestRefund.test_ask[model=haiku,turns=3]`.

    A combination of flags stands by its id alone, before the other parameters. A value that is no short plain text or
    number is named by a hash; where nothing tells it from others but its place among the parameter's values
    (`positions`), by that place.

    >>> cassette_name([], "test_ask", {"turns": 3, "model": "haiku"}, {})
    'test_ask[model=haiku,turns=3]'
    """
    values = ",".join(_values(parameters, positions))
    shown = function if function == function.lower() else f"{function}-{_digest(function)}"
    return slug(".".join([*classes, shown]) + (f"[{values}]" if values else ""))


def vcr_name(cls: type | None, name: str) -> str:
    """The name that pytest-recording gives a cassette: `TestClass.test_name[id]`, without what files may not hold."""
    name = f"{cls.__name__}.{name}" if cls else name
    return "".join("-" if character in VCR_ILLEGAL else character for character in name)


def shortened(name: str, suffix: str) -> str:
    """A name that is too long for a file with that suffix, as pytest-recording shortens it; any other as it is."""
    if len(name) + len(suffix) <= VCR_LONGEST:
        return name
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{name[: VCR_LONGEST - len(suffix) - _HASH_AND_DOTS]}...{digest}"


def same_names(names: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """The names that two owners have, as a file system that ignores case sees them: first, second owner, name."""
    owners: dict[str, str] = {}
    for owner, name in names:
        if (first := owners.setdefault(name.casefold(), owner)) != owner:
            yield first, owner, name


def _values(parameters: Mapping[str, Any], positions: Mapping[str, int]) -> Iterator[str]:
    combinations = {name for name, value in parameters.items() if isinstance(value, Combination)}
    yield from (parameters[name].id for name in sorted(combinations))
    for name in sorted(parameters.keys() - combinations):
        yield f"{name}={_value(parameters[name], positions.get(name, 0))}"


def _value(value: Any, position: int) -> str:
    """A value in few characters, the same for no other value of its parameter."""
    if isinstance(value, str) and value:
        plain = value if not _LITERAL.fullmatch(value) else ""
    elif value is None or type(value) in (bool, int, float):
        plain = str(value).lower()
    else:
        plain = ""
    if _PLAIN_VALUE.fullmatch(plain) and len(plain) <= LONGEST_VALUE:
        return plain
    text = _text(value)
    if text is None:
        return f"{type(value).__name__.lower()}-{position}"
    readable = value if isinstance(value, str) else getattr(value, "__name__", None) or type(value).__name__
    if isinstance(value, enum.Enum):
        readable = value.name
    shown = re.sub(r"[^a-z0-9_.+]+", "-", str(readable).lower())[:LONGEST_VALUE].strip("-.")
    return f"{shown}-{_digest(text)}".lstrip("-")


def _text(value: Any) -> str | None:
    """A text that is the same for equal values in every run, and for no others; `None` where there is none."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, (set, frozenset)):
        members = [_text(member) for member in value]
        return None if None in members else f"{type(value).__name__}{sorted(map(str, members))}"
    if isinstance(value, dict):
        pairs = [(_text(key), _text(member)) for key, member in value.items()]
        return None if any(None in pair for pair in pairs) else f"dict{pairs}"
    if isinstance(value, (list, tuple)):
        parts = [_text(member) for member in value]
        return None if None in parts else f"{type(value).__name__}{parts}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [_text(getattr(value, field.name)) for field in dataclasses.fields(value)]
        return None if None in fields else f"{type(value).__qualname__}{fields}"
    if isinstance(value, type) or callable(value):
        name = getattr(value, "__qualname__", "")
        return f"{value.__module__}.{name}" if name and "<" not in name else None
    text = repr(value)
    return None if _ADDRESS.search(text) else f"{type(value).__qualname__} {text}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
