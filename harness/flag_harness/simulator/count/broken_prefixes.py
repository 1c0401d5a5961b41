"""Broken cache prefixes: which block changed, at which byte, and what that costs at list price.

A request breaks a prefix where an earlier one of the same conversation wrote more than it reads. Of one conversation
are requests that share at least half of the written blocks, or whose first changed block is for the greater part the
old one. A new question over the same beginning breaks nothing: its last user's turn is simply another one.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from flag_harness.models import Model
from flag_harness.simulator.count.cache import LIFETIMES, Accounting
from flag_harness.simulator.count.prefix import Segment
from flag_harness.wire.usage import Usage

REMEMBERED = 32
"""Conversations whose prefixes are kept for comparison; the oldest goes first."""
_SHOWN = 40
_BEFORE = 12


@dataclass(frozen=True, slots=True)
class BrokenPrefix:
    """`path` is the block that changed, `byte` the first that differs in its canonical JSON.

    `before` and `after` show the surroundings. `tokens` (simulated) were in the cache and are read anew; `cost` is what
    that costs more than reading them from the cache, in US dollars at list price, None where no price is known.
    """

    path: str
    byte: int
    before: str
    after: str
    tokens: int
    cost: float | None

    def __str__(self) -> str:
        cost = "at a price that is not known" if self.cost is None else f"${self.cost:.6f} more at list price"
        return (
            f"the cached prefix breaks at {self.path}, byte {self.byte}: {self.before!r} became {self.after!r}; "
            f"{self.tokens} tokens (simulated) are not read from the cache, {cost}"
        )


@dataclass(frozen=True, slots=True)
class _Written:
    segments: tuple[Segment, ...]
    expires: float


class Breaks:
    """Prefixes as they were written, by key and model. It holds no lock: its owner does."""

    def __init__(self) -> None:
        self._written: OrderedDict[tuple[str, str, str], _Written] = OrderedDict()

    def see(
        self, tenant: str, model: Model, segments: Sequence[Segment], counted: Accounting, now: float
    ) -> BrokenPrefix | None:
        """Say whether this request breaks a prefix, and remember the one that it wrote or read."""
        broken = self._broken(tenant, model, segments, counted, now)
        marked = [index for index, segment in enumerate(segments) if segment.mark]
        if marked and (counted.read or counted.written):
            prefix = tuple(segments[: marked[-1] + 1])
            lifetime = max(LIFETIMES[mark] for segment in prefix if (mark := segment.mark))
            for old in prefix:
                self._written.pop((tenant, model.id, old.hash), None)
            self._written[tenant, model.id, prefix[-1].hash] = _Written(prefix, now + lifetime)
            while len(self._written) > REMEMBERED:
                self._written.popitem(last=False)
        return broken

    def _broken(
        self, tenant: str, model: Model, segments: Sequence[Segment], counted: Accounting, now: float
    ) -> BrokenPrefix | None:
        worst: BrokenPrefix | None = None
        for (owner, name, _), written in self._written.items():
            if (owner, name) != (tenant, model.id) or written.expires <= now:
                continue
            lost = min(written.segments[-1].tokens, segments[-1].tokens if segments else 0) - counted.read
            at = _first_change(written.segments, segments)
            if at is None or lost <= 0 or (worst is not None and lost <= worst.tokens):
                continue
            if _continues(written.segments, segments, at):
                worst = _told(written.segments[at], segments[at], lost, model)
        return worst


def _first_change(old: Sequence[Segment], new: Sequence[Segment]) -> int | None:
    """The first block of `old` that `new` has another in the place of; None where one is the beginning of the other."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((index for index, (one, other) in pairs if one.hash != other.hash), None)


def _continues(old: Sequence[Segment], new: Sequence[Segment], at: int) -> bool:
    answered = any('"role":"assistant"' in segment.text for segment in new[at:])
    if new[at].path.startswith("messages") and not answered:
        return old[at].text == new[at].text  # what stands before it changed: tool_choice or thinking
    shared = Counter(segment.text for segment in old) & Counter(segment.text for segment in new)
    return shared.total() * 2 >= len(old) or _alike(old[at].text, new[at].text)


def _alike(old: str, new: str) -> bool:
    """Whether beginning and end that both share are the greater part of the longer one."""
    first = _shared(old, new)
    last = min(_shared(old[::-1], new[::-1]), min(len(old), len(new)) - first)
    return (first + last) * 2 > max(len(old), len(new))


def _shared(one: str, other: str) -> int:
    least = min(len(one), len(other))
    return next((index for index in range(least) if one[index] != other[index]), least)


def _told(old: Segment, new: Segment, lost: int, model: Model) -> BrokenPrefix:
    written = model.cost(Usage(cache_creation_input_tokens=lost))
    read = model.cost(Usage(cache_read_input_tokens=lost))
    cost = None if written is None or read is None else written - read
    if old.text == new.text:
        return BrokenPrefix("tool_choice or thinking", 0, "", "", lost, cost)
    at = _shared(old.text, new.text)
    start = max(0, at - _BEFORE)
    shown = [segment.text[start : start + _SHOWN] for segment in (old, new)]
    return BrokenPrefix(new.path, len(old.text[:at].encode()), shown[0], shown[1], lost, cost)
