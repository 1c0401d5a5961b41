"""A trouble that happens while a test of a sweep runs: a fault, a surprise (an unusual answer), an interrupt, or a tool
trouble.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import msgspec

from flag_harness.faults import Fault
from flag_harness.simulator import ScenarioTurn, ScriptedToolCall, Simulator
from flag_harness.sweep.troubles.interrupts import INTERRUPT_KIND
from flag_harness.sweep.troubles.surprises import SurprisingAnswer
from flag_harness.sweep.troubles.tools import ActiveToolTrouble, ToolTrouble
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.timeline import Edit, Layer, Request, Response

EditTurn: TypeAlias = Callable[[Mapping[str, Any], ScenarioTurn | None], ScenarioTurn | None]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault, a surprising answer or a tool trouble to try on a test. `kind` is the name under which it is counted.

    `baseline_calls` are the tool calls of the test's run without a trouble. `further_troubles` are applied in the same
    run.
    """

    kind: str
    cause: Fault | SurprisingAnswer | ToolTrouble
    baseline_calls: tuple[ScriptedToolCall, ...] = ()
    further_troubles: tuple["Trouble", ...] = ()

    @property
    def name(self) -> str:
        """The trouble as it is written on the command line, such as `overloaded:on=2`. Several are joined by ` + `."""
        return " + ".join([str(self.cause), *(one.name for one in self.further_troubles)])

    @property
    def point(self) -> object:
        """The point of a stream (such as `inside_text`) at which the trouble happens, or None if it happens at no
        point.
        """
        return dict(self.cause.arguments).get("at") if isinstance(self.cause, Fault) else None

    @property
    def is_interrupt(self) -> bool:
        """True if the user cancels the turn, while an answer arrives or a tool runs."""
        return self.kind == INTERRUPT_KIND or (isinstance(self.cause, ToolTrouble) and self.cause.kind.cancels_turn)

    @property
    def parts(self) -> "tuple[Trouble, ...]":
        """This trouble and the further troubles of the run, one by one."""
        kind = self.cause.name if isinstance(self.cause, Fault) else self.cause.kind.name
        return (replace(self, kind=kind, further_troubles=()), *self.further_troubles)

    def activate(self) -> "ActiveTrouble":
        """Return the trouble with new counters, ready for one run of a test."""
        armed = tuple(one._arm_without_further_troubles() for one in self.parts)
        return ActiveTrouble(
            lambda: sum(one.count_fired() for one in armed),
            tuple(layer for one in armed for layer in one.layers),
            tuple(surprise for one in armed for surprise in one.surprising_answers),
            tuple(tool for one in armed for tool in one.tool_troubles),
        )

    def _arm_without_further_troubles(self) -> "ActiveTrouble":
        """Return this trouble with a new counter, ready for one run of a test. Its further troubles are left out."""
        if isinstance(self.cause, Fault):
            fault = self.cause.arm()
            return ActiveTrouble(lambda: fault.fired, (fault,))
        if isinstance(self.cause, ToolTrouble):
            tool = ActiveToolTrouble(self.cause)
            return ActiveTrouble(lambda: tool.fired_count, (), tool_troubles=(tool,))
        armed = ActiveSurprisingAnswer(self.cause, self.baseline_calls)
        return ActiveTrouble(lambda: armed.fired_count, (armed.answer_without_stream,), (armed,))


@dataclass(frozen=True, slots=True)
class ActiveTrouble:
    """A trouble in one run of a test.

    `count_fired` returns how often the trouble has fired. The other attributes apply the trouble to the run.
    """

    count_fired: Callable[[], int]
    layers: tuple[Layer, ...]
    surprising_answers: "tuple[ActiveSurprisingAnswer, ...]" = ()
    tool_troubles: tuple[ActiveToolTrouble, ...] = ()


class ActiveSurprisingAnswer:
    """A surprise (an unusual answer) in one run of a test. It stores the turn that it has replaced."""

    def __init__(self, surprise: SurprisingAnswer, calls: Sequence[ScriptedToolCall]) -> None:
        self._surprise, self._calls = surprise, calls
        self._prompt_count = self.fired_count = 0
        self._replaced_turn: ScenarioTurn | None = None
        self.simulator: Simulator | None = None

    def edit_turn(self, turn: ScenarioTurn, *, is_edited: bool = False) -> ScenarioTurn:
        """Return the surprising turn if the surprise is due and can change the turn, and otherwise `turn`.

        If `is_edited` is true, another surprise has changed the turn already, so this one waits for the next turn.
        """
        edit = self._surprise.kind.edit_turn
        if edit is None or not self._is_due() or is_edited:
            return turn
        changed = edit(turn, self._calls) if _can_surprise_change(self._surprise.kind.needed_answers, turn) else None
        if changed is None:
            return turn
        self.fired_count, self._replaced_turn = self.fired_count + 1, turn
        return changed

    def pop_original_turn(self) -> ScenarioTurn | None:
        """Return the turn that the surprise replaced, and forget that turn. Return None if there is none."""
        displaced, self._replaced_turn = self._replaced_turn, None
        return displaced

    def answer_without_stream(self, request: Request) -> Response | Edit | None:
        """Return plain JSON if this surprise is that a request for a stream gets no stream; otherwise return None.

        A server calls it with each request before it answers.
        """
        is_prompt = request.path.partition("?")[0] == "/v1/messages"
        if self._surprise.kind.edit_turn is not None or not is_prompt or not self._is_due():
            return None
        body = decode_json_object(request.body)
        if self.simulator is None or not body.pop("stream", False):
            return None
        self.fired_count += 1
        return self.simulator(replace(request, body=msgspec.json.encode(body)))

    def _is_due(self) -> bool:
        """Count a request, and return whether the surprise is due for it."""
        self._prompt_count += 1
        return self._prompt_count >= self._surprise.prompt_number and not self.fired_count


def _can_surprise_change(needed_content: str, turn: ScenarioTurn) -> bool:
    """Return whether a surprise can change a turn.

    `needed_content` says what the turn must have: a tool `call`, a `text`, or `any` content.
    """
    if turn.error is not None:
        return False
    has_call = any(block.call is not None for block in turn.content)
    has_text = any(block.text for block in turn.content)
    return needed_content == "any" or (has_call if needed_content == "call" else has_text and not has_call)
