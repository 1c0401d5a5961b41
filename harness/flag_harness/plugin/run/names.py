"""Build the names of cassettes: readable, stable, legal on every file system, and different for different tests.

A name consists of the test's name and the values of its parameters, sorted by parameter. It does not use pytest's own
ids, which differ between its versions. No two names differ only in upper and lower case.
"""

import dataclasses
import enum
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

MAX_NAME_LENGTH = 120
"""The most characters in the name of a cassette's file or folder; a longer name is shortened. File systems allow 255
bytes, and Windows 260 characters including the folder's path.
"""
VCR_ILLEGAL_CHARACTERS = r"<>?%*:|\"'/\\"
"""Characters that pytest-recording replaces in the names of cassettes."""
MAX_VCR_NAME_LENGTH = 255
"""The longest file name that pytest-recording writes: `PC_NAME_MAX` of Linux and macOS."""
_LENGTH_OF_HASH_AND_DOTS = 35
"""The length of an MD5 in hexadecimal and three dots."""
MAX_PARAMETER_VALUE_LENGTH = 40
"""The longest text of a parameter's value; longer values are replaced by a hash."""

_ILLEGAL_CHARACTERS_PATTERN = re.compile(r'[<>:"/\\|?*\x00-\x1f\s]+')
_PLAIN_NAME_PATTERN = re.compile(r"[A-Za-z0-9_.,=+\-\[\]]+")
_RESERVED_FILE_NAME_PATTERN = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Matches names of devices, which Windows reserves even if a suffix follows."""
_PLAIN_VALUE_PATTERN = re.compile(r"[a-z0-9_.+-]*[a-z0-9_+-]")
_LITERAL_PATTERN = re.compile(r"true|false|none|[+-]?(?:[0-9][0-9_.]*(?:e[+-]?[0-9]+)?|\.[0-9]+|inf|infinity|nan)")
"""Matches strings that could be mistaken for a number, a boolean or `None`."""
_MEMORY_ADDRESS_PATTERN = re.compile(r" at 0x[0-9a-fA-F]+")


def safe_file_name(text: str) -> str:
    """Return a file name for a text: the text itself, or a shortened form with a hash if it is long or illegal.

    >>> safe_file_name("test_matrix[streaming+prompt_cache]")
    'test_matrix[streaming+prompt_cache]'
    """
    is_plain = (
        _PLAIN_NAME_PATTERN.fullmatch(text)
        and not text.endswith(".")
        and not _RESERVED_FILE_NAME_PATTERN.fullmatch(text)
    )
    if is_plain and len(text) <= MAX_NAME_LENGTH:
        return text
    ascii_text = text.encode("ascii", "replace").decode("ascii")
    return f"{_ILLEGAL_CHARACTERS_PATTERN.sub('-', ascii_text)[:MAX_NAME_LENGTH].strip('-. ')}-{short_hash(text)}"


def cassette_name(
    classes: Sequence[str],
    function: str,
    parameters: Mapping[str, Any],
    value_indices: Mapping[str, int],
    is_secret: Callable[[str], bool] = lambda text: False,
) -> str:
    """Return the name of a test's cassette, without suffix: `TestRefund.test_ask[model=haiku,turns=3]`.

    If `parameters` has a combination of flags, its id comes first, without a parameter name. A value that is not a
    number or short plain text is replaced by a hash of its content. If its content may differ from run to run, it is
    named by its index among the values of the parameter (`value_indices`). If `is_secret` returns True for a value's
    text, only a hash is used.

    >>> cassette_name([], "test_ask", {"turns": 3, "model": "haiku"}, {})
    'test_ask[model=haiku,turns=3]'
    """
    values = ",".join(_parameter_value_texts(parameters, value_indices, is_secret))
    name = function if function == function.lower() else f"{function}-{short_hash(function)}"
    return safe_file_name(".".join([*classes, name]) + (f"[{values}]" if values else ""))


def vcr_name(cls: type | None, name: str) -> str:
    """Return the name that pytest-recording gives a cassette: `TestClass.test_name[id]`, legal in file names."""
    name = f"{cls.__name__}.{name}" if cls else name
    return "".join("-" if character in VCR_ILLEGAL_CHARACTERS else character for character in name)


def name_without_combination(name: str, combination: str, separator: str) -> str:
    """Return a cassette's name without the id of a combination. `separator` is the text between the values in the
    brackets.

    >>> name_without_combination("test_a[off-b].yaml", "off", "-")
    'test_a[b].yaml'
    """
    function, bracket, rest = name.partition("[")
    values, end, suffix = rest.rpartition("]")
    if not bracket or not end:
        return name
    left = f"{separator}{values}{separator}".replace(f"{separator}{combination}{separator}", separator, 1)[1:-1]
    return f"{function}[{left}]{suffix}" if left else f"{function}{suffix}"


def shorten_vcr_name(name: str, suffix: str) -> str:
    """Shorten a cassette name as pytest-recording does, if it is too long for a file name with `suffix`."""
    if len(name) + len(suffix) <= MAX_VCR_NAME_LENGTH:
        return name
    md5 = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{name[: MAX_VCR_NAME_LENGTH - len(suffix) - _LENGTH_OF_HASH_AND_DOTS]}...{md5}"


def find_duplicate_names(names: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield `(first_owner, second_owner, name)` for each name that two owners share, ignoring case.

    `names` has pairs of an owner, such as a test, and the name of its cassette.
    """
    owners: dict[str, str] = {}
    for owner, name in names:
        if (first := owners.setdefault(name.casefold(), owner)) != owner:
            yield first, owner, name


