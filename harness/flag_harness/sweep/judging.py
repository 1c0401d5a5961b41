"""How a conversation under a fault went, by requests, side effects and transcripts; never by the agent's word."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import Literal, TypeAlias

from flag_harness.sweep.model import ASK, GO_ON
from flag_harness.sweep.transcript import Line

Ending: TypeAlias = Literal["returned", "told", "leaked", "hung"]


class Outcome(Enum):
    """What became of a turn under a fault, worst last."""

    DOES_NOT_APPLY = "does not apply"
    RECOVERED = "recovered"
    TOLD = "told clearly"
    ALTERED = "kept what came"
    OFTEN = "asked too often"
    LOST = "lost the turn"
    LEAKED = "leaked an exception"
    TWICE = "ran a tool twice"
    HUNG = "hung"

    @property
    def survived(self) -> bool:
        """Whether nothing was lost that the agent could have kept."""
        return self in _SURVIVED


MOST_MORE = 20
"""Requests more than without the fault, above which too many were sent: the SDK's two retries make four more at most,
those of the shipped agent as many."""

_SURVIVED = frozenset({Outcome.DOES_NOT_APPLY, Outcome.RECOVERED, Outcome.TOLD, Outcome.ALTERED})


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of one conversation.

    `endings` are those of `prompts`, in order: the first prompt was said under the fault, the others after it was over.
    `words` are what the agent raised, for people. `fired` counts how often something was spoiled; `requests` those that
    were sent; `effects` are the lines that the tool wrote; `conversation` is what the last request held; `answers` the
    lines of every message that came over the wire complete. `streamed`: an answer came as a stream. `seconds` are
    virtual.
    """

    fired: int
    prompts: tuple[str, ...]
    endings: tuple[Ending, ...]
    words: tuple[str, ...]
    requests: int
    effects: tuple[str, ...]
    conversation: tuple[Line, ...]
    answers: tuple[tuple[Line, ...], ...]
    streamed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, and why in a few words where it is no recovery; what it took: requests, and virtual seconds."""

    outcome: Outcome
    why: str = ""
    requests: int = 0
    seconds: float = 0.0


def judge(seen: Observation, unbroken: Observation) -> Verdict:
    """The verdict on a conversation, next to the same agent's conversation without a fault."""
    if not seen.fired:
        return Verdict(Outcome.DOES_NOT_APPLY)
    verdict = _judged(seen, unbroken)
    if verdict.outcome.survived and seen.requests > unbroken.requests + MOST_MORE:
        verdict = Verdict(Outcome.OFTEN, f"{seen.requests} requests, not {unbroken.requests}")
    return replace(verdict, requests=seen.requests, seconds=seen.seconds)


def _judged(seen: Observation, unbroken: Observation) -> Verdict:
    if "hung" in seen.endings:
        return Verdict(Outcome.HUNG, _words(seen, "hung"))
    if len(set(seen.effects)) < len(seen.effects):
        return Verdict(Outcome.TWICE, f"{len(seen.effects)} side effects of one call")
    if "leaked" in seen.endings:
        return Verdict(Outcome.LEAKED, _words(seen, "leaked"))
    return _judged_by_memory(seen, unbroken)


def _judged_by_memory(seen: Observation, unbroken: Observation) -> Verdict:
    expected, found = _what_matters(unbroken.conversation), _what_matters(seen.conversation)
    told = seen.endings[0] == "told"
    if seen.endings[-1] != "returned":
        return Verdict(Outcome.LOST, f"the next prompt failed too: {_words(seen, 'told')}")
    if found == expected and seen.effects == unbroken.effects:
        return Verdict(Outcome.TOLD, _words(seen, "told")) if told else Verdict(Outcome.RECOVERED)
    if ("user", "text", ASK) not in found:
        return Verdict(Outcome.LOST, "the next request does not hold the prompt")
    if len(seen.effects) != len(unbroken.effects):
        return Verdict(Outcome.LOST, f"{len(seen.effects)} side effects, not {len(unbroken.effects)}")
    if not told and _is_as_it_came(seen):
        return Verdict(Outcome.ALTERED, _difference(found, expected))
    return Verdict(Outcome.LOST, _difference(found, expected))


def _is_as_it_came(seen: Observation) -> bool:
    """Whether each of the model's turns that the agent holds is a message that came, whole and once, to the last."""
    turns = Counter(_turns(seen.conversation))
    came = Counter(seen.answers)
    last = next(reversed(turns), ())
    return turns <= came and bool(last) and not any(line[1] == "tool_use" for line in last)


def _turns(conversation: tuple[Line, ...]) -> Iterator[tuple[Line, ...]]:
    """The model's lines between those of the user."""
    for role, group in groupby(conversation, key=lambda line: line[0]):
        if role == "assistant":
            yield tuple(group)


def _what_matters(conversation: tuple[Line, ...]) -> tuple[Line, ...]:
    """The conversation without the prompt that followed a failure."""
    return tuple(line for line in conversation if line != ("user", "text", GO_ON))


def _difference(found: tuple[Line, ...], expected: tuple[Line, ...]) -> str:
    missing = [line for line in expected if line not in found]
    if missing:
        return f"missing: {' '.join(missing[0][:2])}"
    added = [line for line in found if line not in expected]
    return f"added: {' '.join(added[0][:2])}" if added else "in another order, or more than once"


def _words(seen: Observation, ending: Ending) -> str:
    return next((words for words, how in zip(seen.words, seen.endings, strict=True) if how == ending), "")
