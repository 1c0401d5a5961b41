"""Chooses the turn that answers, and says what was asked where there is none."""

from collections.abc import Mapping, Sequence
from typing import Any

from flag_harness.simulator.scenario.matching import View, holds
from flag_harness.simulator.scenario.scenario import Scenario, Turn, When

_SHOWN = 120


class Selection:
    """Turns, and how often the conditions of each have held. It holds no lock: its owner does."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = tuple(turns)
        self._held = [0] * len(self._turns)

    def choose(self, seen: View) -> Turn | None:
        """The first turn whose conditions hold; turns with `nth` count each time that their other conditions do."""
        chosen: Turn | None = None
        for index, turn in enumerate(self._turns):
            if not holds(turn.when, seen):
                continue
            numbers = (turn.when.nth,) if isinstance(turn.when.nth, int) else turn.when.nth
            if chosen is not None and not numbers:
                continue
            self._held[index] += 1
            if chosen is None and (not numbers or self._held[index] in numbers):
                chosen = turn
        return chosen


def echo(seen: View) -> Turn:
    """Without a scenario the model repeats the tool's results, else what the user said."""
    said = "\n".join(result.text for result in seen.results) or seen.user or seen.asked
    return Turn(text=said or "(nothing was said)", thinking="I repeat it.")


def no_turn(seen: View, scenario: Scenario, body: Mapping[str, Any]) -> str:
    """What to tell where no turn fits: what was asked, which turns there are, what to add."""
    if seen.results:
        texts = " | ".join(result.text for result in seen.results)
        asked, hint = f"tool results {_short(texts)}", f"when = {{ result_contains = {_short(texts, 30)} }}"
    else:
        asked, hint = f"the user text {_short(seen.user)}", f"when = {{ user_contains = {_short(seen.user, 30)} }}"
    turns = "; ".join(
        f"{turn.name or f'turn[{index}]'} when {conditions(turn.when)}" for index, turn in enumerate(scenario.turns)
    )
    title = f" of {scenario.title!r}" if scenario.title else ""
    return (
        f"The simulated API's scenario has no turn for message {len(body['messages'])}, {asked}. "
        f'The turns{title} are: {turns}. Add one: [[turn]] {hint} text = "..."'
    )


def conditions(when: When) -> str:
    """The conditions that a turn has, as its file says them."""
    default = When()
    said = [
        f"{name} = {_toml(value)}"
        for name in When.__struct_fields__
        if (value := getattr(when, name)) != getattr(default, name)
    ]
    return f"{{ {', '.join(said)} }}" if said else "anything"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _short(value)
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _short(text: str, most: int = _SHOWN) -> str:
    shown = text if len(text) <= most else f"{text[:most]}..."
    quoted = shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'
