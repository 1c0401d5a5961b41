"""What a JSON schema expects and what an input got wrong, in words that recordings can hold: no library's version
changes them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

WORDS: Mapping[str, str] = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "object": "an object",
    "array": "an array",
}
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "minItems", "maxItems"),
}
"""The keywords that bear on one kind of value and let every other kind pass."""
TAG = "\0"
"""Marks what pydantic puts into a path to say which alternative it took, so that it can be taken out again."""
_SHOWN = 80
"""Characters of a refused value that an error repeats."""

Json: TypeAlias = Any


def described(schema: Json) -> str:
    """What a schema expects, in words."""
    if not isinstance(schema, Mapping):
        return "anything"
    if "const" in schema or "enum" in schema:
        return listed(schema["enum"] if "enum" in schema else [schema["const"]])
    named = schema.get("type", "object" if "required" in schema else "")
    kinds = [named] if isinstance(named, str) else named
    words = either(WORDS.get(kind, str(schema.get("title") or schema.get("$ref") or "a value")) for kind in kinds)
    bounds = [f"{keyword} {schema[keyword]}" for group in KEYWORDS.values() for keyword in group if keyword in schema]
    needed = " and ".join(schema.get("required", ()))
    plain = [bound for bound in bounds if not bound.startswith(("properties", "required", "additional", "items"))]
    return words + (f" with {needed}" if needed else "") + (f" ({', '.join(plain)})" if plain else "")


def listed(values: Iterable[Json]) -> str:
    return either(json.dumps(value, ensure_ascii=False) for value in values)


def either(words: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(words))


def sentence(detail: Mapping[str, Any], at: str) -> str:
    """One of pydantic's errors in words that do not change with its version: recordings hold them."""
    path, context = path_of(detail["loc"], at) or "the input", detail.get("ctx", {})
    match detail["type"]:
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
            expected = {"dict_type": "an object", "list_type": "an array"}.get(kind, detail["msg"])
    return f"{path} must be {expected}, not {_shown(detail['input'])}"


def path_of(location: Iterable[str | int], at: str = "") -> str:
    """`items[2].name` for `("items", 2, "name")`, behind the path `at`."""
    parts = [part for part in location if not str(part).startswith(TAG)]
    steps = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return "".join((at, *steps)).removeprefix(".")


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
