"""Rules for tools that only some models have, and for options of tools that exclude each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flag_harness.models import Model
from flag_harness.simulator import catalogue
from flag_harness.simulator.rules.betas import BETAS_BY_TOOL_TYPE, TOOL_TYPES_WITHOUT_BETA
from flag_harness.simulator.rules.request import ParsedRequest
from flag_harness.simulator.scenario.matching import content_blocks, message_blocks

_MCP_TOOLSETS_BETA = "mcp-client-2025-11-20"
_TOOL_SEARCH_TYPE_PREFIX = "tool_search_tool"
_CODE_EXECUTION_CALLER_PREFIX = "code_execution_"
_ModelVersion = tuple[int, int]


def _make_model_version_check(first: _ModelVersion, last: _ModelVersion = (99, 99)) -> Callable[[Model], bool]:
    """Return a function that tells whether a model's version is between `first` and `last`, inclusive."""
    return lambda model: first <= catalogue.model_version(model) <= last


def _has_newer_computer_tool(model: Model) -> bool:
    """Return whether a model has the newer computer tool, as Opus 4.5 and all models from 4.6 on do."""
    return catalogue.model_version(model) >= (4, 6) or model.id == "claude-opus-4-5"


_MODEL_CHECK_BY_TOOL_TYPE: Mapping[str, Callable[[Model], bool]] = {
    "bash_20241022": _make_model_version_check((3, 5), (3, 5)),
    "bash_20250124": _make_model_version_check((3, 5)),
    "computer_20241022": _make_model_version_check((3, 5), (3, 5)),
    "computer_20250124": lambda model: (
        _make_model_version_check((3, 7), (4, 5))(model) and not _has_newer_computer_tool(model)
    ),
    "computer_20251124": _has_newer_computer_tool,
    "memory_20250818": _make_model_version_check((4, 0)),
    "text_editor_20241022": _make_model_version_check((3, 5), (3, 5)),
    "text_editor_20250124": _make_model_version_check((3, 7), (3, 7)),
    "text_editor_20250429": _make_model_version_check((4, 0), (4, 1)),
    "text_editor_20250728": _make_model_version_check((4, 0)),
}
"""For each tool type that some models lack, a function that returns whether a model has the tool.

Sources: the documentation and, for the editor of 2025-04, users.
"""


def check_tool_versions(request: ParsedRequest) -> str | None:
    """Return the error message for a version of a tool that the model does not support, or None."""
    kinds = [tool.get("type") or "custom" for tool in request.body.get("tools") or ()]
    wrong = sorted(
        {
            kind
            for kind in kinds
            if kind in _MODEL_CHECK_BY_TOOL_TYPE and not _MODEL_CHECK_BY_TOOL_TYPE[kind](request.model)
        }
    )
    if not wrong:
        return None
    betas = set(request.betas)
    usable = sorted(
        kind
        for kind in TOOL_TYPES_WITHOUT_BETA | BETAS_BY_TOOL_TYPE.keys()
        if kind != "custom"
        and _MODEL_CHECK_BY_TOOL_TYPE.get(kind, _accept_every_model)(request.model)
        and BETAS_BY_TOOL_TYPE.get(kind, betas) & betas == betas
    )
    families = tuple(kind.rstrip("0123456789") for kind in wrong)
    near = [kind for kind in usable if kind.startswith(families)] or usable
    return (
        f"'{request.body['model']}' does not support tool types: {', '.join(wrong)}. Did you mean one of "
        f"{', '.join(near)}?"
    )


def check_domain_lists(request: ParsedRequest) -> str | None:
    """Return the error message for a web tool with contradictory options, or None.

    These are both allowed and blocked domains, a domain with a scheme, or a `max_uses` that is not positive.
    """
    for path, tool in _tools_with_paths(request):
        if tool.get("allowed_domains") and tool.get("blocked_domains"):
            return f"{path}: Only one of `allowed_domains` and `blocked_domains` may be specified."
        for key in ("allowed_domains", "blocked_domains"):
            for index, domain in enumerate(tool.get(key) or ()):
                if "://" in str(domain):
                    return f"{path}.{key}.{index}: Domains must not include a scheme such as `https://`."
        uses = tool.get("max_uses")
        if isinstance(uses, int) and uses < 1:
            return f"{path}.max_uses: Input should be greater than 0"
    return None


