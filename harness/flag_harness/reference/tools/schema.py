"""JSON schemas of tools' inputs: checked strictly by pydantic, declared defaults filled in, errors that name the field.

Strict means that nothing is converted: `"5"` is no number, `true` is no 1, `5.0` is no whole number.
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
from flag_harness.reference.tools.schema_words import KEYWORDS, TAG, WORDS, Json, described, either, listed, sentence

_KINDS = ("string", "integer", "number", "boolean", "null", "object", "array")
_CHECKED = {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", *sum(KEYWORDS.values(), ())}
_REMARKS = {"title", "description", "default", "examples", "format", "deprecated", "readOnly", "writeOnly"} | {
    "$schema", "$id", "$comment", "$defs", "definitions", "discriminator"
}  # fmt: skip


class SchemaError(HarnessError):
    """A tool's `input_schema` is no JSON schema, or asks for a check that the harness does not make."""


class InvalidInput(ValueError):  # noqa: N818 - named for what it is about, as CassetteMiss is
    """An input that does not fit its schema. `problems` has one sentence a field, each beginning with its path."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Schema:
    """A JSON schema, made into a pydantic validator once.

    Understood: `type` (one or several), `enum`, `const`, `anyOf`, `oneOf` (as `anyOf`), `allOf`, `$ref` within the
    schema, and the bounds of strings, numbers, objects and arrays in `KEYWORDS`. Raises `SchemaError` for any other
    keyword that would restrict the input: an unchecked restriction is worse than none.
    """

    def __init__(self, schema: Mapping[str, Json]) -> None:
        try:
            definitions: list[CoreSchema] = [{**_core(schema), "ref": "#"}]
            for place in ("$defs", "definitions"):
                parts = schema.get(place, {}).items()
                definitions += [{**_core(part), "ref": f"#/{place}/{name}"} for name, part in parts]
            reference = core_schema.definition_reference_schema("#")
            self._validator = SchemaValidator(core_schema.definitions_schema(reference, definitions))
        except (_CoreSchemaError, AttributeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise SchemaError(f"the schema cannot be used: {reason}; mend it, and build the tool again") from None

    def filled(self, value: Json, at: str = "") -> Json:
        """`value` with the declared defaults of absent properties, also of required ones.

        Raises `InvalidInput`, whose paths begin with `at`, where the value stands in what the reader knows.
        """
        try:
            return self._validator.validate_python(value, strict=True)
        except ValidationError as error:
            details = error.errors(include_url=False)
            raise InvalidInput(tuple(dict.fromkeys(sentence(detail, at) for detail in details))) from None


def _core(schema: Json) -> CoreSchema:
    """All that `schema` says of a value, as one pydantic schema."""
    if schema is True:
        return core_schema.any_schema()
    if not isinstance(schema, Mapping):
        raise SchemaError(f"{schema!r:.100} is no JSON schema; write an object, such as {{'type': 'string'}}")
    for keyword in schema:
        if keyword not in _CHECKED and keyword not in _REMARKS and not keyword.startswith("x-"):
            known = ", ".join(sorted(_CHECKED))
            raise SchemaError(f"the keyword {keyword!r} is not checked here; take it out, or use one of: {known}")
    parts = [_core(part) for part in schema.get("allOf", ())]
    if "$ref" in schema:
        parts.append(core_schema.definition_reference_schema(schema["$ref"]))
    if "type" in schema or any(keyword in schema for group in KEYWORDS.values() for keyword in group):
        parts.append(_typed(schema))
    if "enum" in schema or "const" in schema:
        parts.append(_literal(schema["enum"] if "enum" in schema else [schema["const"]]))
    if alternatives := schema.get("anyOf") or schema.get("oneOf"):
        parts.append(_union(alternatives))
    if len(parts) == 1:
        return parts[0]
    return core_schema.chain_schema(parts) if parts else core_schema.any_schema()


def _typed(schema: Mapping[str, Json]) -> CoreSchema:
    named = schema.get("type", list(_KINDS))
    kinds = [named] if isinstance(named, str) else list(named)
    for kind in kinds:
        if kind not in _KINDS:
            raise SchemaError(f"{kind!r} is no type of JSON schema; the types are: {', '.join(_KINDS)}")
    if kinds == ["number"] or len(kinds) > 1:
        choices = {kind: _OF_KIND[kind](schema, kind) for kind in kinds}
        if "number" in choices:
            choices.setdefault("integer", _integer(schema, "number"))
        return _by_kind(choices, either(WORDS[kind] for kind in kinds))
    return _OF_KIND[kinds[0]](schema, kinds[0])


def _union(alternatives: list[Json]) -> CoreSchema:
    """Alternatives of distinct types are told apart by the value's type, so that errors can be those of the one."""
    kinds = [part.get("type") if isinstance(part, Mapping) else None for part in alternatives]
    expected = either(described(part) for part in alternatives)
    distinct = all(isinstance(kind, str) for kind in kinds) and len(set(kinds)) == len(kinds)
    if distinct and not {"integer", "number"} <= set(kinds):
        by_kind = {str(kind): _core(part) for kind, part in zip(kinds, alternatives, strict=True)}
        if "number" in by_kind:
            by_kind["integer"] = by_kind["number"]
        return _by_kind(by_kind, expected)
    return _expecting(expected, core_schema.union_schema([_core(part) for part in alternatives], mode="left_to_right"))


