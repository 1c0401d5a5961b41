"""Conversion of TOML tables to msgspec structs. Errors name the key, its value, and the nearest valid key or word."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

from flag_harness.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)
_KEY_PART_PATTERN = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_DOTTED_KEY_PATTERN = rf"\s*(?P<key>{_KEY_PART_PATTERN}(?:\s*\.\s*{_KEY_PART_PATTERN})*)\s*"
_TABLE_HEADER_PATTERN = re.compile(rf"\s*\[\[?{_DOTTED_KEY_PATTERN}\]")
_ASSIGNMENT_PATTERN = re.compile(rf"{_DOTTED_KEY_PATTERN}=")
_PATH_STEP_PATTERN = re.compile(r"\.([^.\[]+)|\[([^]]*)\]")
_ERROR_PATH_PATTERN = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_MISSING_FIELD_ERROR_PATTERN = re.compile(r"Object missing required field `(?P<key>[^`]*)`")

TomlText = Annotated[str, msgspec.Meta(description="a string")]
TomlTextList = Annotated[tuple[str, ...], msgspec.Meta(description="a list of strings")]
TomlBoolean = Annotated[bool, msgspec.Meta(description="true or false")]
TomlDate = Annotated[date, msgspec.Meta(description="a date (2026-11-22)")]
TomlTable = Annotated[dict[str, Any], msgspec.Meta(description="a table")]


def toml_string(text: str) -> str:
    """Return a TOML string. Halves of surrogate pairs, which TOML cannot hold, become the replacement character."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse_toml(text: str, source: object) -> dict[str, Any]:
    """Parse TOML text. Raise `ConfigError` if it is invalid; the message has the file's name `source` and, if known,
    the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{source}: its values are nested too deeply") from None


def find_line_of_error(text: str, message: str) -> int:
    """Return the number of the line that `message`, an error about the TOML `text`, refers to, or 1 if it is not found.

    The message names a table and its keys, as in `[tool.x] key = 5 must be a string`. The line is that of the most
    deeply nested key.
    """
    lines = _line_number_by_key_path(text)
    table, _, words = message.partition("]")
    path = _split_toml_key(table.removeprefix("["))
    for word in re.findall(r"[\w-]+", words):
        path = (*path, word) if (*path, word) in lines else path
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 1)


def _line_number_by_key_path(text: str) -> dict[tuple[str, ...], int]:
    """Return the line number, counted from 1, at which each table and each key begins, by the path of names that leads
    to it.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE_HEADER_PATTERN.match(line):
            path = table = _split_toml_key(header["key"])
        elif assignment := _ASSIGNMENT_PATTERN.match(line):
            path = (*table, *_split_toml_key(assignment["key"]))
        else:
            continue
        for end in range(1, len(path) + 1):
            lines.setdefault(path[:end], number)
    return lines


def _split_toml_key(key: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY_PART_PATTERN, key))


def convert_table(table: Any, kind: type[T], where: str) -> T:
    """Convert a table from TOML to the struct `kind`.

    The types of the struct's fields say what a value must be, in `msgspec.Meta(description=...)`. Raise `ConfigError`
    for an unknown key, a missing key or a wrong value; its message begins with `where`.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table, not {table!r}")
    refuse_unknown_names(table, [field.encode_name for field in msgspec.structs.fields(kind)], where)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where} {_conversion_error_text(str(error), table, kind)}") from None


def refuse_unknown_names(names: Iterable[str], known: Iterable[str], where: str, noun: str = "key") -> None:
    """Raise `ConfigError` if one of `names` is not in `known`. The message names the nearest known name."""
    choices = list(known)
    for name in names:
        if name not in choices:
            nearest = difflib.get_close_matches(name, choices, n=1, cutoff=0.0)
            hint = f"the nearest is {nearest[0]!r} (all: {', '.join(choices)})" if nearest else "there are none"
            raise ConfigError(f"{where} has no {noun} {name!r}; {hint}")


def _conversion_error_text(error: str, table: Mapping[str, Any], kind: type) -> str:
    """Return the error message for a table that msgspec refuses: the key, its value, and what the value must be."""
    if missing := _MISSING_FIELD_ERROR_PATTERN.match(error):
        return f"lacks {missing['key']}, which must be {_type_description(_type_at_path(kind, [(missing['key'], '')]))}"
    found = _ERROR_PATH_PATTERN.search(error)
    steps = _PATH_STEP_PATTERN.findall(found["path"]) if found else []
    while steps and not _type_description(_type_at_path(kind, steps)):
        steps.pop()
    key = "".join(f".{name}" if name else f"[{index}]" for name, index in steps)[1:]
    value, rule = _value_at_path(table, steps), _type_description(_type_at_path(kind, steps))
    choices = get_args(_type_at_path(kind, steps))
    if isinstance(value, str) and all(isinstance(choice, str) for choice in choices):
        rule += f"; the nearest is {difflib.get_close_matches(value, choices, n=1, cutoff=0.0)[0]!r}"
    return f"{key} = {value!r} must be {rule}"


def _type_at_path(hint: Any, steps: Sequence[tuple[str, str]]) -> Any:
    """Return the type hint of the value at a path inside the type `hint`.

    Each step of the path is a pair: the name of a field and an empty string, or an empty string and an index.
    """
    for name, index in steps:
        hint = _remove_none_from_type(hint)
        if name:
            hint = next(field.type for field in msgspec.structs.fields(hint) if field.encode_name == name)
        else:
            members = [member for member in get_args(hint) if member is not Ellipsis]
            hint = members[min(int(index), len(members) - 1)] if index.isdigit() else members[0]
    return hint


def _remove_none_from_type(hint: Any) -> Any:
    """Return a type hint without its `Annotated` and without `| None`."""
    while get_origin(hint) is Annotated or type(None) in get_args(hint):
        hint = next(member for member in get_args(hint) if member is not type(None))
    return hint


def _type_description(hint: Any) -> str:
    """Return a description of the values that a type hint allows, or an empty string if it has none."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) is not Annotated:
        return next(
            (
                _type_description(member)
                for member in get_args(hint)
                if type(None) in get_args(hint) and _type_description(member)
            ),
            "",
        )
    return next(str(part.description) for part in hint.__metadata__ if isinstance(part, msgspec.Meta))


def _value_at_path(table: Any, steps: Sequence[tuple[str, str]]) -> Any:
    """Return the value at a path inside a table. Each step is a pair: a key and an empty string, or an empty string and
    an index.
    """
    for name, index in steps:
        table = table[name] if name else table[int(index)]
    return table
