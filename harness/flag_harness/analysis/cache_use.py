"""Compute what the prompt cache did in one test: the tokens read, written and missed, and the broken prefixes.

Answers of the API say how many tokens were read and written, but not which. To find out which, the tokens of each
content block are estimated and scaled, so that their sum is the number in the answer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from flag_harness import models
from flag_harness.models import Model
from flag_harness.record.cache import CacheBreak, CacheTurn, CacheUse
from flag_harness.simulator.count.broken_prefixes import BrokenPrefix, BrokenPrefixDetector, texts_around_change
from flag_harness.simulator.count.cache import InputUsage
from flag_harness.simulator.count.prefix import PromptSegment, prompt_segments
from flag_harness.simulator.rules import api_key
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.timeline import Request
from flag_harness.wire.usage import Usage

CACHE_MARK_KEY = b'"cache_control"'
_SERVER_TOOL_TYPE_PREFIXES = ("advisor", "code_execution", "tool_search", "web_fetch", "web_search")
"""The beginnings of the types of tools that the API runs itself.

An answer that used them adds up several cache uses.
"""
_TOKEN_ESTIMATE_TOLERANCE = 0.05
"""Differences of less than this share of the prompt are taken for errors of the token estimate, and ignored."""


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request whose answer reports its token usage.

    Attributes:
        index: the index of the request in its test.
        request: the request as it was sent.
        model: the id of the model.
        usage: the tokens that the answer reports.
        sent_at: the time at which the request was sent, in seconds on the test's clock.
    """

    index: int
    request: Request
    model: str
    usage: Usage
    sent_at: float = 0.0


@dataclass(frozen=True, slots=True)
class _RequestWithPromptSegments:
    """A request with the content blocks of its prompt.

    The token estimates of the blocks are scaled so that they agree with the number of input tokens in the answer.
    """

    answered_request: AnsweredRequest
    model: Model
    segments: tuple[PromptSegment, ...]

    @property
    def segments_with_cache_mark(self) -> list[PromptSegment]:
        """The blocks that have a cache mark."""
        return [segment for segment in self.segments if segment.cache_mark]

    @property
    def token_counts(self) -> InputUsage:
        """The input tokens that the answer reports: uncached, read from the cache, and written to it."""
        usage = self.answered_request.usage
        written_1h = usage.cache_creation_1h
        written_5m = usage.cache_creation_input_tokens - written_1h
        return InputUsage(usage.input_tokens, usage.cache_read_input_tokens, written_5m, written_1h)


def measure_cache_use(
    requests: Sequence[AnsweredRequest], filter_request: Callable[[Request], Request], mask: Callable[[str], str]
) -> CacheUse | None:
    """Return what the prompt cache did in a test, or None if no request has a cache mark.

    `requests` are those whose answers report usage. `filter_request` removes secrets and personal data from a request;
    `mask` removes them from a text that will be shown.
    """
    if not any(CACHE_MARK_KEY in one.request.body for one in requests):
        return None
    turns = [turn for one in requests if (turn := _add_blocks_to_request(one)) is not None]
    breaks: dict[int, CacheBreak] = {}
    for index, broken in _find_broken_prefixes(turns):
        pair = [
            filter_request(turns[number].answered_request.request) for number in (broken.earlier_request_number, index)
        ]
        words = texts_around_change(*(mask(_block_text(request, broken.block_path)) for request in pair))
        request_index = turns[index].answered_request.index
        breaks[index] = CacheBreak(
            request_index, broken.block_path, broken.byte_index, *words, broken.lost_tokens, broken.extra_cost
        )
    told = tuple(_cache_use_of_last_request(turns[: index + 1], breaks.get(index)) for index in range(len(turns)))
    return CacheUse(told, tuple(breaks.values()), _count_tokens_never_read(turns), _dollars_saved_by_cache(turns))


