"""Write the scenario with which the simulator gives the answers of a cassette."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from flag_harness.cassette import Cassette
from flag_harness.cassette.cassette import open_cassette
from flag_harness.cassette.interaction import Interaction
from flag_harness.cli.scenario.text import format_scenario
from flag_harness.errors import CassetteError, ScenarioError
from flag_harness.files import write_atomically
from flag_harness.simulator import Scenario, ScenarioTurn, ScriptedBlock, ScriptedToolCall, parse_scenario
from flag_harness.simulator.scenario.matching import RequestView, make_request_view
from flag_harness.simulator.scenario.scenario import ErrorAnswer, TurnConditions
from flag_harness.simulator.scenario.turn_selector import TurnSelector
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.message import ParsedResponse, parse_response
from flag_harness.wire.timeline import Head
from flag_harness.wording import count_with_noun

_MESSAGES_PATH = "/v1/messages"
_COPIED_ERROR_HEADER = "retry-after"
"""The only header that is copied from a recorded error to its turn. The simulator adds the others."""
_MAX_QUOTED_LENGTH = 200
"""The longest text that a condition quotes as a whole, in characters."""
_MAX_COMPARED_REQUESTS = 1000
"""The most requests that are compared to find simple conditions. With more, each turn only states the number of its
request.
"""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """A recorded request in the form that the conditions of turns test, and a turn with the recorded answer.

    The turn has no conditions yet.
    """

    request_view: RequestView
    turn: ScenarioTurn


def write_scenario(arguments: argparse.Namespace) -> int:
    """Write or print the scenario of a cassette. Return the exit code."""
    path, target = arguments.cassette, arguments.output
    answers, notes = _read_answers(open_cassette(path))
    if not answers:
        raise CassetteError(f"{path}: no answer of {_MESSAGES_PATH} in it that a scenario can give{_notes_text(notes)}")
    text = format_scenario(make_scenario(answers, path.stem))
    scenario = parse_scenario(text, target or path)
    if target is None:
        print(text, end="")
    else:
        _write_scenario_file(target, text, is_forced=arguments.force)
        turns = count_with_noun(len(scenario.turns), "turn")
        print(f"{target}: {turns}; to use it: @pytest.mark.scenario({target.stem!r})")
    for note in notes:
        print(f"{path}: {note}", file=sys.stderr)
    return 1 if notes else 0


def _notes_text(notes: Sequence[str]) -> str:
    more = f"; and {len(notes) - 3:,} more" if len(notes) > 3 else ""
    return f" ({'; '.join(notes[:3])}{more})" if notes else ""


def _write_scenario_file(target: Path, text: str, *, is_forced: bool) -> None:
    if target.exists() and not is_forced:
        raise ScenarioError(f"{target} exists; use --force to overwrite it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, text.encode())
    except OSError as error:
        raise ScenarioError(f"{target}: cannot be written: {error.strerror or error}") from None


def _read_answers(cassette: Cassette) -> tuple[list[RecordedAnswer], list[str]]:
    """Return the answers that a scenario can give, and a note on each interaction that is left out."""
    answers, notes = [], []
    for number, interaction in enumerate(cassette.interactions):
        parsed = parse_response(decompress_response(interaction.response))
        if problem := _unusable_answer_reason(interaction, parsed):
            notes.append(f"interaction {number} is left out: {problem}")
            continue
        betas = [value for name, value in interaction.request.headers if name == "anthropic-beta"]
        try:
            view = make_request_view(
                interaction.decoded_body, [beta.strip() for value in betas for beta in value.split(",")]
            )
            answers.append(RecordedAnswer(view, _make_turn_from_answer(interaction, parsed)))
        except (KeyError, TypeError, AttributeError):
            notes.append(f"interaction {number} is left out: its request or its answer is no valid message")
    return answers, notes


def _unusable_answer_reason(interaction: Interaction, parsed: ParsedResponse) -> str:
    """Return why a scenario cannot give this answer, or an empty string."""
    path = interaction.request.path.partition("?")[0]
    if path != _MESSAGES_PATH or not isinstance(interaction.decoded_body, dict):
        return f"{interaction.request.method} {path} is no request that turns answer"
    if parsed.status is None or not parsed.is_complete or (parsed.error and parsed.status < 400):
        return "its answer broke off; use a fault for it"
    if parsed.status >= 400 and parsed.error is None:
        return f"its body of status {parsed.status} is no error of the API"
    return ""


def _make_turn_from_answer(interaction: Interaction, parsed: ParsedResponse) -> ScenarioTurn:
    """Return a scenario's turn, without conditions, that gives the recorded answer."""
    if parsed.error:
        head = interaction.response[0]
        headers = head.headers if isinstance(head, Head) else ()
        kept = {name: value for name, value in headers if name == _COPIED_ERROR_HEADER}
        kind, message = (str(parsed.error.get(key, "")) for key in ("type", "message"))
        return ScenarioTurn(error=ErrorAnswer(status=parsed.status or 0, type=kind, message=message, headers=kept))
    blocks = tuple(map(_make_scenario_block, parsed.blocks))
    turn = _express_turn_by_short_keys(blocks) or ScenarioTurn(blocks=blocks)
    reason = parsed.message.get("stop_reason")
    if reason != turn.final_stop_reason:
        turn = msgspec.structs.replace(turn, stop_reason=reason)
    return msgspec.structs.replace(turn, stop_sequence=parsed.message.get("stop_sequence"))


