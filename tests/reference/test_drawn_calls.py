"""Calls whose input is drawn from a tool's own schema, and calls whose input is not: the box answers both."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flag_harness.clock import VirtualClock
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.reference.tools.tool import Toolbox, ToolCall

few = settings(deadline=None, max_examples=30)
LEAVES = st.sampled_from(
    [
        ({"type": "string"}, st.text(max_size=8)),
        ({"type": "string", "minLength": 2, "maxLength": 4}, st.text(min_size=2, max_size=4)),
        ({"type": "integer"}, st.integers(-(10**20), 10**20)),
        ({"type": "integer", "minimum": -3, "exclusiveMaximum": 9}, st.integers(-3, 8)),
        ({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False)),
        ({"type": "boolean"}, st.booleans()),
        ({"enum": ["C", "F", 3, None]}, st.sampled_from(["C", "F", 3, None])),
        ({"const": {"a": [1]}}, st.just({"a": [1]})),
        ({"type": ["string", "null"]}, st.none() | st.text(max_size=8)),
        ({"anyOf": [{"type": "integer"}, {"type": "array"}]}, st.integers() | st.just([])),
    ]
)
Drawn = tuple[dict[str, Any], st.SearchStrategy[Any]]


@st.composite
def lists(draw: st.DrawFn, inner: st.SearchStrategy[Drawn]) -> Drawn:
    """A list's schema, and the lists that fit it."""
    schema, values = draw(inner)
    most = draw(st.integers(1, 3))
    return {"type": "array", "items": schema, "maxItems": most}, st.lists(values, max_size=most)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Drawn]) -> Drawn:
    """An object's schema, and the objects that fit it: properties that may be missing, and none beside them."""
    fields = draw(st.dictionaries(st.text("abcß_", min_size=1, max_size=4), inner, min_size=1, max_size=4))
    required = draw(st.sets(st.sampled_from(sorted(fields))))
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: part for name, (part, _) in fields.items()},
        "required": sorted(required),
        "additionalProperties": False,
    }
    values = {name: value for name, (_, value) in fields.items()}
    return schema, st.fixed_dictionaries(
        {name: value for name, value in values.items() if name in required},
        optional={name: value for name, value in values.items() if name not in required},
    )


SCHEMAS = objects(st.recursive(LEAVES, lambda inner: lists(inner) | objects(inner), max_leaves=5))
UNFIT = st.sampled_from([..., 1.5, "∅" * 99, [[]], {"no such": 1}])


def answered(schema: dict[str, Any], value: Any) -> tuple[bool, list[Any]]:
    """Whether the box answers a call with an error, and with which arguments it ran the tool."""
    ran: list[Any] = []

    def tool(**arguments: Any) -> str:
        ran.append(arguments)
        return "done"

    box = Toolbox([function_tool("tool", "Does it", schema, tool)], clock=VirtualClock())
    outcome = asyncio.run(box.run(ToolCall("toolu_1", "tool", value)))
    assert "toolu_1" == outcome.id
    return outcome.is_error, ran


@few
@given(st.data())
def test_what_the_schema_allows_runs_the_tool_with_it(data: st.DataObject) -> None:
    """As it was drawn."""
    schema, values = data.draw(SCHEMAS)
    value = data.draw(values)
    assert (False, [value]) == answered(schema, value)


@few
@given(st.data())
def test_what_the_schema_forbids_is_answered_and_runs_nothing(data: st.DataObject) -> None:
    """A required field left out, a field too many, a value that fits nowhere, or no object at all."""
    schema, values = data.draw(SCHEMAS)
    value = data.draw(values)
    ways: list[Any] = [{**value, "no such field": 1}, data.draw(st.none() | st.integers() | st.text() | st.just([]))]
    ways += [{name: one for name, one in value.items() if name != missing} for missing in schema["required"]]
    ways += [{**value, name: ...} for name in schema["properties"]]
    assert (True, []) == answered(schema, data.draw(st.sampled_from(ways)))


@few
@given(st.data())
def test_whatever_is_changed_in_an_input_is_answered(data: st.DataObject) -> None:
    """Accepted or refused, and the tool runs once or never: no exception comes out."""
    schema, values = data.draw(SCHEMAS)
    value = {**data.draw(values), data.draw(st.sampled_from(sorted(schema["properties"]))): data.draw(UNFIT)}
    is_error, ran = answered(schema, value)
    assert ([] if is_error else [value]) == ran