def _add_blocks_to_request(sent: AnsweredRequest) -> _RequestWithPromptSegments | None:
    """Return a request with its content blocks and their token counts, or None if it is not a valid
    Messages request.
    """
    body = decode_json_object(sent.request.body)
    try:
        segments = prompt_segments(body, sent.model, api_key(sent.request.headers))
    except (KeyError, TypeError, AttributeError, ValueError):
        return None  # not a Messages request, although its answer looks like one
    if not segments or not segments[-1].prefix_tokens:
        return None
    scale = sent.usage.total_input / segments[-1].prefix_tokens
    scaled = tuple(replace(segment, prefix_tokens=round(segment.prefix_tokens * scale)) for segment in segments)
    return _RequestWithPromptSegments(sent, models.find_model(sent.model), scaled)


def _find_broken_prefixes(turns: Sequence[_RequestWithPromptSegments]) -> Iterator[tuple[int, BrokenPrefix]]:
    """Yield `(index of the request, details)` for each request that missed a cached prefix because a block changed."""
    detector = BrokenPrefixDetector()
    for index, turn in enumerate(turns):
        owner = api_key(turn.answered_request.request.headers)
        broken = detector.find_broken_prefix(
            owner, turn.model, turn.segments, turn.token_counts, turn.answered_request.sent_at
        )
        if broken is not None and broken.lost_tokens > _TOKEN_ESTIMATE_TOLERANCE * turn.segments[-1].prefix_tokens:
            yield index, broken


def _block_text(request: Request, path: str) -> str:
    """Return the canonical JSON of the block at `path` in a request, or an empty string if the request has no such
    block.
    """
    segments = prompt_segments(decode_json_object(request.body), "")
    return next((segment.block_json for segment in segments if segment.path == path), "")


def _cache_use_of_last_request(turns: Sequence[_RequestWithPromptSegments], broken: CacheBreak | None) -> CacheTurn:
    """Return what the last of the requests read from the prompt cache, wrote to it and failed to read.

    `broken` describes the change that kept this request from reading a cached prefix, or is None.
    """
    turn, token_counts = turns[-1], turns[-1].token_counts
    missed, why = _count_missed_tokens_with_reason(turns, broken)
    end = _index_of_last_block_read(turns[:-1], turn)
    return CacheTurn(
        turn.answered_request.index,
        token_counts.cache_read_tokens,
        token_counts.tokens_written,
        token_counts.uncached_tokens,
        missed,
        why,
        last_block_read="" if end is None else turn.segments[end].path,
        last_block_written=turn.segments_with_cache_mark[-1].path
        if token_counts.tokens_written and turn.segments_with_cache_mark
        else "",
    )


def _count_missed_tokens_with_reason(
    turns: Sequence[_RequestWithPromptSegments], broken: CacheBreak | None
) -> tuple[int, str]:
    """Return how many cached tokens the last of the requests failed to read, and the reason.

    The reason may also say why nothing was cached. It is empty if the request read from the cache as expected. For
    `broken` see `_cache_use_of_last_request`.
    """
    *earlier, turn = turns
    if broken is not None:
        change = (
            ""
            if broken.block_path not in {segment.path for segment in turn.segments}
            else f" at byte {broken.byte_index}"
        )
        return broken.tokens_not_read, f"{broken.block_path} changed{change}"
    if not turn.segments_with_cache_mark:
        return 0, "no cache mark"
    smallest, longest = turn.model.smallest_cacheable_prefix, turn.segments_with_cache_mark[-1].prefix_tokens
    if not turn.token_counts.cache_read_tokens and not turn.token_counts.tokens_written and longest < smallest:
        return 0, f"the marked prefix has fewer than {smallest:,} tokens, too few for this model to cache"
    cached = {
        mark.prefix_hash
        for one in earlier
        if one.token_counts.tokens_written or one.token_counts.cache_read_tokens
        for mark in one.segments_with_cache_mark
    }
    expected = max((segment.prefix_tokens for segment in turn.segments if segment.prefix_hash in cached), default=0)
    missed = expected - turn.token_counts.cache_read_tokens
    if missed > _TOKEN_ESTIMATE_TOLERANCE * turn.segments[-1].prefix_tokens:
        if any(_has_server_tools(one.answered_request.request) for one in turns):
            return 0, "the API's own tools used the cache too, so what was missed is unknown"
        return missed, "nothing before the mark changed; it had expired, or was still being written"
    return 0, "" if turn.token_counts.cache_read_tokens else _reason_for_no_cache_read(earlier, turn)