def _express_turn_by_short_keys(blocks: Sequence[ScriptedBlock]) -> ScenarioTurn | None:
    """Return a turn that uses the keys `thinking`, `text` and `call`, or None if these cannot express the blocks."""
    turn = ScenarioTurn(
        thinking=next((block.thinking for block in blocks if block.thinking is not None), None),
        text=next((block.text for block in blocks if block.text is not None), None),
        calls=tuple(block.call for block in blocks if block.call is not None),
    )
    return turn if blocks and turn.content == tuple(blocks) else None


def _make_scenario_block(block: Mapping[str, Any]) -> ScriptedBlock:
    match block:
        case {"type": "text", "text": str(text)} if not block.get("citations"):
            return ScriptedBlock(text=text)
        case {"type": "thinking", "thinking": str(thinking)}:
            return ScriptedBlock(thinking=thinking)
        case {"type": "redacted_thinking", "data": str(data)}:
            return ScriptedBlock(redacted_thinking=data)
        case {"type": "tool_use", "name": str(name), "input": str(partial_json)}:
            return ScriptedBlock(call=ScriptedToolCall(name=name, partial_json=partial_json))
        case {"type": "tool_use", "name": str(name), "input": dict(arguments)}:
            return ScriptedBlock(call=ScriptedToolCall(name=name, input=arguments))
    return ScriptedBlock(raw=dict(block))


def make_scenario(answers: Sequence[RecordedAnswer], title: str) -> Scenario:
    """Return the scenario that gives these answers if their requests come in this order.

    Its conditions are the simplest that tell the requests apart: the text of the user or of the last tool result; if
    these are not enough, also the model and other settings; or else the number of the request.
    """
    commands = {command for answer in answers for command in _shell_commands(answer.turn)}
    for conditions in (
        (_make_simple_conditions, _make_full_conditions) if len(answers) <= _MAX_COMPARED_REQUESTS else ()
    ):
        turns = _add_conditions_to_turns(answers, [conditions(answer.request_view) for answer in answers])
        selector = TurnSelector(turns)
        given = [selector.choose_turn(answer.request_view) for answer in answers]
        if all(turn and _remove_turn_conditions(turn) == one.turn for turn, one in zip(given, answers, strict=True)):
            break
    else:
        turns = [
            msgspec.structs.replace(answer.turn, when=TurnConditions(nth=number))
            for number, answer in enumerate(answers, start=1)
        ]
    return Scenario(title=title, commands=tuple(sorted(commands)), turns=tuple(turns))


def _remove_turn_conditions(turn: ScenarioTurn) -> ScenarioTurn:
    return msgspec.structs.replace(turn, when=TurnConditions())


def _shell_commands(turn: ScenarioTurn) -> Iterator[str]:
    """Yield the shell commands that the tool calls in an answer run."""
    for call in (block.call for block in turn.content if block.call):
        if call.name == "bash" and isinstance(command := (call.input or {}).get("command"), str):
            yield command


def _make_simple_conditions(view: RequestView) -> TurnConditions:
    if view.tool_results:
        text = view.tool_results[-1].text
        if len(text) > _MAX_QUOTED_LENGTH:
            return TurnConditions(result_contains=text[:_MAX_QUOTED_LENGTH])
        return TurnConditions(result=text)
    if len(view.last_message_text) > _MAX_QUOTED_LENGTH:
        return TurnConditions(user_contains=view.last_message_text[:_MAX_QUOTED_LENGTH])
    return TurnConditions(user=view.last_message_text)


def _make_full_conditions(view: RequestView) -> TurnConditions:
    return msgspec.structs.replace(
        _make_simple_conditions(view),
        prompt_contains=view.newest_user_text[:_MAX_QUOTED_LENGTH]
        if view.tool_results and view.newest_user_text
        else None,
        results=len(view.tool_results),
        streaming=view.asks_for_stream,
        thinking=view.asks_for_thinking,
        model=view.model,
    )


def _add_conditions_to_turns(
    answers: Sequence[RecordedAnswer], conditions: Sequence[TurnConditions]
) -> list[ScenarioTurn]:
    """Return a turn for each answer, with its conditions. If several answers have the same conditions, the condition
    `nth` is added.
    """
    counts: Counter[bytes] = Counter()
    numbers: dict[bytes, dict[bytes, list[int]]] = {}
    turns: dict[tuple[bytes, bytes], ScenarioTurn] = {}
    for answer, when in zip(answers, conditions, strict=True):
        group, key = msgspec.json.encode(when), msgspec.json.encode(answer.turn)
        counts[group] += 1
        numbers.setdefault(group, {}).setdefault(key, []).append(counts[group])
        turns.setdefault((group, key), msgspec.structs.replace(answer.turn, when=when))
    return [
        turn if len(numbers[group]) == 1 else _add_nth_condition(turn, numbers[group][key])
        for (group, key), turn in turns.items()
    ]


def _add_nth_condition(turn: ScenarioTurn, numbers: Sequence[int]) -> ScenarioTurn:
    nth = numbers[0] if len(numbers) == 1 else tuple(numbers)
    return msgspec.structs.replace(turn, when=msgspec.structs.replace(turn.when, nth=nth))