def _by_kind(choices: Mapping[str, CoreSchema], expected: str) -> CoreSchema:
    return core_schema.tagged_union_schema(
        {TAG + kind: choice for kind, choice in choices.items()},
        lambda value: TAG + kind_of(value),
        custom_error_type="expected",
        custom_error_message="{expected}",
        custom_error_context={"expected": expected},
    )


def _expecting(expected: str, schema: CoreSchema) -> CoreSchema:
    """`schema`, whose errors say nothing but what was expected."""
    return core_schema.custom_error_schema(
        schema,
        custom_error_type="expected",
        custom_error_message="{expected}",
        custom_error_context={"expected": expected},
    )


def _string(schema: Mapping[str, Json], kind: str) -> CoreSchema:
    core = core_schema.str_schema(
        min_length=schema.get("minLength"),
        max_length=schema.get("maxLength"),
        pattern=schema.get("pattern"),
        regex_engine="python-re",  # the other engine has no look-around, which JSON schema has
    )
    return _expecting(described({**schema, "type": kind}), core)


def _integer(schema: Mapping[str, Json], kind: str) -> CoreSchema:
    return _expecting(described({**schema, "type": kind}), core_schema.int_schema(**_bounds(schema, whole=True)))


def _number(schema: Mapping[str, Json], kind: str) -> CoreSchema:
    core = core_schema.float_schema(**_bounds(schema, whole=False), allow_inf_nan=False)
    return _expecting(described({**schema, "type": kind}), core)


def _bounds(schema: Mapping[str, Json], *, whole: bool) -> dict[str, Any]:
    """The bounds by pydantic's names. A fractional bound on whole numbers is the nearest whole one inside it."""
    names = (
        ("minimum", "ge", math.ceil),
        ("exclusiveMinimum", "gt", math.floor),
        ("maximum", "le", math.floor),
        ("exclusiveMaximum", "lt", math.ceil),
    )
    bounds = {name: (inward(schema[key]) if whole else schema[key]) for key, name, inward in names if key in schema}
    if "multipleOf" in schema:
        step = schema["multipleOf"]  # whole multiples of p/q in lowest terms are the multiples of p
        bounds["multiple_of"] = Fraction(str(step)).numerator if whole else step
    return bounds


def _boolean(schema: Mapping[str, Json], kind: str) -> CoreSchema:
    return _expecting(WORDS[kind], core_schema.bool_schema())


def _null(schema: Mapping[str, Json], kind: str) -> CoreSchema:
    return _expecting(WORDS[kind], core_schema.none_schema())


def _array(schema: Mapping[str, Json], kind: str) -> CoreSchema:
    items = _core(schema["items"]) if "items" in schema else None
    return core_schema.list_schema(items, min_length=schema.get("minItems"), max_length=schema.get("maxItems"))


def _object(schema: Mapping[str, Json], kind: str) -> CoreSchema:
    required = schema.get("required", [])
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    declared = dict.fromkeys(required, others or True) | dict(properties)
    return core_schema.typed_dict_schema(
        {name: _property(part, name in required) for name, part in declared.items()},
        extra_behavior="forbid" if others is False else "allow",
        extras_schema=None if isinstance(others, bool) else _core(others),
    )


def _property(schema: Json, required: bool) -> core_schema.TypedDictField:
    core = _core(schema)
    if isinstance(schema, Mapping) and "default" in schema:
        default = schema["default"]
        core = core_schema.with_default_schema(core, default_factory=lambda: deepcopy(default))
        return core_schema.typed_dict_field(core, required=False)
    return core_schema.typed_dict_field(core, required=required)


_OF_KIND: Mapping[str, Callable[[Mapping[str, Json], str], CoreSchema]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
    "object": _object,
    "array": _array,
}


def _literal(values: Sequence[Json]) -> CoreSchema:
    """One of `values`, compared as JSON: in Python True equals 1."""
    allowed = {json.dumps(value, sort_keys=True) for value in values}

    def check(value: Json) -> Json:
        if json.dumps(value, sort_keys=True) not in allowed:
            raise ValueError("not among the values")
        return value

    return _expecting(listed(values), core_schema.no_info_plain_validator_function(check))


def kind_of(value: Json) -> str:
    """The JSON schema type of a value; whole numbers are `integer`, and what JSON has no word for is `""`."""
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    return "null" if value is None else kinds.get(type(value), "")
