"""The shipped agent: typed events, tools, contexts that survive, and fallbacks, on `anthropic.AsyncAnthropic`."""

from harness.agent.agent import Agent
from harness.agent.bash import Bash
from harness.agent.context import Context, LedgerEntry, plain
from harness.agent.events import (
    AgentError,
    BlockDropped,
    Event,
    FeatureDropped,
    RequestUsage,
    TextDelta,
    ThinkingDelta,
    ToolResult,
    ToolUse,
    Transition,
    TurnDiscarded,
    TurnEnded,
    Waiting,
)
from harness.agent.function_tool import function_tool
from harness.agent.heal import healed, transition_prompt
from harness.agent.retry import RetryPolicy
from harness.agent.store import load, save, verify
from harness.agent.tools import Tool, Toolbox, ToolCall, ToolOutcome

__all__ = [
    "Agent",
    "AgentError",
    "Bash",
    "BlockDropped",
    "Context",
    "Event",
    "FeatureDropped",
    "LedgerEntry",
    "RequestUsage",
    "RetryPolicy",
    "TextDelta",
    "ThinkingDelta",
    "Tool",
    "ToolCall",
    "ToolOutcome",
    "ToolResult",
    "ToolUse",
    "Toolbox",
    "Transition",
    "TurnDiscarded",
    "TurnEnded",
    "Waiting",
    "function_tool",
    "healed",
    "load",
    "plain",
    "save",
    "transition_prompt",
    "verify",
]
