"""Judge a conversation under a fault by its requests, side effects and messages, not by what the agent reports."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby
from typing import Literal, TypeAlias

from flag_harness.sweep.judge.turns import count_user_texts, find_repeated_user_text
from flag_harness.sweep.model import CONTINUE_PROMPT, FIRST_PROMPT
from flag_harness.sweep.transcript import ConversationLine

PromptEnding: TypeAlias = Literal["returned", "gave up", "raised", "hung"]
"""The ways in which an agent's `run` can end. `gave up` means that it raised `AgentGaveUp` or an SDK error."""


class TrialOutcome(Enum):
    """The outcome of one trial (a conversation under a fault) under one combination of flags. The worst outcome is the
    last.
    """

    DOES_NOT_APPLY = "does not apply"
    RECOVERED = "recovered"
    REPORTED = "reported clearly"
    ACCEPTED = "accepted what came"
    TOO_MANY_REQUESTS = "too many requests"
    LOST = "lost the turn"
    LEAKED = "leaked an exception"
    TOOL_RAN_TWICE = "ran a tool twice"
    HUNG = "hung"

    @property
    def is_without_loss(self) -> bool:
        """Whether the agent lost nothing that it could have kept, such as complete answers."""
        return self in _OUTCOMES_WITHOUT_LOSS


MAX_REQUESTS_ABOVE_BASELINE = 20
"""How many more requests than in the run without a fault an agent may send. The SDK's two retries add four at most, and
so do those of the reference agent.
"""

_OUTCOMES_WITHOUT_LOSS = frozenset(
    {TrialOutcome.DOES_NOT_APPLY, TrialOutcome.RECOVERED, TrialOutcome.REPORTED, TrialOutcome.ACCEPTED}
)


@dataclass(frozen=True, slots=True)
class TrialObservation:
    """What was observed in one conversation of an agent in a sweep.

    `endings` says how each of `prompts` ended; the fault is active during the first prompt only. `exception_messages`
    has, for each prompt, the message of the exception that the agent raised. `fired_count` counts the responses that
    the fault changed, `request_count` the requests sent. `side_effects` are the lines that the tool wrote.
    `conversation` is the content of the last request. `complete_answers` has the lines of each message that arrived
    completely. `has_streamed` is true if any response was a stream. `seconds` are virtual.
    """

    fired_count: int
    prompts: tuple[str, ...]
    endings: tuple[PromptEnding, ...]
    exception_messages: tuple[str, ...]
    request_count: int
    side_effects: tuple[str, ...]
    conversation: tuple[ConversationLine, ...]
    complete_answers: tuple[tuple[ConversationLine, ...], ...]
    has_streamed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class TrialVerdict:
    """The outcome of a trial and a short reason for it, with the number of requests and virtual seconds used."""

    outcome: TrialOutcome
    reason: str = ""
    request_count: int = 0
    seconds: float = 0.0


def judge_trial(observed: TrialObservation, baseline: TrialObservation) -> TrialVerdict:
    """Judge a conversation by comparing it with `baseline`, the same agent's conversation without a fault."""
    if not observed.fired_count:
        return TrialVerdict(TrialOutcome.DOES_NOT_APPLY)
    verdict = _judge_endings(observed, baseline)
    if (
        verdict.outcome.is_without_loss
        and observed.request_count > baseline.request_count + MAX_REQUESTS_ABOVE_BASELINE
    ):
        reason = f"{observed.request_count} requests, not {baseline.request_count}"
        verdict = TrialVerdict(TrialOutcome.TOO_MANY_REQUESTS, reason)
    return replace(verdict, request_count=observed.request_count, seconds=observed.seconds)


def _judge_endings(observed: TrialObservation, baseline: TrialObservation) -> TrialVerdict:
    """Judge a conversation by how its prompts ended and how often the tool ran, then by its content."""
    if "hung" in observed.endings:
        return TrialVerdict(TrialOutcome.HUNG, _first_exception_message(observed, "hung"))
    if len(set(observed.side_effects)) < len(observed.side_effects):
        return TrialVerdict(TrialOutcome.TOOL_RAN_TWICE, f"{len(observed.side_effects)} side effects of one call")
    if "raised" in observed.endings:
        return TrialVerdict(TrialOutcome.LEAKED, _first_exception_message(observed, "raised"))
    return _judge_conversation(observed, baseline)


