"""Inputs of tools against their JSON schemas."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.reference.tools.schema import CompiledSchema, InvalidToolInputError, SchemaError

SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(),
    "integer": st.integers(),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    "boolean": st.booleans(),
    "null": st.none(),
}
OTHER_KIND: dict[str, Any] = {"string": 1, "integer": "1", "number": "1.5", "boolean": 1, "null": 0}
NAMES = st.text(min_size=1, max_size=8).filter(lambda name: not name.startswith("\0"))


@st.composite
def schema_and_value(draw: st.DrawFn, depth: int = 2) -> tuple[dict[str, Any], Any, Any]:
    """A schema, a value that fits it, and one that does not."""
    kind = draw(st.sampled_from([*SCALARS, "enum", "bounded", *(["object", "array"] if depth else [])]))
    if kind in SCALARS:
        return {"type": kind}, draw(SCALARS[kind]), OTHER_KIND[kind]
    if kind == "enum":
        values = draw(st.lists(st.integers() | st.text() | st.none(), min_size=1))
        return {"enum": values}, draw(st.sampled_from(values)), [values]
    if kind == "bounded":
        low = draw(st.integers())
        high = draw(st.integers(min_value=low))
        return {"type": "integer", "minimum": low, "maximum": high}, draw(st.integers(low, high)), high + 1
    if kind == "array":
        schema, value, wrong = draw(schema_and_value(depth - 1))
        return {"type": "array", "items": schema, "minItems": 1}, [value] * draw(st.integers(1, 3)), [value, wrong]
    parts = draw(st.dictionaries(NAMES, schema_and_value(depth - 1), min_size=1, max_size=4))
    spoilt = draw(st.sampled_from(sorted(parts)))
    fitting = {name: value for name, (_, value, _) in parts.items()}
    schema = {"type": "object", "properties": {name: part for name, (part, _, _) in parts.items()}}
    schema |= {"required": sorted(parts), "additionalProperties": False}
    wrong = draw(
        st.sampled_from(
            [
                {**fitting, spoilt: parts[spoilt][2]},
                {name: value for name, value in fitting.items() if name != spoilt},
                {**fitting, "".join(parts) + "?": None},
            ]
        )
    )
    return schema, fitting, wrong


@given(schema_and_value())
def test_what_is_drawn_from_a_schema_is_accepted_unchanged_and_what_is_spoilt_is_refused(drawn: Any) -> None:
    """No value is converted on its way through, and no change of kind, missing field or extra field gets through."""
    schema, fitting, wrong = drawn
    accepted = CompiledSchema(schema).validate(fitting)
    assert accepted == fitting
    assert type(accepted) is type(fitting)
    with pytest.raises(InvalidToolInputError):
        CompiledSchema(schema).validate(wrong)


PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
REFUSED = [
    ({"type": "string"}, 5, "the input must be a string, not 5"),
    ({"type": "string", "minLength": 2}, "a", 'the input must be a string (minLength 2), not "a"'),
    ({"type": "string", "maxLength": 2}, "abc", 'the input must be a string (maxLength 2), not "abc"'),
    ({"type": "string", "pattern": "^a(?=b)"}, "b", 'the input must be a string (pattern ^a(?=b)), not "b"'),
    ({"type": "integer"}, "5", 'the input must be a whole number, not "5"'),
    ({"type": "integer"}, True, "the input must be a whole number, not true"),
    ({"type": "integer"}, 5.0, "the input must be a whole number, not 5.0"),
    ({"type": "integer", "exclusiveMinimum": 0.5}, 0, "the input must be a whole number (exclusiveMinimum 0.5), not 0"),
    ({"type": "number", "multipleOf": 1.5}, 2, "the input must be a number (multipleOf 1.5), not 2"),
    ({"type": "number", "maximum": 1.5}, 1.6, "the input must be a number (maximum 1.5), not 1.6"),
    ({"type": "number"}, math.nan, "the input must be a number, not NaN"),
    ({"type": "boolean"}, 1, "the input must be true or false, not 1"),
    ({"type": "null"}, 0, "the input must be null, not 0"),
    ({"type": ["string", "null"]}, 5, "the input must be a string or null, not 5"),
    ({"type": "array", "minItems": 1}, [], "the input must be an array (minItems 1), not []"),
    ({"type": "array", "maxItems": 1}, [1, 2], "the input must be an array (maxItems 1), not [1, 2]"),
    ({"type": "array"}, {}, "the input must be an array, not {}"),
    ({"enum": ["a", 1, None]}, True, 'the input must be "a" or 1 or null, not true'),
    ({"const": {"a": [1]}}, {"a": [True]}, 'the input must be {"a": [1]}, not {"a": [true]}'),
    (PERSON, [], "the input must be an object, not []"),
    (PERSON, {}, "name is required"),
    ({**PERSON, "additionalProperties": False}, {"name": "x", "age": 3}, "age is not a field of the schema"),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"x": "1"}, 'x must be a whole number, not "1"'),
    ({"required": ["x"], "additionalProperties": {"type": "null"}}, {"x": 1}, "x must be null, not 1"),
    ({"type": "array", "items": {"anyOf": [PERSON, {"type": "null"}]}}, [None, {"name": 1}],
     "[1].name must be a string, not 1"),
    ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "x", 'the input must be a number or null, not "x"'),
    ({"anyOf": [{"type": "integer", "minimum": 3}, {"type": "number", "maximum": 0}]}, 1,
     "the input must be a whole number (minimum 3) or a number (maximum 0), not 1"),
    ({"oneOf": [{"const": 1}, PERSON, {"title": "Pet", "$ref": "#/$defs/P"}], "$defs": {"P": {"type": "null"}}}, "x",
     'the input must be 1 or an object with name or Pet, not "x"'),
    ({"allOf": [{"minimum": 2}, {"maximum": 4}]}, 5,
     "the input must be a whole number (maximum 4), not 5"),
    ({"type": "string"}, ["x" * 100], 'the input must be a string, not ["' + "x" * 78 + "..."),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "message"), REFUSED)
def test_an_error_names_the_field_and_what_was_expected(schema: Any, value: Any, message: str) -> None:
    """One sentence a problem: where, what it must be, what it is."""
    with pytest.raises(InvalidToolInputError) as caught:
        CompiledSchema(schema).validate(value)
    assert (message,) == caught.value.problems
    assert message == str(caught.value)


def test_every_problem_of_an_input_is_named_at_once() -> None:
    """The model can mend all of them with its next call."""
    schema = {**PERSON, "properties": {**PERSON["properties"], "age": {"type": "integer"}}}  # type: ignore[dict-item]
    with pytest.raises(InvalidToolInputError) as caught:
        CompiledSchema(schema).validate({"age": "x"}, "people[0]")
    assert ("people[0].name is required", 'people[0].age must be a whole number, not "x"') == caught.value.problems


def test_declared_defaults_are_filled_in_also_where_the_field_is_required_and_never_shared() -> None:
    """Filling in twice gives two lists."""
    schema = CompiledSchema(
        {
            "type": "object",
            "properties": {"tags": {"type": "array", "default": ["new"]}, "n": {"type": "integer"}},
            "required": ["tags"],
        }
    )
    first, second = schema.validate({}), schema.validate({})
    first["tags"].append("old")
    assert {"tags": ["new"]} == second
    assert {"tags": [], "n": 1} == schema.validate({"n": 1, "tags": []})


def test_references_may_be_recursive() -> None:
    """A schema as `model_json_schema()` of a tree writes it."""
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}
    schema = CompiledSchema({"$ref": "#/$defs/Tree", "$defs": {"Tree": {**tree, "additionalProperties": False}}})
    assert {"children": [{"children": []}]} == schema.validate({"children": [{"children": []}]})
    with pytest.raises(InvalidToolInputError, match=r"^children\[0\].leaf is not a field of the schema$"):
        schema.validate({"children": [{"leaf": 1}]})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, object),
        ({"anyOf": [True, {"type": "null"}]}, "anything"),
        ({"title": "T", "x-order": 1}, [1]),
        ({"type": "number", "multipleOf": 0.5}, 3),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, 3),
        ({"minLength": 3}, 1),
        ({"type": "object", "properties": {"x-y": True}}, {"x-y": 1, "other": None}),
    ],
)
def test_what_a_schema_does_not_restrict_passes_as_it_is(schema: Any, value: Any) -> None:
    """Bounds of one kind let the other kinds pass."""
    assert value == CompiledSchema(schema).validate(value)


CHECKED = (
    "$ref, additionalProperties, allOf, anyOf, const, enum, exclusiveMaximum, exclusiveMinimum, items, maxItems, "
    "maxLength, maximum, minItems, minLength, minimum, multipleOf, oneOf, pattern, properties, required, type"
)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"not": {}}, f"the keyword 'not' is not supported; remove it, or use one of: {CHECKED}"),
        ({"items": 5}, "5 is not a JSON schema; write an object, such as {'type': 'string'}"),
        (
            {"type": "text"},
            "'text' is not a type of JSON schema; the types are: string, integer, number, boolean, null, object, array",
        ),
        (
            {"$ref": "#/$defs/Gone"},
            "the schema cannot be used: Definitions error: definition `#/$defs/Gone` was never filled; "
            "fix it, and build the tool again",
        ),
        (
            {"type": "object", "properties": 5},
            "the schema cannot be used: 'int' object is not iterable; fix it, and build the tool again",
        ),
    ],
)
def test_a_schema_that_cannot_be_checked_is_refused_when_the_tool_is_built(schema: Any, message: str) -> None:
    """A restriction that nobody checks would be worse than none."""
    with pytest.raises(SchemaError) as caught:
        CompiledSchema(schema)
    assert message == str(caught.value)
