"""The content of a request in segments, as the prompt cache sees it. A prefix is a sequence of segments from the start.

The order is tools, system, messages. A change of tools invalidates everything; a change of `tool_choice` or `thinking`
invalidates the messages (documented: prompt caching, "What invalidates the cache").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from flag_harness.simulator.answer.randomness import canonical_json, hash_of_parts
from flag_harness.simulator.count.tokens import (
    block_tokens,
    message_overhead_tokens,
    remove_cache_mark,
    request_overhead_tokens,
    tokens_of_each_tool,
)
from flag_harness.simulator.scenario.matching import content_blocks, message_blocks

CacheLifetime: TypeAlias = Literal["5m", "1h"]
_TYPE_OF_SETTINGS_BLOCK = "state"
_KEY_FOR_ENCLOSING_TOOL_RESULT = "~in"
"""A key that is added to each block inside a tool_result. Its value is the other fields of the tool_result, since a
change of these also breaks the cached prefix.
"""
BLOCK_TYPES_WITHOUT_CACHE_MARK = frozenset({"thinking", "redacted_thinking"})
"""Block types that cannot have a cache mark. An automatic cache mark (at the top level of the body) goes to the last
block of another type.
"""


@dataclass(frozen=True, slots=True)
class PromptSegment:
    """One block of a request, as the prompt cache sees it.

    Attributes:
        path: where the block is in the request.
        prefix_hash: the hash of the prefix that ends with this block.
        prefix_tokens: the number of tokens of that prefix.
        cache_mark: the lifetime of the block's cache mark, or None if it has none.
        block_json: the canonical JSON of the block.
        is_nested: True for a block inside a tool_result. The tool_result itself follows as a segment of its own.
    """

    path: str
    prefix_hash: str
    prefix_tokens: int
    cache_mark: CacheLifetime | None = None
    block_json: str = field(default="", repr=False)
    is_nested: bool = False


def prompt_segments(body: Mapping[str, Any], model: str, tenant: str = "") -> tuple[PromptSegment, ...]:
    """Return the blocks of a request as the prompt cache sees them. `tenant` identifies the client; clients share no
    cache.
    """
    chain, tokens = hash_of_parts("prefix", model, tenant), 0
    built: list[PromptSegment] = []
    markable: int | None = None
    for path, block, cost in _blocks_with_token_counts(body):
        tokens += cost
        text = canonical_json(remove_cache_mark(block))
        chain = hash_of_parts(chain, text)
        if block["type"] == _TYPE_OF_SETTINGS_BLOCK:
            continue
        nested = _KEY_FOR_ENCLOSING_TOOL_RESULT in block
        markable = markable if nested or block["type"] in BLOCK_TYPES_WITHOUT_CACHE_MARK else len(built)
        built.append(PromptSegment(path, chain, tokens, _cache_mark_lifetime(block), text, nested))
    automatic = _cache_mark_lifetime(body)
    if automatic is not None and markable is not None and built[markable].cache_mark is None:
        built[markable] = replace(built[markable], cache_mark=automatic)
    return tuple(built)


def _blocks_with_token_counts(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """Yield (path, block, tokens) for each block of a request, in the order of the API."""
    tools = body.get("tools") or ()
    for index, (tool, cost) in enumerate(zip(tools, tokens_of_each_tool(body), strict=True)):
        yield f"tools[{index}]", {"type": "custom", **tool}, cost
    for index, block in enumerate(content_blocks(body.get("system"))):
        yield f"system[{index}]", block, block_tokens(block)
    state = {"type": _TYPE_OF_SETTINGS_BLOCK, "tool_choice": body.get("tool_choice"), "thinking": body.get("thinking")}
    yield "tool_choice, thinking", state, request_overhead_tokens(body)
    for number, message in enumerate(body["messages"]):
        for index, block in enumerate(message_blocks(message)):
            cost = block_tokens(block) + (message_overhead_tokens() if index == 0 else 0)
            path, spoken = f"messages[{number}].content[{index}]", {"role": message["role"], **block}
            parts = block.get("content") if block["type"] == "tool_result" else None
            yield from (
                _split_tool_result(path, spoken, parts, cost) if isinstance(parts, list) else [(path, spoken, cost)]
            )


def _split_tool_result(
    path: str, block: Mapping[str, Any], inner_blocks: list[Mapping[str, Any]], tokens: int
) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """Yield (path, block, tokens) for each block inside a tool_result, and then for the tool_result without these
    blocks.

    The inner blocks may have cache marks of their own. `tokens` is the number of tokens of the whole tool_result.
    """
    own = {key: value for key, value in block.items() if key != "content"}
    costs = [block_tokens(part) for part in inner_blocks]
    for index, part in enumerate(inner_blocks):
        first = tokens - sum(costs) if index == 0 else 0
        yield (
            f"{path}.content[{index}]",
            {**part, _KEY_FOR_ENCLOSING_TOOL_RESULT: remove_cache_mark(own)},
            costs[index] + first,
        )
    yield path, own, 0 if inner_blocks else tokens


def _cache_mark_lifetime(block: Mapping[str, Any]) -> CacheLifetime | None:
    """Return the lifetime of a block's cache mark, `5m` or `1h`, or None if it has no mark."""
    mark = block.get("cache_control")
    return None if not mark else (mark.get("ttl") or "5m")
