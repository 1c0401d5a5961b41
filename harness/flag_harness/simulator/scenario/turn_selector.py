"""Selects the turn that answers a request, and writes the error message if no turn matches."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from flag_harness.simulator.scenario.matching import RequestView, request_meets_conditions
from flag_harness.simulator.scenario.scenario import Scenario, ScenarioTurn, TurnConditions
from flag_harness.toml_tables import toml_string

_MAX_QUOTED_LENGTH = 120
_MAX_QUOTED_CONDITION_LENGTH = 40
"""The most characters of a text that are quoted in a condition of a proposed turn."""


DrawNumber: TypeAlias = Callable[[int], float]
"""A function that gets the index of a request (from 0), and returns a random number from 0 to below 1 for it."""


def always_draw_zero(index: int) -> float:
    """Return 0 for every request, so that the first of the turns with a weight is always drawn."""
    return 0.0


class TurnSelector:
    """Selects the turn of a scenario that answers a request, and counts how often each turn has matched.

    It is not thread-safe; its owner holds a lock.
    """

    def __init__(self, turns: Sequence[ScenarioTurn], draw: DrawNumber = always_draw_zero) -> None:
        self._turns, self._draw = tuple(turns), draw
        self._match_counts = [0] * len(self._turns)
        self._requests = 0

    def choose_turn(self, view: RequestView) -> ScenarioTurn | None:
        """Return the first turn that matches a request, or None.

        If that turn has a weight, draw one of the turns with a weight and the same conditions instead. For a turn with
        `nth`, count the requests that meet its other conditions.
        """
        index, self._requests = self._requests, self._requests + 1
        matching = list(self._matching_turns(view))
        if not matching or matching[0].weight is None:
            return matching[0] if matching else None
        weighted = [turn for turn in matching if turn.weight is not None and turn.when == matching[0].when]
        sums = list(itertools.accumulate(turn.weight or 0.0 for turn in weighted))
        drawn = self._draw(index) * sums[-1]
        return next((turn for turn, end in zip(weighted, sums, strict=True) if drawn < end), weighted[-1])

    def _matching_turns(self, view: RequestView) -> Iterator[ScenarioTurn]:
        """Yield the turns whose conditions a request meets, and count the match for turns with `nth`."""
        for index, turn in enumerate(self._turns):
            if not request_meets_conditions(turn.when, view):
                continue
            self._match_counts[index] += 1
            numbers = (turn.when.nth,) if isinstance(turn.when.nth, int) else turn.when.nth
            if not numbers or self._match_counts[index] in numbers:
                yield turn


def make_echo_turn(view: RequestView) -> ScenarioTurn:
    """Return the turn that answers a request if there is no scenario.

    It repeats the tool results of the request or, if there are none, the user's text.
    """
    text = "\n".join(result.text for result in view.tool_results) or view.last_message_text or view.newest_user_text
    return ScenarioTurn(text=text or "(empty message)", thinking="I repeat it.")


def no_matching_turn_message(view: RequestView, scenario: Scenario, body: Mapping[str, Any]) -> str:
    """Return the error message for a request that no turn matches. It describes the request, and lists the turns."""
    if view.tool_results:
        texts = " | ".join(result.text for result in view.tool_results)
        request = f"tool results {_quote_shortened_text(texts)}"
    else:
        request = f"the user text {_quote_shortened_text(view.last_message_text)}"
    turns = "; ".join(
        f"{turn.name or f'turn[{index}]'} when {format_turn_conditions(turn.when)}"
        for index, turn in enumerate(scenario.turns)
    )
    title = f" of {scenario.title!r}" if scenario.title else ""
    return (
        f"The simulated API's scenario has no turn for message {len(body['messages'])}, {request}. "
        f"The turns{title} are: {turns}. Add one that matches this request."
    )


def missing_turn_toml(view: RequestView) -> str:
    """Return a new turn that would match a request, as lines of TOML to paste into a scenario."""
    if view.tool_results:
        key, text = "result_contains", next((one.text for one in view.tool_results if one.text), "")
    else:
        key, text = "user_contains", view.last_message_text
    return f'[[turn]]\nwhen = {{ {key} = {toml_string(text[:_MAX_QUOTED_CONDITION_LENGTH])} }}\ntext = "..."'


def format_turn_conditions(when: TurnConditions) -> str:
    """Return the conditions of a turn as TOML, as in a scenario file."""
    default = TurnConditions()
    parts = [
        f"{name} = {_toml_value(value)}"
        for name in TurnConditions.__struct_fields__
        if (value := getattr(when, name)) != getattr(default, name)
    ]
    return f"{{ {', '.join(parts)} }}" if parts else "anything"


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quote_shortened_text(value)
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _quote_shortened_text(text: str) -> str:
    return toml_string(text if len(text) <= _MAX_QUOTED_LENGTH else f"{text[:_MAX_QUOTED_LENGTH]}...")
