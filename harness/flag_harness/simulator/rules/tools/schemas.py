"""Rules for JSON schemas, most of them for the schemas of strict tools and of structured outputs.

The API compiles the schemas of strict tools and structured outputs, and refuses what it cannot compile. The limits are
those in error messages of 2026-07. They apply to all schemas of a request together.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flag_harness.simulator.rules.request import ParsedRequest

MAX_STRICT_TOOLS = 20
MAX_OPTIONAL_PARAMETERS = 24
MAX_UNION_PARAMETERS = 16
TOO_MANY_UNIONS_IN_ONE_SCHEMA = 16
"""A single schema with this many unions is refused, although 16 schemas with one union each are accepted (recorded).
The exact limit is not known.
"""
_DEFINITIONS_KEYWORDS = ("$defs", "definitions")
_KEYWORDS_WITH_SCHEMA_MAPPING = frozenset(
    {"properties", "patternProperties", "dependentSchemas", *_DEFINITIONS_KEYWORDS}
)
"""The keywords whose value is a mapping from names to schemas."""
_KEYWORDS_WITH_SCHEMAS = frozenset(
    """
    additionalProperties allOf anyOf contains else if items not oneOf prefixItems propertyNames then
    unevaluatedItems unevaluatedProperties
    """.split()  # noqa: SIM905 - names in columns
)
"""The keywords whose value is a schema or a list of schemas."""
_SCHEMA_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_PROPERTY_NAME_PATTERN = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_UNSUPPORTED_KEYWORDS: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "string": frozenset({"minLength", "maxLength"}),
    "array": frozenset({"maxItems", "uniqueItems", "contains", "minContains", "maxContains"}),
    "object": frozenset({"propertyNames", "patternProperties", "minProperties", "maxProperties"}),
}
"""The keywords that the API cannot compile, by the type of the schema (documented: JSON Schema limitations)."""


def check_schemas(request: ParsedRequest) -> str | None:
    """Return the error message for an input schema with a keyword whose value has a wrong type, or None.

    A schema with a type that does not exist is refused, too.
    """
    for index, tool in enumerate(request.body.get("tools") or ()):
        if not all(map(_has_valid_keywords, _walk_subschemas(tool.get("input_schema")))):
            return (
                f"tools.{index}.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
                "(https://json-schema.org/draft/2020-12). Learn more about tool use at "
                "https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview."
            )
    return None


def check_schema_roots(request: ParsedRequest) -> str | None:
    """Return the error message for an input schema with `oneOf`, `allOf` or `anyOf` at its top level, or None."""
    for index, tool in enumerate(request.body.get("tools") or ()):
        schema = tool.get("input_schema")
        if isinstance(schema, dict) and any(schema.get(key) is not None for key in ("oneOf", "allOf", "anyOf")):
            words = "input_schema does not support oneOf, allOf, or anyOf at the top level"
            return f"tools.{index}.custom.input_schema: {words}"
    return None


def check_property_keys(request: ParsedRequest) -> str | None:
    """Return the error message for a top-level property of an input schema with an invalid name, or None.

    A name may have 64 characters: letters, digits, `_`, `.` and `-`. Properties of inner objects may have any name
    (quoted by users, 2026-08).
    """
    for index, tool in enumerate(request.body.get("tools") or ()):
        properties = (tool.get("input_schema") or {}).get("properties") or ()
        if not all(map(_PROPERTY_NAME_PATTERN.fullmatch, properties)):
            return (
                f"tools.{index}.custom.input_schema.properties: Property keys should match pattern "
                "'^[a-zA-Z0-9_.-]{1,64}$'"
            )
    return None


def check_strict_tool_count(request: ParsedRequest) -> str | None:
    """Return the error message for more than 20 strict tools, or None."""
    found = sum(1 for tool in request.body.get("tools") or () if tool.get("strict"))
    if found <= MAX_STRICT_TOOLS:
        return None
    return (
        f"Too many strict tools ({found}). The maximum number of strict tools supported is {MAX_STRICT_TOOLS}. Try "
        "reducing the number of tools marked as strict."
    )


def check_schemas_compile(request: ParsedRequest) -> str | None:
    """Return the error message for schemas that do not compile, or None.

    Open objects, circular definitions and unsupported keywords do not compile.
    """
    for path, schema in _compiled_schemas(request):
        circle = _reference_cycle(schema)
        if circle:
            return (
                f"{path}: Invalid schema: Circular reference detected in schema definitions: {' -> '.join(circle)}. "
                "Self-referencing or mutually-referencing definitions are not supported."
            )
        words = next((words for part in _walk_subschemas(schema) if (words := _subschema_problem(part))), None)
        if words is not None:
            return f"{path}: {words}"
    return None


def check_optional_parameter_count(request: ParsedRequest) -> str | None:
    """Return the error message for more than 24 optional parameters in all schemas of a request, or None."""
    found = sum(_count_optional_properties(schema) for _, schema in _compiled_schemas(request))
    if found <= MAX_OPTIONAL_PARAMETERS:
        return None
    return (
        f"Schemas contains too many optional parameters ({found}), which would make grammar compilation inefficient. "
        f"Reduce the number of optional parameters in your tool schemas (limit: {MAX_OPTIONAL_PARAMETERS})."
    )


def check_union_parameter_count(request: ParsedRequest) -> str | None:
    """Return the error message for more than 16 parameters with `anyOf` or a list of types in all schemas, or None."""
    found = sum(_count_union_properties(schema) for _, schema in _compiled_schemas(request))
    if found <= MAX_UNION_PARAMETERS:
        return None
    return (
        f"Schemas contains too many parameters with union types ({found} parameters with type arrays or anyOf). This "
        "causes exponential compilation cost. Reduce the number of nullable or union-typed parameters (limit: "
        f"{MAX_UNION_PARAMETERS} parameters with unions)."
    )


def check_schema_complexity(request: ParsedRequest) -> str | None:
    """Return the error message for a single schema with too many parameters, or None.

    A schema may have fewer than 16 parameters with `anyOf` or a list of types, and fewer than 24 optional ones.
    """
    for _, schema in _compiled_schemas(request):
        if (
            _count_union_properties(schema) >= TOO_MANY_UNIONS_IN_ONE_SCHEMA
            or _count_optional_properties(schema) >= MAX_OPTIONAL_PARAMETERS
        ):
            return (
                "Schema is too complex for compilation. Try reducing the number of tools or simplifying tool schemas."
            )
    return None


def _compiled_schemas(request: ParsedRequest) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the schemas of strict tools and of structured outputs, which the API compiles, each with its path."""
    for index, tool in enumerate(request.body.get("tools") or ()):
        if tool.get("strict") and isinstance(tool.get("input_schema"), dict):
            yield f"tools.{index}.custom", tool["input_schema"]
    if request.body.get("output_format"):
        yield "output_format.schema", request.body["output_format"]["schema"]
    if (request.body.get("output_config") or {}).get("format"):
        yield "output_config.format.schema", request.body["output_config"]["format"]["schema"]


