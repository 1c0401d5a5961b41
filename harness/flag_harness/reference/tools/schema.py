"""Check tool inputs strictly against JSON schemas, fill in defaults, and report errors that name the field.

Strict means that nothing is converted: `"5"` is not a number, `true` is not 1, `5.0` is not a whole number.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from fractions import Fraction
from typing import Any

from pydantic_core import SchemaError as _CoreSchemaError
from pydantic_core import SchemaValidator, ValidationError, core_schema
from pydantic_core.core_schema import CoreSchema

from flag_harness.errors import HarnessError
from flag_harness.reference.tools.schema_words import (
    ALTERNATIVE_PREFIX,
    KEYWORDS_BY_TYPE,
    TYPE_NAMES,
    JsonValue,
    describe_schema,
    error_sentence,
    join_json_values,
    join_with_or,
)

_JSON_TYPES = ("string", "integer", "number", "boolean", "null", "object", "array")
_CHECKED_KEYWORDS = {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", *sum(KEYWORDS_BY_TYPE.values(), ())}
_IGNORED_KEYWORDS = {"title", "description", "default", "examples", "format", "deprecated", "readOnly", "writeOnly"} | {
    "$schema", "$id", "$comment", "$defs", "definitions", "discriminator"
}  # fmt: skip


class SchemaError(HarnessError):
    """A tool's `input_schema` is not a JSON schema, or uses a keyword that is not supported."""


