"""Compare the tokens that an agent reports with the tokens of the answers that it got."""

from collections.abc import Iterable
from itertools import pairwise

from flag_harness.sweep.judge.observation import ObservedExchange, TestCallResult, TestObservation
from flag_harness.wire.usage import Usage

USAGE_FIELDS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""The counts that an agent may report, as the API names them."""


def find_wrong_usage(observed: TestObservation, baseline: TestObservation) -> str:
    """Return how the tokens that the agent reports differ from those of the answers, or an empty string.

    An agent that failed, or that repeated a request, need not count answers that it could not use. A call is not
    compared if the usage of one of its answers cannot be read.
    """
    for number, call in enumerate(observed.test_calls, start=1):
        prompts = list(observed.prompts(number))
        has_retries = any(first.body == second.body for first, second in pairwise(prompts))
        is_whole = len(prompts) == len(list(baseline.prompts(number))) and not has_retries
        is_plain = call.ending == "returned" and is_whole
        if any(one.answer.status == 200 and one.answer.usage is None for one in prompts):
            continue
        if reason := _describe_usage_difference(call, prompts, has_all_answers=is_plain):
            return reason
    return ""


def _describe_usage_difference(call: TestCallResult, prompts: list[ObservedExchange], *, has_all_answers: bool) -> str:
    """Return how the tokens that a call of the test reports differ from those of its answers, or an empty string.

    `has_all_answers` is true if no answer was lost: then the agent must report at least the tokens of the complete
    answers.
    """
    all_answers = _sum_usage(prompts)
    whole_answers = _sum_usage(one for one in prompts if one.is_complete)
    for name, reported in call.usage.items():
        most, least = getattr(all_answers, name), getattr(whole_answers, name)
        if reported > most or (has_all_answers and reported < least):
            return f"the agent reports {reported} {name}, and its answers have {most}"
    return ""


def _sum_usage(exchanges: Iterable[ObservedExchange]) -> Usage:
    return sum(map(_answer_usage, exchanges), Usage())


def _answer_usage(exchange: ObservedExchange) -> Usage:
    """Return the usage of an answer, or an empty usage if a fault made it unreadable."""
    try:
        return Usage.from_mapping(exchange.answer.usage)
    except ValueError:  # an answer that a fault has garbled
        return Usage()