def _walk_subschemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and all schemas inside it.

    The values of `const`, `enum`, `examples` and `default` are data, not schemas.
    """
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        if key in _KEYWORDS_WITH_SCHEMA_MAPPING and isinstance(value, dict):
            value = list(value.values())
        if key in _KEYWORDS_WITH_SCHEMA_MAPPING or key in _KEYWORDS_WITH_SCHEMAS:
            for part in value if isinstance(value, list) else [value]:
                yield from _walk_subschemas(part)


def _has_valid_keywords(schema: Mapping[str, Any]) -> bool:
    """Return whether the values of a schema's keywords have the right types."""
    return all(
        value is None or is_match(value)
        for key, is_match in _VALUE_CHECK_BY_KEYWORD.items()
        for value in [schema.get(key)]
    )


def _is_schema_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(schema, (dict, bool)) for schema in value.values())


def _is_string_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _is_schema_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(schema, (dict, bool)) for schema in value)


_VALUE_CHECK_BY_KEYWORD: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("properties", *_DEFINITIONS_KEYWORDS), _is_schema_mapping),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _is_schema_list),
    "enum": lambda value: isinstance(value, list),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum"), lambda value: not isinstance(value, bool)),
    "items": lambda value: isinstance(value, (dict, bool)),
    "required": _is_string_list,
    "type": lambda value: (
        _is_string_list(names := value if isinstance(value, list) else [value]) and _SCHEMA_TYPES.issuperset(names)
    ),
}
"""For each keyword, a function that returns whether its value has the right type. Null counts as a missing keyword,
because the types of the SDKs allow it.
"""