def check_deferred_tools(request: ParsedRequest) -> str | None:
    """Return the error message for tools that are deferred although they must not be, or None.

    A deferred tool is loaded later, once a tool search finds it. The API refuses a request whose tools are all
    deferred, a tool-search tool that is itself deferred, and a deferred tool with a cache mark (`cache_control`).
    """
    tools = request.body.get("tools") or ()
    for _, tool in _tools_with_paths(request):
        kind = tool.get("type") or "custom"
        if tool.get("defer_loading") and kind.startswith(_TOOL_SEARCH_TYPE_PREFIX):
            return f"Tool '{tool['name']}' cannot have defer_loading=true: tool search tools are always loaded."
        if tool.get("defer_loading") and tool.get("cache_control"):
            return (
                f"Tool '{tool.get('name')}' cannot have both defer_loading=true and cache_control set. Tools with "
                "defer_loading cannot use prompt caching."
            )
    if tools and all(tool.get("defer_loading") for tool in tools):
        return "All tools have defer_loading set. At least one tool must be non-deferred."
    return None


def check_tool_callers(request: ParsedRequest) -> str | None:
    """Return the error message for a tool that wrongly allows calls by code, or None.

    A tool that the code execution tool may call must not be strict or forced, and the request must allow parallel
    calls.
    """
    called_by_code = [tool for tool in request.body.get("tools") or () if _may_be_called_by_code(tool)]
    for tool in called_by_code:
        if tool.get("strict"):
            return f"Tool '{tool.get('name')}': `strict` is not supported with programmatic tool calling."
    choice = request.body.get("tool_choice") or {}
    if called_by_code and choice.get("disable_parallel_tool_use"):
        return "`disable_parallel_tool_use` is not supported with programmatic tool calling."
    forced = next((tool for tool in called_by_code if choice.get("name") == tool.get("name")), None)
    if forced is not None and "direct" not in forced["allowed_callers"]:
        return f"tool_choice.tool: Tool '{choice['name']}' can only be called by code execution."
    return None


def check_mcp_servers(request: ParsedRequest) -> str | None:
    """Return the error message for an MCP server without a toolset, or a toolset without its server, or None.

    The name of a server must be unique, and its address secure. The first beta of MCP has no toolsets: its servers hold
    their own settings.
    """
    problem = _mcp_server_problem(request.body.get("mcp_servers") or ())
    if problem is not None:
        return problem
    if _MCP_TOOLSETS_BETA not in request.betas:
        return None
    servers = [str(server.get("name")) for server in request.body.get("mcp_servers") or ()]
    toolsets = [tool for tool in request.body.get("tools") or () if tool.get("type") == "mcp_toolset"]
    names = [str(tool.get("mcp_server_name")) for tool in toolsets]
    for server in servers:
        if server not in names:
            return f"MCP server '{server}' is defined but not referenced by any `mcp_toolset` in `tools`."
    unknown = next((name for name in names if name not in servers), None)
    return None if unknown is None else f"MCP server '{unknown}' of an `mcp_toolset` is not defined in `mcp_servers`."


def _mcp_server_problem(servers: Sequence[Any]) -> str | None:
    """Return the error message for an MCP server without TLS, or with the name of another one, or None."""
    names: set[str] = set()
    for index, server in enumerate(server for server in servers if isinstance(server, dict)):
        if str(server.get("url", "")).startswith("http://"):
            return f"mcp_servers.{index}.url: MCP server URL must start with https://"
        name = str(server.get("name"))
        if name in names:
            return f"mcp_servers: MCP server names must be unique. Found multiple servers named '{name}'."
        names.add(name)
    return None


def check_tool_references(request: ParsedRequest) -> str | None:
    """Return the error message for a tool_reference to a tool that the request does not define, or None."""
    names = {tool.get("name") for tool in request.body.get("tools") or ()}
    for message in request.body["messages"]:
        for block in message_blocks(message):
            inner = content_blocks(block.get("content")) if block["type"] == "tool_result" else ()
            for part in inner:
                if part["type"] == "tool_reference" and part.get("tool_name") not in names:
                    return f"Tool reference '{part.get('tool_name')}' not found in available tools"
    return None


def _tools_with_paths(request: ParsedRequest) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the tools of a request, each with its path in error messages."""
    tools = enumerate(request.body.get("tools") or ())
    return [(f"tools.{index}.{tool.get('type') or 'custom'}", tool) for index, tool in tools]


def _may_be_called_by_code(tool: Mapping[str, Any]) -> bool:
    """Return whether a tool's `allowed_callers` include the code execution tool."""
    callers = tool.get("allowed_callers") or ()
    return any(isinstance(caller, str) and caller.startswith(_CODE_EXECUTION_CALLER_PREFIX) for caller in callers)


def _accept_every_model(model: Model) -> bool:
    """Return True. This is the check for a tool that every model has."""
    return True