def _judge_conversation(observed: TrialObservation, baseline: TrialObservation) -> TrialVerdict:
    """Judge a conversation by comparing its content with that of the baseline."""
    expected, found = _remove_continue_prompt(baseline.conversation), _remove_continue_prompt(observed.conversation)
    gave_up = observed.endings[0] == "gave up"
    if observed.endings[-1] != "returned":
        reason = f"the next prompt failed too: {_first_exception_message(observed, 'gave up')}"
        return TrialVerdict(TrialOutcome.LOST, reason)
    if found == expected and observed.side_effects == baseline.side_effects:
        if gave_up:
            return TrialVerdict(TrialOutcome.REPORTED, _first_exception_message(observed, "gave up"))
        return TrialVerdict(TrialOutcome.RECOVERED)
    if ("user", "text", FIRST_PROMPT) not in found:
        return TrialVerdict(TrialOutcome.LOST, "the next request does not hold the prompt")
    if repeated := find_repeated_user_text(found, count_user_texts(expected)):
        return TrialVerdict(TrialOutcome.LOST, f"the conversation holds the user's turn more than once: {repeated!r}")
    if len(observed.side_effects) != len(baseline.side_effects):
        reason = f"{len(observed.side_effects)} side effects, not {len(baseline.side_effects)}"
        return TrialVerdict(TrialOutcome.LOST, reason)
    if gave_up and _keeps_all_complete_answers(observed):
        return TrialVerdict(TrialOutcome.REPORTED, _first_exception_message(observed, "gave up"))
    outcome = TrialOutcome.ACCEPTED if not gave_up and _keeps_complete_answers_only(observed) else TrialOutcome.LOST
    return TrialVerdict(outcome, _first_differing_line(found, expected))


def _keeps_all_complete_answers(observed: TrialObservation) -> bool:
    """Return whether the conversation has each complete answer unchanged, except the last, after which no request was
    sent.
    """
    return tuple(_group_model_turns(observed.conversation)) == observed.complete_answers[:-1]


def _keeps_complete_answers_only(observed: TrialObservation) -> bool:
    """Return whether the conversation has only complete, unchanged answers of the model, of which the last calls no
    tool.
    """
    sent_back = Counter(_group_model_turns(observed.conversation))
    arrived = Counter(observed.complete_answers)
    last = next(reversed(sent_back), ())
    return sent_back <= arrived and bool(last) and not any(line[1] == "tool_use" for line in last)


def _group_model_turns(conversation: tuple[ConversationLine, ...]) -> Iterator[tuple[ConversationLine, ...]]:
    """Yield, for each turn of the assistant in a conversation, the lines of this turn."""
    for role, group in groupby(conversation, key=lambda line: line[0]):
        if role == "assistant":
            yield tuple(group)


def _remove_continue_prompt(conversation: tuple[ConversationLine, ...]) -> tuple[ConversationLine, ...]:
    """Return the conversation without the prompt that the sweep sends after a failure."""
    return tuple(line for line in conversation if line != ("user", "text", CONTINUE_PROMPT))


def _first_differing_line(observed: tuple[ConversationLine, ...], expected: tuple[ConversationLine, ...]) -> str:
    """Return a text that names the first line that only one of the two conversations has."""
    missing = [line for line in expected if line not in observed]
    if missing:
        return f"missing: {' '.join(missing[0][:2])}"
    added = [line for line in observed if line not in expected]
    return f"added: {' '.join(added[0][:2])}" if added else "in another order, or more than once"


def _first_exception_message(observed: TrialObservation, ending: PromptEnding) -> str:
    """Return the message of the exception that ended the first prompt with this ending, or an empty string."""
    pairs = zip(observed.exception_messages, observed.endings, strict=True)
    return next((message for message, how in pairs if how == ending), "")