def _properties_with_required(schema: Mapping[str, Any]) -> Iterator[tuple[bool, Any]]:
    """Yield each property of a schema as a pair: whether it is required, and its schema."""
    for part in _walk_subschemas(schema):
        properties = part.get("properties")
        required = part.get("required")
        for name, value in properties.items() if isinstance(properties, dict) else ():
            yield isinstance(required, list) and name in required, value


def _count_optional_properties(schema: Mapping[str, Any]) -> int:
    """Return how many properties of a schema are not required."""
    return sum(1 for required, _ in _properties_with_required(schema) if not required)


def _count_union_properties(schema: Mapping[str, Any]) -> int:
    """Return how many properties of a schema have `anyOf` or a list of types."""
    return sum(
        1
        for _, value in _properties_with_required(schema)
        if isinstance(value, dict) and (isinstance(value.get("type"), list) or "anyOf" in value)
    )


def _subschema_problem(schema: Mapping[str, Any]) -> str | None:
    """Return the API's error message for a part of a schema that does not compile, or None."""
    kind = schema.get("type")
    if not isinstance(kind, str):
        return None
    if kind == "object" and schema.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    properties = schema.get("properties", {})
    unsupported = sorted(_UNSUPPORTED_KEYWORDS.get(kind, frozenset()) & schema.keys())
    if kind == "array" and schema.get("minItems", 0) not in (0, 1):
        unsupported.append("minItems")
    if kind == "object" and not (
        isinstance(properties, dict) and all(isinstance(one, dict) for one in properties.values())
    ):
        unsupported.append("properties")  # a property whose schema is only `true` or `false` (quoted by users, 2026-06)
    if not unsupported:
        return None
    what = f"property '{unsupported[0]}' is" if len(unsupported) == 1 else f"properties {', '.join(unsupported)} are"
    return f"For '{kind}' type, {what} not supported"


def _reference_cycle(schema: Mapping[str, Any]) -> Sequence[str]:
    """Return the names of definitions that refer to each other in a circle, or an empty tuple if there is no circle.

    The name `#` stands for the whole schema.
    """
    if any(part.get("$ref") == "#" for part in _walk_subschemas(schema)):
        return ("#", "#")
    edges = {
        name: [ref for part in _walk_subschemas(value) if (ref := _name_of_referenced_definition(part))]
        for key in _DEFINITIONS_KEYWORDS
        if isinstance(schema.get(key), dict)
        for name, value in schema[key].items()
    }
    return next((circle for name in edges if (circle := _find_reference_cycle_from(name, edges))), ())


def _find_reference_cycle_from(start: str, edges: Mapping[str, list[str]]) -> Sequence[str]:
    """Return the definitions on a path of references from `start` back to `start`, or an empty tuple if there is no
    such path.

    `edges` has, for each definition, the definitions to which it refers.
    """
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


def _name_of_referenced_definition(schema: Mapping[str, Any]) -> str:
    """Return the name of the definition to which `$ref` in this schema refers, or an empty string."""
    reference = schema.get("$ref")
    parts = reference.split("/") if isinstance(reference, str) else []
    return parts[2] if len(parts) > 2 and parts[0] == "#" and parts[1] in _DEFINITIONS_KEYWORDS else ""
