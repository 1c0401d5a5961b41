"""Rules for definitions of tools (types, names and keys) and for the tool choice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.simulator.rules.betas import BETAS_BY_TOOL_TYPE, TOOL_TYPES_WITHOUT_BETA
from flag_harness.simulator.rules.request import ParsedRequest

_KEYS_OF_ALL_TOOLS = frozenset({"type", "name", "allowed_callers", "cache_control", "defer_loading", "strict"})
_KEYS_OF_CLIENT_TOOLS = frozenset({"input_examples"})
_KEYS_OF_TOOLSETS = frozenset({"type", "cache_control", "configs"})
_KEYS_OF_SEARCH_TOOLS = frozenset(
    {"allowed_domains", "blocked_domains", "max_uses", "response_inclusion", "user_location"}
)
_KEYS_OF_FETCH_TOOLS = frozenset(
    """
    allowed_domains blocked_domains citations max_content_tokens max_uses response_inclusion url_sources use_cache
    """.split()  # noqa: SIM905 - names in columns
)
_KEYS_OF_SCREEN_TOOLS = frozenset({"display_width_px", "display_height_px"})


@dataclass(frozen=True, slots=True)
class _ToolFamily:
    """A group of tools that the API defines: their name, their allowed keys and their required keys."""

    name: str | None
    keys: frozenset[str]
    required: frozenset[str] = frozenset()


_TOOL_FAMILIES: Mapping[str, _ToolFamily] = {
    "advisor_": _ToolFamily("advisor", _KEYS_OF_ALL_TOOLS | {"caching", "max_tokens", "max_uses", "model"}),
    "bash_": _ToolFamily("bash", _KEYS_OF_ALL_TOOLS | _KEYS_OF_CLIENT_TOOLS),
    "browser_toolset_": _ToolFamily(None, _KEYS_OF_TOOLSETS),
    "code_execution_": _ToolFamily("code_execution", _KEYS_OF_ALL_TOOLS),
    "computer_toolset_": _ToolFamily(None, _KEYS_OF_TOOLSETS),
    "computer_": _ToolFamily(
        "computer",
        _KEYS_OF_ALL_TOOLS | _KEYS_OF_CLIENT_TOOLS | _KEYS_OF_SCREEN_TOOLS | {"display_number", "enable_zoom"},
        _KEYS_OF_SCREEN_TOOLS,
    ),
    "memory_": _ToolFamily("memory", _KEYS_OF_ALL_TOOLS | _KEYS_OF_CLIENT_TOOLS),
    "text_editor_20241022": _ToolFamily("str_replace_editor", _KEYS_OF_ALL_TOOLS | _KEYS_OF_CLIENT_TOOLS),
    "text_editor_20250124": _ToolFamily("str_replace_editor", _KEYS_OF_ALL_TOOLS | _KEYS_OF_CLIENT_TOOLS),
    "text_editor_": _ToolFamily(
        "str_replace_based_edit_tool", _KEYS_OF_ALL_TOOLS | _KEYS_OF_CLIENT_TOOLS | {"max_characters"}
    ),
    "tool_search_tool_bm25": _ToolFamily("tool_search_tool_bm25", _KEYS_OF_ALL_TOOLS),
    "tool_search_tool_regex": _ToolFamily("tool_search_tool_regex", _KEYS_OF_ALL_TOOLS),
    "web_fetch_": _ToolFamily("web_fetch", _KEYS_OF_ALL_TOOLS | _KEYS_OF_FETCH_TOOLS),
    "web_search_": _ToolFamily("web_search", _KEYS_OF_ALL_TOOLS | _KEYS_OF_SEARCH_TOOLS),
}
"""The tool families by the prefix of their tool types. A tool belongs to the first family whose prefix fits its type.
"""


def check_tool_types(request: ParsedRequest) -> str | None:
    """Return the error message for a tool type that does not exist, or None.

    A tool type whose beta is missing from the `anthropic-beta` header does not exist, either.
    """
    open_types = TOOL_TYPES_WITHOUT_BETA | {
        kind for kind, betas in BETAS_BY_TOOL_TYPE.items() if betas & set(request.betas)
    }
    for index, tool in enumerate(request.body.get("tools") or ()):
        kind = tool.get("type") or "custom"
        if kind not in open_types:
            names = ", ".join(f"'{name}'" for name in sorted(open_types))
            return (
                f"tools.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {names}"
            )
    return None


def check_anthropic_tools(request: ParsedRequest) -> str | None:
    """Return the error message for a tool that the API defines if its name or its keys are wrong, or None.

    Keys are wrong if one is missing or unknown.
    """
    for index, tool in enumerate(request.body.get("tools") or ()):
        problem = definition_problem(tool)
        if problem is not None:
            return f"tools.{index}.{tool['type']}.{problem}"
    return None


def definition_problem(tool: Mapping[str, Any]) -> str | None:
    """Return the API's error for the definition of a tool, or None if the definition is valid.

    Only tools that the API defines are checked.
    """
    kind = tool.get("type") or "custom"
    defined = next((defined for family, defined in _TOOL_FAMILIES.items() if kind.startswith(family)), None)
    if defined is None:
        return None
    needed = defined.required | ({"name"} if defined.name else frozenset())
    for missing in sorted(needed - tool.keys()):
        return f"{missing}: Field required"
    if defined.name and tool["name"] != defined.name:
        return f"name: Input should be '{defined.name}'"
    for key in sorted(_KEYS_OF_SCREEN_TOOLS & tool.keys()):
        if isinstance(tool[key], int) and tool[key] < 1:
            return f"{key}: Input should be greater than or equal to 1"
    return next((f"{key}: Extra inputs are not permitted" for key in tool if key not in defined.keys), None)


def check_unique_tool_names(request: ParsedRequest) -> str | None:
    """Return the error message for two tools with the same name, or None."""
    names = [tool["name"] for tool in request.body.get("tools") or () if tool.get("name")]
    return None if len(names) == len(set(names)) else "tools: Tool names must be unique."


def check_tool_choice_has_tools(request: ParsedRequest) -> str | None:
    """Return the error message for the tool choice `any` if there are no tools, or None.

    The choices `auto` and `none` are allowed.
    """
    choice = (request.body.get("tool_choice") or {}).get("type")
    if choice != "any" or request.body.get("tools"):
        return None
    return "tool_choice.any may only be specified while providing tools"


def check_forced_tool(request: ParsedRequest) -> str | None:
    """Return the error message for a tool choice that names a tool that the request does not have, or None."""
    choice = request.body.get("tool_choice") or {}
    names = [tool.get("name") for tool in request.body.get("tools") or ()]
    if choice.get("type") == "tool" and choice["name"] not in names:
        return f"Tool '{choice['name']}' not found in provided tools"
    return None
