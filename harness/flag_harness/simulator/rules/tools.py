"""Rules about tools: which there are, and that those which the API defines are asked for as it defines them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.simulator.rules.asked import Asked
from flag_harness.simulator.rules.betas import BETA_TOOLS, GENERAL_TOOLS

_EVERY = frozenset({"type", "name", "allowed_callers", "cache_control", "defer_loading", "strict"})
_CLIENT = frozenset({"input_examples"})
_SET = frozenset({"type", "cache_control", "configs"})
_SEARCH = frozenset({"allowed_domains", "blocked_domains", "max_uses", "response_inclusion", "user_location"})
_FETCH = frozenset(
    """
    allowed_domains blocked_domains citations max_content_tokens max_uses response_inclusion url_sources use_cache
    """.split()  # noqa: SIM905 - names in columns
)
_SCREEN = frozenset({"display_width_px", "display_height_px"})


@dataclass(frozen=True, slots=True)
class _Defined:
    """A family of tools that the API defines: its name, the keys that it may have, and those that it must have."""

    name: str | None
    keys: frozenset[str]
    required: frozenset[str] = frozenset()


_DEFINED: Mapping[str, _Defined] = {
    "advisor_": _Defined("advisor", _EVERY | {"caching", "max_tokens", "max_uses", "model"}),
    "bash_": _Defined("bash", _EVERY | _CLIENT),
    "browser_toolset_": _Defined(None, _SET),
    "code_execution_": _Defined("code_execution", _EVERY),
    "computer_toolset_": _Defined(None, _SET),
    "computer_": _Defined("computer", _EVERY | _CLIENT | _SCREEN | {"display_number", "enable_zoom"}, _SCREEN),
    "memory_": _Defined("memory", _EVERY | _CLIENT),
    "text_editor_20241022": _Defined("str_replace_editor", _EVERY | _CLIENT),
    "text_editor_20250124": _Defined("str_replace_editor", _EVERY | _CLIENT),
    "text_editor_": _Defined("str_replace_based_edit_tool", _EVERY | _CLIENT | {"max_characters"}),
    "tool_search_tool_bm25": _Defined("tool_search_tool_bm25", _EVERY),
    "tool_search_tool_regex": _Defined("tool_search_tool_regex", _EVERY),
    "web_fetch_": _Defined("web_fetch", _EVERY | _FETCH),
    "web_search_": _Defined("web_search", _EVERY | _SEARCH),
}
"""By the beginning of the type; the first that fits counts. What any of a family's types in anthropic 2.14 has."""


def known_tools(asked: Asked) -> str | None:
    """Tools are of types that exist, and that no beta keeps closed."""
    open_types = GENERAL_TOOLS | {kind for kind, betas in BETA_TOOLS.items() if betas & set(asked.betas)}
    for index, tool in enumerate(asked.body.get("tools") or ()):
        kind = tool.get("type") or "custom"
        if kind not in open_types:
            names = ", ".join(f"'{name}'" for name in sorted(open_types))
            return (
                f"tools.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {names}"
            )
    return None


def defined_tools(asked: Asked) -> str | None:
    """Tools that the API defines have its name for them, what they need, and nothing else."""
    for index, tool in enumerate(asked.body.get("tools") or ()):
        problem = definition_problem(tool)
        if problem is not None:
            return f"tools.{index}.{tool['type']}.{problem}"
    return None


def definition_problem(tool: Mapping[str, Any]) -> str | None:
    """The key that is wrong with a tool, and the API's words for it; None for tools that the API does not define."""
    kind = tool.get("type") or "custom"
    defined = next((defined for family, defined in _DEFINED.items() if kind.startswith(family)), None)
    if defined is None:
        return None
    needed = defined.required | ({"name"} if defined.name else frozenset())
    for missing in sorted(needed - tool.keys()):
        return f"{missing}: Field required"
    if defined.name and tool["name"] != defined.name:
        return f"name: Input should be '{defined.name}'"
    return next((f"{key}: Extra inputs are not permitted" for key in tool if key not in defined.keys), None)


def unique_tools(asked: Asked) -> str | None:
    """No two tools have one name."""
    names = [tool["name"] for tool in asked.body.get("tools") or () if tool.get("name")]
    return None if len(names) == len(set(names)) else "tools: Tool names must be unique."


def choice_needs_tools(asked: Asked) -> str | None:
    """Where any tool is to be used, there are some; `auto` and `none` choose among none, too."""
    choice = (asked.body.get("tool_choice") or {}).get("type")
    if choice != "any" or asked.body.get("tools"):
        return None
    return "tool_choice.any may only be specified while providing tools"


def chosen_tool_exists(asked: Asked) -> str | None:
    """The tool that is forced is offered."""
    choice = asked.body.get("tool_choice") or {}
    names = [tool.get("name") for tool in asked.body.get("tools") or ()]
    if choice.get("type") == "tool" and choice["name"] not in names:
        return f"Tool '{choice['name']}' not found in provided tools"
    return None
