"""Rules about schemas that the API compiles: those of strict tools and of structured outputs.

The limits are those that refusals of 2026-07 name; they count over all schemas of a request together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flag_harness.simulator.rules.asked import Asked

MOST_STRICT_TOOLS = 20
MOST_OPTIONAL = 24
MOST_UNIONS = 16
TOO_COMPLEX_UNIONS = 16
"""Unions in ONE schema that are refused, though 16 in 16 schemas pass (recorded); where between 2 and 16 the API begins
to refuse is not known."""
_DEFINITIONS = ("$defs", "definitions")
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas", *_DEFINITIONS})
"""Keywords that hold schemas by names."""
_NESTED = frozenset(
    """
    additionalProperties allOf anyOf contains else if items not oneOf prefixItems propertyNames then
    unevaluatedItems unevaluatedProperties
    """.split()  # noqa: SIM905 - names in columns
)
"""Keywords that hold a schema or a list of them."""
_UNSUPPORTED: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "string": frozenset({"minLength", "maxLength"}),
    "array": frozenset({"maxItems", "uniqueItems", "contains", "minContains", "maxContains"}),
    "object": frozenset({"propertyNames", "patternProperties", "minProperties", "maxProperties"}),
}
"""Keywords that are not compiled, by the type of the schema that has them (documented: JSON Schema limitations)."""


def schemas_are_valid(asked: Asked) -> str | None:
    """Input schemas are JSON schemas, as far as their keywords hold what such keywords hold."""
    for index, tool in enumerate(asked.body.get("tools") or ()):
        if not all(map(_is_valid, _parts(tool.get("input_schema")))):
            return (
                f"tools.{index}.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
                "(https://json-schema.org/draft/2020-12). Learn more about tool use at "
                "https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview."
            )
    return None


def strict_tools_are_few(asked: Asked) -> str | None:
    """Twenty strict tools at most."""
    found = sum(1 for tool in asked.body.get("tools") or () if tool.get("strict"))
    if found <= MOST_STRICT_TOOLS:
        return None
    return (
        f"Too many strict tools ({found}). The maximum number of strict tools supported is {MOST_STRICT_TOOLS}. Try "
        "reducing the number of tools marked as strict."
    )


def schemas_compile(asked: Asked) -> str | None:
    """Every object is closed, no definition refers to itself, and no keyword is one that is not compiled."""
    for path, schema in _compiled(asked):
        circle = _circle(schema)
        if circle:
            return (
                f"{path}: Invalid schema: Circular reference detected in schema definitions: {' -> '.join(circle)}. "
                "Self-referencing or mutually-referencing definitions are not supported."
            )
        words = next((words for part in _parts(schema) if (words := _part_problem(part))), None)
        if words is not None:
            return f"{path}: {words}"
    return None


def optional_parameters_are_few(asked: Asked) -> str | None:
    """Twenty-four parameters that may be left out, at most."""
    found = sum(_optional(schema) for _, schema in _compiled(asked))
    if found <= MOST_OPTIONAL:
        return None
    return (
        f"Schemas contains too many optional parameters ({found}), which would make grammar compilation inefficient. "
        f"Reduce the number of optional parameters in your tool schemas (limit: {MOST_OPTIONAL})."
    )


def union_parameters_are_few(asked: Asked) -> str | None:
    """Sixteen parameters of several types, at most."""
    found = sum(_unions(schema) for _, schema in _compiled(asked))
    if found <= MOST_UNIONS:
        return None
    return (
        f"Schemas contains too many parameters with union types ({found} parameters with type arrays or anyOf). This "
        "causes exponential compilation cost. Reduce the number of nullable or union-typed parameters (limit: "
        f"{MOST_UNIONS} parameters with unions)."
    )


def schemas_are_simple(asked: Asked) -> str | None:
    """No schema alone has as many unions, or parameters that may be left out, as all together may have."""
    for _, schema in _compiled(asked):
        if _unions(schema) >= TOO_COMPLEX_UNIONS or _optional(schema) >= MOST_OPTIONAL:
            return (
                "Schema is too complex for compilation. Try reducing the number of tools or simplifying tool schemas."
            )
    return None


def _compiled(asked: Asked) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schemas that are compiled, each with its path."""
    for index, tool in enumerate(asked.body.get("tools") or ()):
        if tool.get("strict") and isinstance(tool.get("input_schema"), dict):
            yield f"tools.{index}.custom", tool["input_schema"]
    if asked.body.get("output_format"):
        yield "output_format.schema", asked.body["output_format"]["schema"]
    if (asked.body.get("output_config") or {}).get("format"):
        yield "output_config.format.schema", asked.body["output_config"]["format"]["schema"]


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema and every schema in it; literals (`const`, `enum`, `examples`, `default`) hold none."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            value = list(value.values())
        if key in _NAMED or key in _NESTED:
            for part in value if isinstance(value, list) else [value]:
                yield from _parts(part)


