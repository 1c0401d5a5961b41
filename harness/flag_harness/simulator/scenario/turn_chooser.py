"""Choose the turn that answers a request: the one that a hook returns, or else the scenario's turn, which may be
edited.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from flag_harness.errors import ScenarioError
from flag_harness.simulator.scenario.matching import RequestView
from flag_harness.simulator.scenario.scenario import Scenario, ScenarioTurn
from flag_harness.simulator.scenario.turn_selector import DrawNumber, TurnSelector, always_draw_zero, make_echo_turn
from flag_harness.simulator.scenario.validation import turn_problem
from flag_harness.wire.timeline import Request

TurnHook: TypeAlias = Callable[[Mapping[str, Any]], ScenarioTurn | None]
"""A function that receives a valid request body. It returns the turn to answer with, or None to use the scenario.

If the turn is invalid, `ScenarioError` is raised.
"""

EditTurn: TypeAlias = Callable[[Mapping[str, Any], ScenarioTurn | None], ScenarioTurn | None]
"""A function that receives a valid request body and the scenario's turn for it, or None if no turn matches.

It returns the turn to answer with instead, or None if the request has no answer.
"""


@dataclass(frozen=True, slots=True)
class UnmatchedRequest:
    """A valid request that no turn of the scenario matches.

    Attributes:
        message: the error message with which the request was answered.
        proposed_turn: a turn that would match the request, as TOML to add to the scenario.
    """

    request: Request
    message: str
    proposed_turn: str


class TurnChooser:
    """Chooses the turn that answers a request: the one that the hook returns, or else the scenario's, which may be
    edited.

    It is not thread-safe; its owner holds a lock.
    """

    def __init__(
        self,
        scenario: Scenario | None,
        hook: TurnHook | None,
        edit_turn: EditTurn | None,
        draw: DrawNumber = always_draw_zero,
    ) -> None:
        self._scenario, self._hook, self._edit_turn, self._draw = scenario, hook, edit_turn, draw
        self.restart_counts()

    def restart_counts(self) -> None:
        """Forget how many requests have matched each turn, so that the condition `nth` counts from 1 again."""
        self._selector = TurnSelector(self._scenario.turns if self._scenario else (), self._draw)

    def choose_turn(self, body: Mapping[str, Any], view: RequestView) -> ScenarioTurn | None:
        """Return the turn that answers a request, or None if no turn matches.

        `view` has the parts of the request that conditions check. Raise `ScenarioError` if the hook returns an invalid
        turn.
        """
        turn = self._hook(body) if self._hook is not None else None
        if turn is not None:
            problem = turn_problem(turn)
            if problem is not None:
                raise ScenarioError(f"the turn that the hook returned: {problem.message}")
            return turn
        turn = make_echo_turn(view) if self._scenario is None else self._selector.choose_turn(view)
        return turn if self._edit_turn is None else self._edit_turn(body, turn)
