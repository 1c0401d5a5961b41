"""Compare the turns of conversations: the user's and the model's, without ids and thinking."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flag_harness.sweep.judge.observation import ObservedExchange, TestObservation
from flag_harness.sweep.transcript import ConversationLine, conversation_lines


def request_lines(exchange: ObservedExchange) -> tuple[ConversationLine, ...]:
    """Return the conversation in a request, one line for each block, or an empty tuple if it is malformed."""
    try:
        return conversation_lines(exchange.body["messages"])
    except (KeyError, TypeError, AttributeError):
        return ()


def answer_lines(exchange: ObservedExchange) -> tuple[ConversationLine, ...]:
    """Return the blocks of the answer, or of the part of it that arrived, one line for each block."""
    try:
        return conversation_lines([{"role": "assistant", "content": exchange.answer.blocks}])
    except (KeyError, TypeError, AttributeError):
        return ()


def count_user_texts(lines: Iterable[ConversationLine]) -> Counter[ConversationLine]:
    """Count each text of the user in the lines of a conversation. Tool results are left out."""
    return Counter(line for line in lines if line[:2] == ("user", "text"))


def find_repeated_user_text(lines: Iterable[ConversationLine], max_counts: Counter[ConversationLine]) -> str:
    """Return a text of the user that occurs more often in `lines` than `max_counts` allows, or an empty string.

    A text that is not in `max_counts` may occur once.
    """
    return next((line[2] for line, count in count_user_texts(lines).items() if count > max(1, max_counts[line])), "")


def max_repetitions_of_user_texts(exchanges: Iterable[ObservedExchange]) -> Counter[ConversationLine]:
    """Return, for each text of the user, the largest number of times that a single request contains it."""
    most: Counter[ConversationLine] = Counter()
    for exchange in exchanges:
        most |= count_user_texts(request_lines(exchange))
    return most


def has_all_answers(observed: TestObservation, baseline: TestObservation, call_number: int) -> bool:
    """Return whether the agent got, in one call of the test function, every answer of the baseline completely.

    If the agent sent a request several times, only the last answer counts: the agent repeats a request if it cannot use
    the answer.
    """
    arrived = Counter(answer_lines(one) for one in _last_attempts_of_prompts(observed, call_number) if one.is_complete)
    return Counter(answer_lines(one) for one in _last_attempts_of_prompts(baseline, call_number)) <= arrived


def _last_attempts_of_prompts(observed: TestObservation, call_number: int) -> Iterator[ObservedExchange]:
    """Yield the requests for messages in a call of the test, without those whose messages were sent again later."""
    prompts = [*observed.prompts(call_number)]
    for number, one in enumerate(prompts, start=1):
        if not any(one.body["messages"] == later.body["messages"] for later in prompts[number:]):
            yield one


def request_blocks_with_role(exchange: ObservedExchange, role: str) -> Iterator[Mapping[str, Any]]:
    """Yield the content blocks of the messages with this role in a request."""
    for message in exchange.body["messages"]:
        if isinstance(message, dict) and message.get("role") == role and isinstance(message.get("content"), list):
            yield from (block for block in message["content"] if isinstance(block, dict))
