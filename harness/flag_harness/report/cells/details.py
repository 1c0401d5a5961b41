"""The values that the HTML page shows when the user opens a cell of the matrix."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RequestRecord, RunRow
from flag_harness.record.conversation import Conversation, MessagePart
from flag_harness.report.cache_page import cache_turn_details
from flag_harness.report.cells.comparison import ChangeAtPath, comparison_details
from flag_harness.report.cells.neighbours import nearest_passing_runs
from flag_harness.report.commands.rerun import rerun_command
from flag_harness.report.run_report import RunReport

_SHOWN_HASH_DIGITS = 8
"""The number of digits of a body's hash that are shown, enough to recognise equal requests."""


class _KeptConversations:
    """The conversations of a report, each with an index. They refer to the parts of their messages by index, too."""

    def __init__(self, conversations: Mapping[str, Conversation]) -> None:
        self._numbers = {case: number for number, case in enumerate(sorted(conversations))}
        self._passages: dict[MessagePart, int] = {}
        self.details = [_conversation_details(conversations[case], self._passages) for case in self._numbers]

    @property
    def message_part_values(self) -> list[list[Any]]:
        return [_message_part_details(passage) for passage in self._passages]

    def conversation_index(self, row: RunRow) -> int | None:
        """Return the index of the conversation of a run, or None if it was not kept."""
        return self._numbers.get(row.nodeid)

    def message_parts_of_each_request(self, row: RunRow) -> list[Hashable] | None:
        """Return what each request of a run adds to its conversation, as indices of parts of messages, or None if the
        conversation was not kept.
        """
        number = self.conversation_index(row)
        return None if number is None else [tuple(turn["request"]) for turn in self.details[number]["turns"]]


def cell_details(report: RunReport) -> dict[str, Any]:
    """Return the values that the page shows when the user opens a cell of the matrix.

    They are the rows of all runs, and each different request, part of a message and change once. Rows refer to these by
    index.
    """
    requests: dict[RequestRecord, int] = {}
    changes: dict[ChangeAtPath, int] = {}
    conversations = _KeptConversations(report.conversations)
    indices = {row.key: index for index, row in enumerate(report.rows)}
    neighbours, scales = nearest_passing_runs(report.rows), _longest_stream_milliseconds_by_test(report.rows)

    def details_of_nearest_run(row: RunRow) -> dict[str, Any]:
        if (neighbour := neighbours.get(row.key)) is None:
            return {}
        turns = (
            conversations.message_parts_of_each_request(neighbour),
            conversations.message_parts_of_each_request(row),
        )
        return {"neighbour": indices[neighbour.key], **comparison_details(row, neighbour, turns, changes)}

    rows = [
        {
            **_row_details(row, requests),
            "command": _command_to_repeat(row, report),
            "conversation": conversations.conversation_index(row),
            "scale": scales.get(node_id_without_combination(row.case, row.combination)),
            **details_of_nearest_run(row),
        }
        for row in report.rows
    ]
    return {
        "rows": rows,
        "requests": [_request_details(request) for request in requests],
        "conversations": conversations.details,
        "passages": conversations.message_part_values,
        "changes": list(changes),
    }


def _longest_stream_milliseconds_by_test(rows: Sequence[RunRow]) -> Mapping[str, int]:
    """Return the length of each test's longest stream in milliseconds, by the node id with `*` for the combination."""
    scales: dict[str, int] = {}
    for row in rows:
        name = node_id_without_combination(row.case, row.combination)
        for request in row.requests:
            if request.arrival_times:
                scales[name] = max(scales.get(name, 1), _to_milliseconds(request.seconds))
    return scales


def _stream_details(request: RequestRecord) -> dict[str, Any]:
    """Return at which times the pieces of a stream arrived, in milliseconds. The result is empty for any other answer.

    `rhythm` has the time until the first piece, and then the time from each piece to the next. `gap` has the start and
    the length of the longest pause.
    """
    if not request.arrival_times:
        return {}
    times = [_to_milliseconds(moment) for moment in request.arrival_times]
    return {
        "rhythm": [times[0], *(after - before for before, after in pairwise(times))],
        "gap": [_to_milliseconds(request.longest_gap_start), _to_milliseconds(request.longest_gap)],
        "chunks": request.chunk_count,
    }


def _to_milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _command_to_repeat(row: RunRow, report: RunReport) -> str:
    """Return the shell command that runs the test of a row again."""
    header, root = report.record.header, report.location.root_folder
    if row.sweep is None:
        return rerun_command(header, row.case, root)
    return f"{rerun_command(header, row.sweep.nodeid, root)} --harness-sweep -k {row.sweep.trouble_kind}"


def _conversation_details(conversation: Conversation, passages: dict[MessagePart, int]) -> dict[str, Any]:
    turns = [
        {
            "request": [passages.setdefault(passage, len(passages)) for passage in turn.request],
            "answer": [passages.setdefault(passage, len(passages)) for passage in turn.answer],
            "ending": turn.ending,
        }
        for turn in conversation.turns
    ]
    return {"turns": turns}


def _message_part_details(passage: MessagePart) -> list[Any]:
    """Return `[role, kind, text]` of a part of a message. If the text was cut, its full length is the fourth item."""
    cut = [] if passage.characters == len(passage.text) else [passage.characters]
    return [passage.role, passage.kind, passage.text, *cut]


def _row_details(row: RunRow, requests: dict[RequestRecord, int]) -> dict[str, Any]:
    details = {
        "case": row.case,
        "combination": row.combination,
        "outcome": row.outcome,
        "phase": row.phase,
        "reason": row.reason,
        "place": row.error_location,
        "misses": row.misses,
        "refused": row.api_refusals,
        "repetition": row.repetition,
        "values": row.values,
        "requests": [requests.setdefault(request, len(requests)) for request in row.requests],
        "cost": row.cost if row.requests else None,
        "seconds": row.seconds,
        "faults": row.faults,
        "logs": [msgspec.to_builtins(log) for log in row.log_counts],
        "cassette": row.cassette,
        "recorded_from": row.recorded_from,
        "recorded_at": row.recorded_at,
        "rebased": row.is_rebased,
        "answered_by": row.answered_by,
        "excluded": row.excluded_from_effects,
        "budget": row.limit_by_name,
        "dropped_betas": row.dropped_betas,
        "cache": row.cache_use and [cache_turn_details(turn) for turn in row.cache_use.turns],
        "simulated": row.is_simulated,
    }
    return {name: value for name, value in details.items() if value not in (None, "", 0, False, [], (), {})}


def _request_details(request: RequestRecord) -> dict[str, Any]:
    usage = request.usage
    details = {
        "method": request.method,
        "path": request.path,
        "body": request.body_hash[:_SHOWN_HASH_DIGITS],
        "model": request.model,
        "status": request.status,
        "stop": request.stop_reason,
        "input": usage and usage.total_input,
        "cached": usage and usage.cache_read_input_tokens,
        "output": usage and usage.output_tokens,
        "cost": request.cost,
        "first": request.first_token,
        "seconds": request.seconds,
        **_stream_details(request),
    }
    return {name: value for name, value in details.items() if value is not None and value != ""}
