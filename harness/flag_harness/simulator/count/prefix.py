"""A request as the prompt cache sees it: segments in the API's order, each with the hash of all that stands before it.

The order is tools, system, messages. A change of tools breaks everything; a change of `tool_choice` or of `thinking`
breaks what the messages' part holds (documented: prompt caching, "What invalidates the cache").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from flag_harness.simulator.answer.randomness import canonical, fingerprint
from flag_harness.simulator.count.tokens import block_tokens, message_tokens, request_tokens, tool_tokens
from flag_harness.simulator.scenario.matching import blocks_of, message_blocks

Lifetime: TypeAlias = Literal["5m", "1h"]
_STATE = "state"
_IN = "~in"
"""Where a nested block keeps what its tool_result says."""
UNCACHEABLE = frozenset({"thinking", "redacted_thinking"})
"""Blocks that cannot carry a mark; an automatic one goes to the last block that can."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One block, `text` its canonical JSON. `hash` is that of the whole prefix with it, `tokens` its length.

    `nested` is one that stands in a tool_result; what is left of the tool_result follows it as a block of its own.
    """

    path: str
    hash: str
    tokens: int
    mark: Lifetime | None = None
    text: str = field(default="", repr=False)
    nested: bool = False


def segments(body: Mapping[str, Any], model: str, tenant: str = "") -> tuple[Segment, ...]:
    """The request's blocks. `tenant` separates the caches of different keys."""
    chain, tokens = fingerprint("prefix", model, tenant), 0
    made: list[Segment] = []
    markable: int | None = None
    for path, block, cost in _blocks(body):
        tokens += cost
        text = canonical(_content(block))
        chain = fingerprint(chain, text)
        if block["type"] == _STATE:
            continue
        nested = _IN in block
        markable = markable if nested or block["type"] in UNCACHEABLE else len(made)
        made.append(Segment(path, chain, tokens, _mark(block), text, nested))
    automatic = _mark(body)
    if automatic is not None and markable is not None and made[markable].mark is None:
        made[markable] = replace(made[markable], mark=automatic)
    return tuple(made)


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    tools = body.get("tools") or ()
    for index, (tool, cost) in enumerate(zip(tools, tool_tokens(body), strict=True)):
        yield f"tools[{index}]", {"type": "custom", **tool}, cost
    for index, block in enumerate(blocks_of(body.get("system"))):
        yield f"system[{index}]", block, block_tokens(block)
    state = {"type": _STATE, "tool_choice": body.get("tool_choice"), "thinking": body.get("thinking")}
    yield "tool_choice, thinking", state, request_tokens(body)
    for number, message in enumerate(body["messages"]):
        for index, block in enumerate(message_blocks(message)):
            cost = block_tokens(block) + (message_tokens() if index == 0 else 0)
            path, spoken = f"messages[{number}].content[{index}]", {"role": message["role"], **block}
            parts = block.get("content") if block["type"] == "tool_result" else None
            yield from _parted(path, spoken, parts, cost) if isinstance(parts, list) else [(path, spoken, cost)]


def _parted(
    path: str, block: Mapping[str, Any], parts: list[Mapping[str, Any]], cost: int
) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """A tool_result in parts, which may be marked each: its blocks, each with what the tool_result itself says."""
    own = {key: value for key, value in block.items() if key != "content"}
    costs = [block_tokens(part) for part in parts]
    for index, part in enumerate(parts):
        first = cost - sum(costs) if index == 0 else 0
        yield f"{path}.content[{index}]", {**part, _IN: _content(own)}, costs[index] + first
    yield path, own, 0 if parts else cost


def _content(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key != "cache_control"}


def _mark(block: Mapping[str, Any]) -> Lifetime | None:
    mark = block.get("cache_control")
    return None if not mark else (mark.get("ttl") or "5m")