class InvalidToolInputError(ValueError):
    """An input does not fit its schema. `problems` has a sentence for each wrong field, starting with its path."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CompiledSchema:
    """A JSON schema, compiled to a pydantic validator.

    Supported: `type` (one or several), `enum`, `const`, `anyOf`, `oneOf` (as `anyOf`), `allOf`, `$ref` within the
    schema, and the limits of strings, numbers, objects and arrays in `KEYWORDS_BY_TYPE`. Raise `SchemaError` for any
    other keyword that restricts the input, since ignoring a restriction would be worse.
    """

    def __init__(self, schema: Mapping[str, JsonValue]) -> None:
        try:
            definitions: list[CoreSchema] = [{**_to_core_schema(schema), "ref": "#"}]
            for group in ("$defs", "definitions"):
                parts = schema.get(group, {}).items()
                definitions += [{**_to_core_schema(part), "ref": f"#/{group}/{name}"} for name, part in parts]
            reference = core_schema.definition_reference_schema("#")
            self._validator = SchemaValidator(core_schema.definitions_schema(reference, definitions))
        except (_CoreSchemaError, AttributeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise SchemaError(f"the schema cannot be used: {reason}; fix it, and build the tool again") from None

    def validate(self, value: JsonValue, path: str = "") -> JsonValue:
        """Check a value against the schema, and return it with defaults for missing properties, even required ones.

        Raise `InvalidToolInputError` if the value does not fit. `path` is the path of the value, for the error's paths.
        """
        try:
            return self._validator.validate_python(value, strict=True)
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise InvalidToolInputError(
                tuple(dict.fromkeys(error_sentence(detail, path) for detail in details))
            ) from None


def _to_core_schema(schema: JsonValue) -> CoreSchema:
    """Return the pydantic schema for a JSON schema."""
    if schema is True:
        return core_schema.any_schema()
    if not isinstance(schema, Mapping):
        raise SchemaError(f"{schema!r:.100} is not a JSON schema; write an object, such as {{'type': 'string'}}")
    for keyword in schema:
        if keyword not in _CHECKED_KEYWORDS and keyword not in _IGNORED_KEYWORDS and not keyword.startswith("x-"):
            known = ", ".join(sorted(_CHECKED_KEYWORDS))
            raise SchemaError(f"the keyword {keyword!r} is not supported; remove it, or use one of: {known}")
    parts = [_to_core_schema(part) for part in schema.get("allOf", ())]
    if "$ref" in schema:
        parts.append(core_schema.definition_reference_schema(schema["$ref"]))
    if "type" in schema or any(keyword in schema for group in KEYWORDS_BY_TYPE.values() for keyword in group):
        parts.append(_schema_of_types(schema))
    if "enum" in schema or "const" in schema:
        parts.append(_enum_schema(schema["enum"] if "enum" in schema else [schema["const"]]))
    if alternatives := schema.get("anyOf") or schema.get("oneOf"):
        parts.append(_union_schema(alternatives))
    if len(parts) == 1:
        return parts[0]
    return core_schema.chain_schema(parts) if parts else core_schema.any_schema()


def _schema_of_types(schema: Mapping[str, JsonValue]) -> CoreSchema:
    declared = schema.get("type", list(_JSON_TYPES))
    kinds = [declared] if isinstance(declared, str) else list(declared)
    for kind in kinds:
        if kind not in _JSON_TYPES:
            raise SchemaError(f"{kind!r} is not a type of JSON schema; the types are: {', '.join(_JSON_TYPES)}")
    if kinds == ["number"] or len(kinds) > 1:
        choices = {kind: _SCHEMA_BUILDER_BY_TYPE[kind](schema, kind) for kind in kinds}
        if "number" in choices:
            choices.setdefault("integer", _integer_schema(schema, "number"))
        return _make_tagged_union_schema(choices, join_with_or(TYPE_NAMES[kind] for kind in kinds))
    return _SCHEMA_BUILDER_BY_TYPE[kinds[0]](schema, kinds[0])


def _union_schema(alternatives: list[JsonValue]) -> CoreSchema:
    """Return the pydantic schema for a value that must fit one of the alternatives.

    If they all have different types, errors are about the alternative that has the type of the value.
    """
    kinds = [part.get("type") if isinstance(part, Mapping) else None for part in alternatives]
    expected = join_with_or(describe_schema(part) for part in alternatives)
    distinct = all(isinstance(kind, str) for kind in kinds) and len(set(kinds)) == len(kinds)
    if distinct and not {"integer", "number"} <= set(kinds):
        by_kind = {str(kind): _to_core_schema(part) for kind, part in zip(kinds, alternatives, strict=True)}
        if "number" in by_kind:
            by_kind["integer"] = by_kind["number"]
        return _make_tagged_union_schema(by_kind, expected)
    return _add_error_message(
        expected, core_schema.union_schema([_to_core_schema(part) for part in alternatives], mode="left_to_right")
    )


def _make_tagged_union_schema(choices: Mapping[str, CoreSchema], expected: str) -> CoreSchema:
    return core_schema.tagged_union_schema(
        {ALTERNATIVE_PREFIX + kind: choice for kind, choice in choices.items()},
        lambda value: ALTERNATIVE_PREFIX + json_schema_type(value),
        custom_error_type="expected",
        custom_error_message="{expected}",
        custom_error_context={"expected": expected},
    )


def _add_error_message(expected: str, schema: CoreSchema) -> CoreSchema:
    """Return `schema` with one error message for every wrong value, which says what was `expected`."""
    return core_schema.custom_error_schema(
        schema,
        custom_error_type="expected",
        custom_error_message="{expected}",
        custom_error_context={"expected": expected},
    )


def _string_schema(schema: Mapping[str, JsonValue], json_type: str) -> CoreSchema:
    core = core_schema.str_schema(
        min_length=schema.get("minLength"),
        max_length=schema.get("maxLength"),
        pattern=schema.get("pattern"),
        regex_engine="python-re",  # the other engine lacks look-around, which JSON schema allows
    )
    return _add_error_message(describe_schema({**schema, "type": json_type}), core)


def _integer_schema(schema: Mapping[str, JsonValue], json_type: str) -> CoreSchema:
    return _add_error_message(
        describe_schema({**schema, "type": json_type}),
        core_schema.int_schema(**_number_limits(schema, is_integer=True)),
    )


def _number_schema(schema: Mapping[str, JsonValue], json_type: str) -> CoreSchema:
    core = core_schema.float_schema(**_number_limits(schema, is_integer=False), allow_inf_nan=False)
    return _add_error_message(describe_schema({**schema, "type": json_type}), core)


def _number_limits(schema: Mapping[str, JsonValue], *, is_integer: bool) -> dict[str, Any]:
    """Return the limits of a number in a JSON schema, by pydantic's names. For whole numbers, fractional limits are
    rounded inwards.
    """
    names = (
        ("minimum", "ge", math.ceil),
        ("exclusiveMinimum", "gt", math.floor),
        ("maximum", "le", math.floor),
        ("exclusiveMaximum", "lt", math.ceil),
    )
    bounds = {
        name: (inward(schema[key]) if is_integer else schema[key]) for key, name, inward in names if key in schema
    }
    if "multipleOf" in schema:
        step = schema["multipleOf"]  # whole multiples of p/q in lowest terms are the multiples of p
        bounds["multiple_of"] = Fraction(str(step)).numerator if is_integer else step
    return bounds


def _boolean_schema(schema: Mapping[str, JsonValue], json_type: str) -> CoreSchema:
    return _add_error_message(TYPE_NAMES[json_type], core_schema.bool_schema())


def _null_schema(schema: Mapping[str, JsonValue], json_type: str) -> CoreSchema:
    return _add_error_message(TYPE_NAMES[json_type], core_schema.none_schema())


def _array_schema(schema: Mapping[str, JsonValue], json_type: str) -> CoreSchema:
    items = _to_core_schema(schema["items"]) if "items" in schema else None
    return core_schema.list_schema(items, min_length=schema.get("minItems"), max_length=schema.get("maxItems"))


def _object_schema(schema: Mapping[str, JsonValue], json_type: str) -> CoreSchema:
    required = schema.get("required", [])
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    declared = dict.fromkeys(required, others or True) | dict(properties)
    return core_schema.typed_dict_schema(
        {name: _property_schema(part, name in required) for name, part in declared.items()},
        extra_behavior="forbid" if others is False else "allow",
        extras_schema=None if isinstance(others, bool) else _to_core_schema(others),
    )


def _property_schema(schema: JsonValue, required: bool) -> core_schema.TypedDictField:
    core = _to_core_schema(schema)
    if isinstance(schema, Mapping) and "default" in schema:
        default = schema["default"]
        core = core_schema.with_default_schema(core, default_factory=lambda: deepcopy(default))
        return core_schema.typed_dict_field(core, required=False)
    return core_schema.typed_dict_field(core, required=required)


_SCHEMA_BUILDER_BY_TYPE: Mapping[str, Callable[[Mapping[str, JsonValue], str], CoreSchema]] = {
    "string": _string_schema,
    "integer": _integer_schema,
    "number": _number_schema,
    "boolean": _boolean_schema,
    "null": _null_schema,
    "object": _object_schema,
    "array": _array_schema,
}


def _enum_schema(values: Sequence[JsonValue]) -> CoreSchema:
    """Return the pydantic schema of an enumeration. Values are compared as JSON, since True equals 1 in Python."""
    allowed = {json.dumps(value, sort_keys=True) for value in values}

    def check_is_allowed(value: JsonValue) -> JsonValue:
        if json.dumps(value, sort_keys=True) not in allowed:
            raise ValueError("not among the values")
        return value

    return _add_error_message(join_json_values(values), core_schema.no_info_plain_validator_function(check_is_allowed))


def json_schema_type(value: JsonValue) -> str:
    """Return the JSON schema type of a value (`integer` for whole numbers), or an empty string if JSON lacks it."""
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    return "null" if value is None else kinds.get(type(value), "")
