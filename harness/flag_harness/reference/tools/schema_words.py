"""Error messages for inputs that do not fit a JSON schema.

Recordings hold these messages, so no library version may change them.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

TYPE_NAMES: Mapping[str, str] = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "object": "an object",
    "array": "an array",
}
KEYWORDS_BY_TYPE: Mapping[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "minItems", "maxItems"),
}
"""The keywords of a schema that restrict only one type of value, by type."""
ALTERNATIVE_PREFIX = "\0"
"""The prefix of the path parts that pydantic adds for alternatives. The paths in errors leave these parts out."""
_MAX_SHOWN_CHARACTERS = 80
"""The most characters of an invalid value that an error shows."""

JsonValue: TypeAlias = Any


def describe_schema(schema: JsonValue) -> str:
    """Return the values that a schema accepts, in words, such as `a string (minLength 1)`."""
    if not isinstance(schema, Mapping):
        return "anything"
    if "const" in schema or "enum" in schema:
        return join_json_values(schema["enum"] if "enum" in schema else [schema["const"]])
    declared = schema.get("type", "object" if "required" in schema else "")
    kinds = [declared] if isinstance(declared, str) else declared
    words = join_with_or(
        TYPE_NAMES.get(kind, str(schema.get("title") or schema.get("$ref") or "a value")) for kind in kinds
    )
    bounds = [
        f"{keyword} {schema[keyword]}" for group in KEYWORDS_BY_TYPE.values() for keyword in group if keyword in schema
    ]
    required = " and ".join(schema.get("required", ()))
    plain = [bound for bound in bounds if not bound.startswith(("properties", "required", "additional", "items"))]
    return words + (f" with {required}" if required else "") + (f" ({', '.join(plain)})" if plain else "")


def join_json_values(values: Iterable[JsonValue]) -> str:
    """Return the values as JSON, joined by `or`."""
    return join_with_or(json.dumps(value, ensure_ascii=False) for value in values)


def join_with_or(words: Iterable[str]) -> str:
    """Return the distinct words, joined by `or`."""
    return " or ".join(dict.fromkeys(words))


def error_sentence(error: Mapping[str, Any], path: str) -> str:
    """Return a pydantic error as a sentence that is the same for all versions of pydantic."""
    path, context = format_path(error["loc"], path) or "the input", error.get("ctx", {})
    match error["type"]:
        case "missing":
            return f"{path} is required"
        case "extra_forbidden":
            return f"{path} is not a field of the schema"
        case "too_short":
            expected = f"an array (minItems {context['min_length']})"
        case "too_long":
            expected = f"an array (maxItems {context['max_length']})"
        case "expected":
            expected = context["expected"]
        case kind:
            expected = {"dict_type": "an object", "list_type": "an array"}.get(kind, error["msg"])
    return f"{path} must be {expected}, not {_short_json_text(error['input'])}"


def format_path(location: Iterable[str | int], start: str = "") -> str:
    """Return a location as a path that begins with `start`, such as `items[2].name` for `("items", 2, "name")`."""
    parts = [part for part in location if not str(part).startswith(ALTERNATIVE_PREFIX)]
    steps = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return "".join((start, *steps)).removeprefix(".")


def _short_json_text(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else text[:_MAX_SHOWN_CHARACTERS] + "..."