def _is_valid(part: Mapping[str, Any]) -> bool:
    return all(value is None or holds(value) for key, holds in _HOLDS.items() for value in [part.get(key)])


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(schema, (dict, bool)) for schema in value.values())


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _are_schemas(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(schema, (dict, bool)) for schema in value)


_HOLDS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("properties", *_DEFINITIONS), _is_named),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _are_schemas),
    "enum": lambda value: isinstance(value, list),
    "required": _are_words,
    "type": lambda value: isinstance(value, str) or _are_words(value),
}
"""What keywords hold; nothing (null) is taken for a keyword that is not there, as SDKs' types allow."""


def _parameters(schema: Mapping[str, Any]) -> Iterator[tuple[bool, Any]]:
    """Every property with whether it is required."""
    for part in _parts(schema):
        properties = part.get("properties")
        required = part.get("required")
        for name, value in properties.items() if isinstance(properties, dict) else ():
            yield isinstance(required, list) and name in required, value


def _optional(schema: Mapping[str, Any]) -> int:
    return sum(1 for required, _ in _parameters(schema) if not required)


def _unions(schema: Mapping[str, Any]) -> int:
    return sum(
        1
        for _, value in _parameters(schema)
        if isinstance(value, dict) and (isinstance(value.get("type"), list) or "anyOf" in value)
    )


def _part_problem(part: Mapping[str, Any]) -> str | None:
    kind = part.get("type")
    if not isinstance(kind, str):
        return None
    if kind == "object" and part.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    properties = part.get("properties", {})
    unsupported = sorted(_UNSUPPORTED.get(kind, frozenset()) & part.keys())
    if kind == "object" and not (isinstance(properties, dict) and all(map(_is_object, properties.values()))):
        unsupported.append("properties")  # a property whose schema is only `true` or `false` (quoted by users, 2026-06)
    if not unsupported:
        return None
    what = f"property '{unsupported[0]}' is" if len(unsupported) == 1 else f"properties {', '.join(unsupported)} are"
    return f"For '{kind}' type, {what} not supported"


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _circle(schema: Mapping[str, Any]) -> Sequence[str]:
    """Names of definitions that lead back to the first of them; none where nothing does. `#` is the schema itself."""
    if any(part.get("$ref") == "#" for part in _parts(schema)):
        return ("#", "#")
    edges = {
        name: [ref for part in _parts(value) if (ref := _referred(part))]
        for key in _DEFINITIONS
        if isinstance(schema.get(key), dict)
        for name, value in schema[key].items()
    }
    return next((circle for name in edges if (circle := _way_back(name, edges))), ())


def _way_back(start: str, edges: Mapping[str, list[str]]) -> Sequence[str]:
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for name in edges.get(way[-1], ()):
            if name == start:
                return (*way, start)
            if name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return ()


def _referred(part: Mapping[str, Any]) -> str:
    """The name of the definition that a part refers to."""
    reference = part.get("$ref")
    parts = reference.split("/") if isinstance(reference, str) else []
    return parts[2] if len(parts) > 2 and parts[0] == "#" and parts[1] in _DEFINITIONS else ""
