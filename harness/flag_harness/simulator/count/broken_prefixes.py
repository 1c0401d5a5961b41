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
    """A cached prefix that was not read because a block changed.

    Attributes:
        path: the block that changed.
        byte: the index of the first different byte in the block's canonical JSON.
        before, after: the text around that byte in the old and the new block.
        tokens: the number of cached tokens that must be processed again (simulated).
        cost: the extra cost in US dollars at list price, or None if no price is known.
        earlier: the number of the request that wrote or read the prefix, counted from 0.
    """

    path: str
    byte: int
    before: str
    after: str
    tokens: int
    cost: float | None
    earlier: int = 0

    def __str__(self) -> str:
        cost = "at an unknown price" if self.cost is None else f"${self.cost:.6f} more at list price"
        return (
            f"the cached prefix breaks at {self.path}, byte {self.byte}: {self.before!r} became {self.after!r}; "
            f"{self.tokens} tokens (simulated) are not read from the cache, {cost}"
        )


@dataclass(frozen=True, slots=True)
class _StoredPrefix:
    segments: tuple[PromptSegment, ...]
    expires_at: float
    number: int


class BrokenPrefixDetector:
    """Finds requests that could not use a cached prefix because they changed one of its blocks.

    It is not thread-safe; its owner holds a lock.
    """

    def __init__(self) -> None:
        self._prefixes: OrderedDict[tuple[str, str, str], _StoredPrefix] = OrderedDict()
        self._request_count = 0

    def find_broken_prefix(
        self, tenant: str, model: Model, segments: Sequence[PromptSegment], counted: InputUsage, now: float
    ) -> BrokenPrefix | None:
        """Return the cached prefix that this request breaks, or None.

        Also remember the prefix that the request wrote or read. `tenant` identifies the client whose cache it is.
        """
        marked = [index for index, segment in enumerate(segments) if segment.cache_mark]
        broken = self._find_largest_break(tenant, model, segments, counted, now) if marked else None
        if marked and (counted.read or counted.tokens_written):
            prefix = tuple(segments[: marked[-1] + 1])
            lifetime = max(SECONDS_BY_CACHE_LIFETIME[mark] for segment in prefix if (mark := segment.cache_mark))
            for old in prefix:
                self._prefixes.pop((tenant, model.id, old.hash), None)
            self._prefixes[tenant, model.id, prefix[-1].hash] = _StoredPrefix(
                prefix, now + lifetime, self._request_count
            )
            while len(self._prefixes) > MAX_REMEMBERED_PREFIXES:
                self._prefixes.popitem(last=False)
        self._request_count += 1
        return broken

    def _find_largest_break(
        self, tenant: str, model: Model, segments: Sequence[PromptSegment], counted: InputUsage, now: float
    ) -> BrokenPrefix | None:
        """Return the cached prefix whose change lost most tokens, or None if no prefix was broken."""
        worst: BrokenPrefix | None = None
        for (owner, name, _), written in self._prefixes.items():
            if (owner, name) != (tenant, model.id) or written.expires_at <= now:
                continue
            lost = min(written.segments[-1].tokens, segments[-1].tokens if segments else 0) - counted.read
            at = _first_difference(written.segments, segments)
            if at is None or lost <= 0 or (worst is not None and lost <= worst.tokens):
                continue
            if _is_conversation_continued(written.segments, segments, at):
                worst = _make_broken_prefix(written, segments[at], at, lost, model)
        return worst


def _first_difference(old: Sequence[PromptSegment], new: Sequence[PromptSegment]) -> int | None:
    """Return the index of the first block that differs in the two sequences.

    Return None if one sequence is the beginning of the other.
    """
    pairs = enumerate(zip(old, new, strict=False))
    return next((index for index, (one, other) in pairs if one.hash != other.hash), None)


def _is_conversation_continued(old: Sequence[PromptSegment], new: Sequence[PromptSegment], at: int) -> bool:
    """Return whether `new` is a later request of the same conversation as `old`, although their blocks at index `at`
    differ.
    """
    answered = any('"role":"assistant"' in segment.text for segment in new[at:])
    if new[at].path.startswith("messages") and not answered:
        return old[at].text == new[at].text  # a setting that precedes all blocks changed: tool_choice or thinking
    shared = Counter(segment.text for segment in old) & Counter(segment.text for segment in new)
    return shared.total() * 2 >= len(old) or _is_similar(old[at].text, new[at].text)


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


def _make_broken_prefix(stored: _StoredPrefix, new: PromptSegment, index: int, lost: int, model: Model) -> BrokenPrefix:
    """Return a `BrokenPrefix` for a change of the block at `index`.

    `stored` is the cached prefix, `new` is the changed block, and `lost` the number of cached tokens that could not be
    read.
    """
    old = stored.segments[index]
    written = model.cost(Usage(cache_creation_input_tokens=lost))
    read = model.cost(Usage(cache_read_input_tokens=lost))
    cost = None if written is None or read is None else written - read
    if old.text == new.text:
        return BrokenPrefix("tool_choice or thinking", 0, "", "", lost, cost, stored.number)
    byte = len(old.text[: _common_prefix_length(old.text, new.text)].encode())
    return BrokenPrefix(new.path, byte, *texts_around_change(old.text, new.text), lost, cost, stored.number)


def texts_around_change(old: str, new: str) -> tuple[str, str]:
    """Return a few words around the first difference of two texts: those of `old`, and those of `new`."""
    start = max(0, _common_prefix_length(old, new) - _CHARACTERS_SHOWN_BEFORE_CHANGE)
    return old[start : start + _MAX_EXCERPT_LENGTH], new[start : start + _MAX_EXCERPT_LENGTH]
