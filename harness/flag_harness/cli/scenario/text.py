"""Format scenarios as TOML."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from flag_harness.toml_tables import toml_string

if TYPE_CHECKING:
    from flag_harness.simulator import Scenario

_BARE_KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]+")
_LINE_END = "\n"


def format_scenario(scenario: "Scenario") -> str:
    """Return the TOML text of a scenario. Leave out keys whose value is null or the default."""
    document = _non_default_fields(scenario)
    turns = document.pop("turn", [])
    tables = [_toml_key_lines(document), *(["[[turn]]", *_toml_key_lines(turn)] for turn in turns)]
    return "\n".join("".join(f"{line}\n" for line in lines) for lines in tables if lines)


def _toml_key_lines(table: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, value in table.items():
        is_long = isinstance(value, str) and _LINE_END in value
        lines.append(f"{_toml_key(key)} = {_multiline_string(value) if is_long else format_toml_value(value)}")
    return lines


def _non_default_fields(value: Any) -> Any:
    """Return a struct as a dictionary of the fields that differ from their defaults, at any depth."""
    if isinstance(value, msgspec.Struct):
        return {
            field.encode_name: _non_default_fields(own)
            for field in _struct_fields(type(value))
            if (own := getattr(value, field.name)) != field.default
            and not (field.default_factory is not msgspec.NODEFAULT and own == field.default_factory())
        }
    return [_non_default_fields(one) for one in value] if isinstance(value, tuple) else value


@cache
def _struct_fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def format_toml_value(value: Any) -> str:
    """Return a value as TOML in one line, without the keys and elements that are None."""
    if isinstance(value, Mapping):
        parts = [f"{_toml_key(key)} = {format_toml_value(one)}" for key, one in value.items() if one is not None]
        return f"{{ {', '.join(parts)} }}" if parts else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(format_toml_value(one) for one in value if one is not None)}]"
    return toml_string(value) if isinstance(value, str) else json.dumps(value)


def _toml_key(key: str) -> str:
    return key if _BARE_KEY_PATTERN.fullmatch(key) else toml_string(key)


def _multiline_string(text: str) -> str:
    """Return a TOML string in triple quotes that keeps the line breaks of the text."""
    lines = [toml_string(line)[1:-1] for line in text.split("\n")]
    return '"""\n' + "\n".join(lines) + '"""'
