"""Detection of broken cache prefixes: which block changed, its first changed byte, and the extra cost at list price.

A request breaks a cached prefix if an earlier request of the same conversation wrote more tokens to the prompt cache
than this request reads. A request without a cache mark breaks nothing. Two requests belong to the same conversation if
they share at least half of the written blocks, or if the first changed block is mostly the same. A new question after
the same beginning breaks nothing, because only the last user turn is different.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from flag_harness.models import Model
from flag_harness.simulator.count.cache import SECONDS_BY_CACHE_LIFETIME, InputUsage
from flag_harness.simulator.count.prefix import PromptSegment
from flag_harness.wire.usage import Usage

MAX_REMEMBERED_PREFIXES = 32
"""The number of conversations whose prefixes are kept for comparison. The oldest is removed first."""
_MAX_EXCERPT_LENGTH = 40
_CHARACTERS_SHOWN_BEFORE_CHANGE = 12


@dataclass(frozen=True, slots=True)
class BrokenPrefix:
    """A cached prefix that a request could not use because one of its blocks changed.

    Attributes:
        block_path: where the changed block is in the request, such as `messages[0].content[1]`.
        byte_index: the index of the first different byte in the block's canonical JSON.
        old_text, new_text: the text around that byte in the old and the new block.
        lost_tokens: the number of cached tokens that must be processed again (simulated).
        extra_cost: the extra cost in US dollars at list price, or None if no price is known.
        earlier_request_number: the number of the request that wrote or read the prefix, counted from 0.
    """

    block_path: str
    byte_index: int
    old_text: str
    new_text: str
    lost_tokens: int
    extra_cost: float | None
    earlier_request_number: int = 0

    def __str__(self) -> str:
        cost = "at an unknown price" if self.extra_cost is None else f"${self.extra_cost:.6f} more at list price"
        return (
            f"the cached prefix breaks at {self.block_path}, byte {self.byte_index}: {self.old_text!r} became "
            f"{self.new_text!r}; "
            f"{self.lost_tokens} tokens (simulated) are not read from the cache, {cost}"
        )


@dataclass(frozen=True, slots=True)
class _StoredPrefix:
    segments: tuple[PromptSegment, ...]
    expires_at: float
    request_number: int


class BrokenPrefixDetector:
    """Finds requests that could not use a cached prefix because they changed one of its blocks.

    It is not thread-safe; its owner holds a lock.
    """

    def __init__(self) -> None:
        self._prefixes: OrderedDict[tuple[str, str, str], _StoredPrefix] = OrderedDict()
        self._request_count = 0

    def find_broken_prefix(
        self, tenant: str, model: Model, segments: Sequence[PromptSegment], usage: InputUsage, now: float
    ) -> BrokenPrefix | None:
        """Return the cached prefix that this request breaks, or None.

        Also remember the prefix that the request wrote or read. `tenant` identifies the client; clients share no cache.
        `usage` has the tokens that the request read from the cache and wrote to it.
        """
        marked = [index for index, segment in enumerate(segments) if segment.cache_mark]
        broken = self._find_largest_break(tenant, model, segments, usage, now) if marked else None
        if marked and (usage.cache_read_tokens or usage.tokens_written):
            prefix = tuple(segments[: marked[-1] + 1])
            lifetime = max(SECONDS_BY_CACHE_LIFETIME[mark] for segment in prefix if (mark := segment.cache_mark))
            for old in prefix:
                self._prefixes.pop((tenant, model.id, old.prefix_hash), None)
            self._prefixes[tenant, model.id, prefix[-1].prefix_hash] = _StoredPrefix(
                prefix, now + lifetime, self._request_count
            )
            while len(self._prefixes) > MAX_REMEMBERED_PREFIXES:
                self._prefixes.popitem(last=False)
        self._request_count += 1
        return broken

    def _find_largest_break(
        self, tenant: str, model: Model, segments: Sequence[PromptSegment], usage: InputUsage, now: float
    ) -> BrokenPrefix | None:
        """Return the broken prefix that costs most tokens, or None if the request breaks no prefix."""
        worst: BrokenPrefix | None = None
        for (owner, name, _), written in self._prefixes.items():
            if (owner, name) != (tenant, model.id) or written.expires_at <= now:
                continue
            lost = (
                min(written.segments[-1].prefix_tokens, segments[-1].prefix_tokens if segments else 0)
                - usage.cache_read_tokens
            )
            at = _first_difference(written.segments, segments)
            if at is None or lost <= 0 or (worst is not None and lost <= worst.lost_tokens):
                continue
            if _is_conversation_continued(written.segments, segments, at):
                worst = _make_broken_prefix(written, segments[at], at, lost, model)
        return worst


def _first_difference(old: Sequence[PromptSegment], new: Sequence[PromptSegment]) -> int | None:
    """Return the index of the first block that differs in the two sequences.

    Return None if one sequence is the beginning of the other.
    """
    pairs = enumerate(zip(old, new, strict=False))
    return next((index for index, (one, other) in pairs if one.prefix_hash != other.prefix_hash), None)


def _is_conversation_continued(old: Sequence[PromptSegment], new: Sequence[PromptSegment], changed_index: int) -> bool:
    """Return whether `new` is a later request of the same conversation as `old`, although their blocks at
    `changed_index` differ.
    """
    answered = any('"role":"assistant"' in segment.block_json for segment in new[changed_index:])
    if new[changed_index].path.startswith("messages") and not answered:
        return (
            old[changed_index].block_json == new[changed_index].block_json
        )  # a setting that precedes all blocks changed: tool_choice or thinking
    shared = Counter(segment.block_json for segment in old) & Counter(segment.block_json for segment in new)
    return shared.total() * 2 >= len(old) or _is_similar(old[changed_index].block_json, new[changed_index].block_json)


def _is_similar(old: str, new: str) -> bool:
    """Return whether two texts are similar: their common beginning and end make up more than half of the longer
    text.
    """
    first = _common_prefix_length(old, new)
    last = min(_common_prefix_length(old[::-1], new[::-1]), min(len(old), len(new)) - first)
    return (first + last) * 2 > max(len(old), len(new))


def _common_prefix_length(one: str, other: str) -> int:
    """Return the number of characters at the beginning of both texts that are equal."""
    least = min(len(one), len(other))
    return next((index for index in range(least) if one[index] != other[index]), least)


def _make_broken_prefix(
    stored: _StoredPrefix, new_block: PromptSegment, index: int, lost_tokens: int, model: Model
) -> BrokenPrefix:
    """Return a `BrokenPrefix` for a change of the block at `index`.

    `stored` is the cached prefix, `new_block` is the block after the change, and `lost_tokens` is the number of cached
    tokens that could not be read.
    """
    old = stored.segments[index]
    written = model.cost(Usage(cache_creation_input_tokens=lost_tokens))
    read = model.cost(Usage(cache_read_input_tokens=lost_tokens))
    cost = None if written is None or read is None else written - read
    if old.block_json == new_block.block_json:
        return BrokenPrefix("tool_choice or thinking", 0, "", "", lost_tokens, cost, stored.request_number)
    byte = len(old.block_json[: _common_prefix_length(old.block_json, new_block.block_json)].encode())
    return BrokenPrefix(
        new_block.path,
        byte,
        *texts_around_change(old.block_json, new_block.block_json),
        lost_tokens,
        cost,
        stored.request_number,
    )


def texts_around_change(old: str, new: str) -> tuple[str, str]:
    """Return a few words around the first difference of two texts: those of `old`, and those of `new`."""
    start = max(0, _common_prefix_length(old, new) - _CHARACTERS_SHOWN_BEFORE_CHANGE)
    return old[start : start + _MAX_EXCERPT_LENGTH], new[start : start + _MAX_EXCERPT_LENGTH]
