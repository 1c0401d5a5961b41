"""The values of the `anthropic-beta` header that the API knows, and the tools and fields that each of them enables.

They are from the SDK's types, from headers of recorded requests and from the source code of clients.
"""

from collections.abc import Mapping

_BETAS_IN_SDK = """
    admin-user-sign-out-2026-10-08 advisor-tool-2026-03-01 agent-memory-2026-07-22 analytics-usage-cost-2026-08-24
    cache-diagnosis-2026-04-07 ce-claude-code-managed-settings-2026-10-06 ce-plugins-2026-09-01
    ce-user-management-2026-07-13 code-execution-2025-05-22 compact-2026-01-12 compact-2026-09-04
    computer-use-2024-10-22 computer-use-2025-01-24 computer-use-2025-11-24 context-1m-2025-08-07
    context-management-2025-06-27 dev-full-thinking-2025-05-14 dreaming-2026-04-21 efs-2026-10-01
    experimental-claude-tag-2026-10-21 extended-cache-ttl-2025-04-11 fallback-credit-2026-06-01
    fallback-credit-2026-07-01 fast-mode-2026-02-01 files-api-2025-04-14 google-managed-data-controls-2026-09-01
    inline-tools-2026-09-15 interleaved-thinking-2025-05-14 managed-agents-2026-04-01 mcp-client-2025-04-04
    mcp-client-2025-11-20 mcp-client-2026-09-15 mcp-tunnels-2026-06-22 message-batches-2024-09-24
    message-threads-2026-08-12 mid-conversation-output-config-2026-07-01 mid-conversation-system-clear-at-2026-08-21
    mid-conversation-tool-changes-2026-07-01 model-context-window-exceeded-2025-08-26 output-128k-2025-02-19
    output-300k-2026-03-24 pdfs-2024-09-25 prompt-caching-2024-07-31 server-side-fallback-2026-06-01
    server-side-fallback-2026-07-01 skills-2025-10-02 spend-limit-reads-2026-09-26 structured-outputs-2025-11-13
    task-budgets-2026-03-13 telemetry-destinations-2026-08-11 thinking-binding-controls-2026-08-01
    thinking-display-updates-2026-08-18 thinking-token-count-2026-05-13 token-counting-2024-11-01
    token-efficient-tools-2025-02-19 user-profiles-2026-03-24 user-profiles-2026-08-18 user-profiles-2026-09-04
    user-profiles-billing-2026-10-01 webhooks-2026-10-07
"""
"""The betas listed in `anthropic/types/anthropic_beta_param.py` (2.14)."""
_BETAS_IN_RECORDINGS = """
    advanced-tool-use-2025-11-20 code-execution-2025-08-25 fine-grained-tool-streaming-2025-05-14
    structured-outputs-2025-12-15 tool-search-tool-2025-10-19 web-fetch-2025-09-10
"""
"""Betas found in recorded requests (2024 to 2026) and in earlier types of the SDK (2.12)."""
_BETAS_SENT_BY_CLAUDE_CODE = """
    afk-mode-2026-01-31 claude-code-20250219 context-hint-2026-04-09 dangerous-tool-use-2026-09-03 effort-2025-11-24
    max-tokens-3-5-sonnet-2024-07-15 messages-2023-12-15 mid-conversation-system-2026-04-07 oauth-2025-04-20
    per-turn-control-2026-07-01 prompt-caching-evict-2026-05-12 prompt-caching-scope-2026-01-05
    redact-thinking-2026-02-12 thinking-resumption-2026-07-17 timing-2026-09-09 token-efficient-tools-2026-03-28
    tool-examples-2025-10-29 tools-2024-04-04 tools-2024-05-16 web-search-2025-03-05
"""
"""Betas that clients send (found in their source code and in captured requests, read 2026-11)."""
KNOWN_BETAS = frozenset(f"{_BETAS_IN_SDK} {_BETAS_IN_RECORDINGS} {_BETAS_SENT_BY_CLAUDE_CODE}".split())

TOOL_TYPES_WITHOUT_BETA = frozenset(
    """
    bash_20250124 browser_toolset_20260801 code_execution_20250522 code_execution_20250825 code_execution_20260120
    code_execution_20260521 computer_toolset_20260801 custom memory_20250818 text_editor_20250124 text_editor_20250429
    text_editor_20250728 tool_search_tool_bm25 tool_search_tool_bm25_20251119 tool_search_tool_regex
    tool_search_tool_regex_20251119 web_fetch_20250910 web_fetch_20260209 web_fetch_20260309 web_fetch_20260318
    web_search_20250305 web_search_20260209 web_search_20260318
    """.split()  # noqa: SIM905 - one column of names reads better than 60 strings
)
"""The tool types that need no beta."""

BETAS_BY_TOOL_TYPE: Mapping[str, frozenset[str]] = {
    "advisor_20260301": frozenset({"advisor-tool-2026-03-01"}),
    "bash_20241022": frozenset({"computer-use-2024-10-22"}),
    "computer_20241022": frozenset({"computer-use-2024-10-22"}),
    "computer_20250124": frozenset({"computer-use-2025-01-24"}),
    "computer_20251124": frozenset({"computer-use-2025-11-24"}),
    "mcp_toolset": frozenset({"mcp-client-2025-11-20", "mcp-client-2026-09-15"}),
    "text_editor_20241022": frozenset({"computer-use-2024-10-22"}),
}
"""The tool types that need a beta, each with the betas that enable it. One of them is enough."""

BETAS_BY_BODY_FIELD: Mapping[str, frozenset[str]] = {
    "billing_policy": frozenset({"user-profiles-billing-2026-10-01"}),
    "compaction": frozenset({"compact-2026-09-04"}),
    "context_management": frozenset({"context-management-2025-06-27", "compact-2026-01-12"}),
    "fallback_credit_token": frozenset({"fallback-credit-2026-06-01", "fallback-credit-2026-07-01"}),
    "fallbacks": frozenset({"server-side-fallback-2026-06-01", "server-side-fallback-2026-07-01"}),
    "mcp_servers": frozenset({"mcp-client-2025-04-04", "mcp-client-2025-11-20", "mcp-client-2026-09-15"}),
    "output_format": frozenset({"structured-outputs-2025-11-13", "structured-outputs-2025-12-15"}),
    "thread": frozenset({"message-threads-2026-08-12"}),
}
"""The body fields that need a beta, each with the betas that enable it. One of them is enough.

Sources: requests of 2025 and 2026, and the types of anthropic 2.14.
"""
BLOCK_BINDING_BETA = "thinking-binding-controls-2026-08-01"
"""The beta that enables `thinking.block_binding` (quoted by users, 2026-08)."""
