"""The reference agent, which is shipped as an example, and which the 25 cases test. It is built on
`anthropic.AsyncAnthropic`.

It has typed events, tools, conversations that survive a crash, and fallbacks for features that the API refuses.
"""

from flag_harness.reference.agent import Agent
from flag_harness.reference.context.context import ConversationContext, ToolCallState, to_json_value
from flag_harness.reference.context.repair import make_transition_prompt, repair_context
from flag_harness.reference.context.store import find_repairs_of_saved_context, load_context, save_context
from flag_harness.reference.events import (
    AgentError,
    BlockDropped,
    Event,
    FeatureDropped,
    RequestUsage,
    RestoreNote,
    TextDelta,
    ThinkingDelta,
    ToolResult,
    ToolUse,
    TurnDiscarded,
    TurnEnded,
    WaitingForRetry,
)
from flag_harness.reference.request.retry import RetryPolicy
from flag_harness.reference.tools.bash import BashTool
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.reference.tools.tool import Tool, Toolbox, ToolCall, ToolOutcome

__all__ = [
    "Agent",
    "AgentError",
    "BashTool",
    "BlockDropped",
    "ConversationContext",
    "Event",
    "FeatureDropped",
    "RequestUsage",
    "RestoreNote",
    "RetryPolicy",
    "TextDelta",
    "ThinkingDelta",
    "Tool",
    "ToolCall",
    "ToolCallState",
    "ToolOutcome",
    "ToolResult",
    "ToolUse",
    "Toolbox",
    "TurnDiscarded",
    "TurnEnded",
    "WaitingForRetry",
    "find_repairs_of_saved_context",
    "function_tool",
    "load_context",
    "make_transition_prompt",
    "repair_context",
    "save_context",
    "to_json_value",
]