def _parameter_value_texts(
    parameters: Mapping[str, Any], indices: Mapping[str, int], is_secret: Callable[[str], bool]
) -> Iterator[str]:
    from flag_harness.matrix import Combination  # imported here: runs without the harness do not need it

    combinations = {name for name, value in parameters.items() if isinstance(value, Combination)}
    yield from (parameters[name].id for name in sorted(combinations))
    for name in sorted(parameters.keys() - combinations):
        value = parameters[name]
        is_hidden = isinstance(value, (str, int, float)) and is_secret(str(value))
        yield f"{name}={short_hash(repr(value)) if is_hidden else _parameter_value_text(value, indices.get(name, 0))}"


def _parameter_value_text(value: Any, index: int) -> str:
    """Return a short text for a value of a parameter. Different values of a parameter get different texts.

    `index` is the value's index among those of the parameter, for values without a stable text.
    """
    if isinstance(value, str) and value:
        plain = value if not _LITERAL_PATTERN.fullmatch(value) else ""
    elif value is None or type(value) in (bool, int, float):
        plain = str(value).lower()
    else:
        plain = ""
    if _PLAIN_VALUE_PATTERN.fullmatch(plain) and len(plain) <= MAX_PARAMETER_VALUE_LENGTH:
        return plain
    text = _stable_text(value)
    if text is None:
        return f"{type(value).__name__.lower()}-{index}"
    readable = value if isinstance(value, str) else getattr(value, "__name__", None) or type(value).__name__
    if isinstance(value, enum.Enum):
        readable = value.name
    start = re.sub(r"[^a-z0-9_.+]+", "-", str(readable).lower())[:MAX_PARAMETER_VALUE_LENGTH].strip("-.")
    return f"{start}-{short_hash(text)}".lstrip("-")


def _stable_text(value: Any) -> str | None:
    """Return a text that is the same for equal values in every run, or None if the value has no such text."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, (set, frozenset)):
        members = [_stable_text(member) for member in value]
        return None if None in members else f"{type(value).__name__}{sorted(map(str, members))}"
    if isinstance(value, dict):
        pairs = [(_stable_text(key), _stable_text(member)) for key, member in value.items()]
        return None if any(None in pair for pair in pairs) else f"dict{pairs}"
    if isinstance(value, (list, tuple)):
        parts = [_stable_text(member) for member in value]
        return None if None in parts else f"{type(value).__name__}{parts}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [_stable_text(getattr(value, field.name)) for field in dataclasses.fields(value)]
        return None if None in fields else f"{type(value).__qualname__}{fields}"
    if isinstance(value, type) or callable(value):
        name = getattr(value, "__qualname__", "")
        return f"{value.__module__}.{name}" if name and "<" not in name else None
    text = repr(value)
    return None if _MEMORY_ADDRESS_PATTERN.search(text) else f"{type(value).__qualname__} {text}"


def short_hash(text: str) -> str:
    """Return a short hash of a text, in hexadecimal."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