def _has_server_tools(request: Request) -> bool:
    """Return whether a request uses tools that the API runs itself, or MCP servers."""
    body = decode_json_object(request.body)
    types = [str(tool.get("type", "")) for tool in body.get("tools") or () if isinstance(tool, dict)]
    return "mcp_servers" in body or any(kind.startswith(_SERVER_TOOL_TYPE_PREFIXES) for kind in types)


def _reason_for_no_cache_read(earlier: Sequence[_RequestWithPromptSegments], turn: _RequestWithPromptSegments) -> str:
    """Return why a request read no cached tokens, or an empty string if the reason is unknown.

    `earlier` are the requests before it.
    """
    if earlier and all(one.answered_request.model != turn.answered_request.model for one in earlier):
        return f"another model: {turn.answered_request.model}"
    return "nothing of this prompt was cached before" if turn.token_counts.tokens_written else ""


def _count_tokens_never_read(turns: Sequence[_RequestWithPromptSegments]) -> int:
    """Return how many of the tokens that requests wrote to the cache were not read by any later request."""
    unread, read_later = 0, set[str]()
    for index in range(len(turns) - 1, -1, -1):
        turn = turns[index]
        used = max(
            (mark.prefix_tokens for mark in turn.segments_with_cache_mark if mark.prefix_hash in read_later), default=0
        )
        unread += max(0, turn.token_counts.tokens_written - max(0, used - turn.token_counts.cache_read_tokens))
        read_later |= _hashes_read_from_cache(turns[:index], turn)
    return unread


def _hashes_read_from_cache(
    earlier: Sequence[_RequestWithPromptSegments], turn: _RequestWithPromptSegments
) -> set[str]:
    """Return the hashes of the prefixes that a request read from the cache. `earlier` are the requests before it."""
    end = _index_of_last_block_read(earlier, turn)
    return set() if end is None else {segment.prefix_hash for segment in turn.segments[: end + 1]}


def _index_of_last_block_read(
    earlier: Sequence[_RequestWithPromptSegments], turn: _RequestWithPromptSegments
) -> int | None:
    """Return the index of the last block that a request read from the cache, or None if it read nothing.

    The API reports only the number of tokens. So the result is the block up to whose end the prompt has about this
    many tokens. Blocks that an earlier request marked for the cache are preferred.
    """
    if not turn.token_counts.cache_read_tokens:
        return None
    marked = {mark.prefix_hash for one in earlier for mark in one.segments_with_cache_mark}
    ends = [index for index, segment in enumerate(turn.segments) if segment.prefix_hash in marked]
    return min(
        ends or range(len(turn.segments)),
        key=lambda index: abs(turn.segments[index].prefix_tokens - turn.token_counts.cache_read_tokens),
    )


def _dollars_saved_by_cache(turns: Sequence[_RequestWithPromptSegments]) -> float | None:
    """Return how many more US dollars the requests would have cost without the cache, or None if a price is unknown.

    The result is negative if writing to the cache cost more than reading saved.
    """
    saved = 0.0
    for turn in turns:
        usage = turn.answered_request.usage
        plain = Usage(input_tokens=usage.total_input, output_tokens=usage.output_tokens)
        without, cost = turn.model.cost(plain), turn.model.cost(usage)
        if without is None or cost is None:
            return None
        saved += without - cost
    return saved
