"""A report as a single HTML file, which loads nothing from the network."""

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec

from flag_harness.errors import require_extra
from flag_harness.record import RequestRecord, RunRow
from flag_harness.record.conversation import Conversation, Passage
from flag_harness.report.cache_page import MOST_TESTS, cache_section, cache_turn_details
from flag_harness.report.chart import effect_charts
from flag_harness.report.failures.api_refusals import REFUSAL_ADVICE
from flag_harness.report.failures.causes import rerun_command
from flag_harness.report.flags.summary import flag_summaries
from flag_harness.report.run_report import SIMULATED, RunReport, node_id_of_repetition
from flag_harness.report.sweep_table import OUTCOMES
from flag_harness.report.table import is_simulated

if TYPE_CHECKING:
    import jinja2

_HASH_DIGITS = 8
"""The number of digits of a body's hash that are shown, enough to recognise equal requests."""
FEW_REASONS = 5
"""The reasons of failures that stand open; further ones are folded, so that the flags are seen at once."""
SYMBOLS = {"passed": "✓", "failed": "✕", "skipped": "-", "xfailed": "≈", "xpassed": "!", "inconclusive": "?"}


def render_html(report: RunReport, now: datetime) -> str:
    """Return a report as an HTML page. Raise `MissingExtraError` if jinja2 is not installed."""
    environment = _page_environment()
    style, script = _read_page_file("page.css"), _read_page_file("page.js")
    flags = list(report.record.header.flags)
    alone = [effect for effect in report.effects if len(effect.settings) == 1]
    return environment.get_template("page.html.j2").render(
        report=report,
        summaries=flag_summaries(flags, report.causes, report.request_effects, alone),
        charts=list(effect_charts(alone)),
        together=[effect for effect in report.effects if len(effect.settings) == 2 and effect.is_significant],
        symbols=SYMBOLS,
        style=style,
        script=script,
        policy=_content_security_policy(style, script),
        details=_compress_json(_matrix_cell_details(report)),
        flags=flags,
        written_at=now.isoformat(sep=" ", timespec="seconds"),
        simulated=SIMULATED,
        cache=cache_section(report.rows),
        sweep_outcomes=OUTCOMES,
        most=MOST_TESTS,
        few=FEW_REASONS,
        refusal_advice=REFUSAL_ADVICE,
    )


@cache
def _page_environment() -> "jinja2.Environment":
    """Return jinja2's environment, which keeps the templates that it has compiled."""
    with require_extra("report"):
        import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_read_page_file),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _read_page_file(name: str) -> str:
    return files("flag_harness.report").joinpath("page", name).read_text("utf-8")


def _content_security_policy(style: str, script: str) -> str:
    """Return the content security policy: the browser may run this script and style, and load nothing."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _command_to_repeat(row: RunRow, options: Sequence[str]) -> str:
    """Return the command that runs a row again."""
    if row.sweep is None:
        return rerun_command(options, row.case)
    return f"{rerun_command(options, row.sweep.test)} --harness-sweep -k {row.sweep.kind}"


def _matrix_cell_details(report: RunReport) -> dict[str, Any]:
    """Return the values behind the cells of the page, which shows them when the user opens a cell.

    These are the rows of all runs, and each distinct request and passage once; rows refer to them by index.
    """
    requests: dict[RequestRecord, int] = {}
    options = report.record.header.options
    numbers = {case: number for number, case in enumerate(sorted(report.conversations))}
    rows = [
        {
            **_row_details(row, requests),
            "command": _command_to_repeat(row, options),
            "conversation": numbers.get(node_id_of_repetition(row.case, row.repetition)),
        }
        for row in report.rows
    ]
    passages: dict[Passage, int] = {}
    return {
        "rows": rows,
        "requests": [_request_details(request) for request in requests],
        "conversations": [_conversation_details(report.conversations[case], passages) for case in numbers],
        "passages": [_passage_details(passage) for passage in passages],
    }


def _conversation_details(conversation: Conversation, passages: dict[Passage, int]) -> dict[str, Any]:
    turns = [
        {
            "request": [passages.setdefault(passage, len(passages)) for passage in turn.request],
            "answer": [passages.setdefault(passage, len(passages)) for passage in turn.answer],
            "ending": turn.ending,
        }
        for turn in conversation.turns
    ]
    return {"turns": turns}


def _passage_details(passage: Passage) -> list[Any]:
    """Return role, kind and text and, only if the text was cut, how long all of it is."""
    cut = [] if passage.characters == len(passage.text) else [passage.characters]
    return [passage.role, passage.kind, passage.text, *cut]


def _row_details(row: RunRow, requests: dict[RequestRecord, int]) -> dict[str, Any]:
    details = {
        "case": row.case,
        "outcome": row.outcome,
        "phase": row.phase,
        "reason": row.reason,
        "place": row.place,
        "misses": row.misses,
        "refused": row.api_refusals,
        "repetition": row.repetition,
        "values": row.values,
        "requests": [requests.setdefault(request, len(requests)) for request in row.requests],
        "cost": row.cost if row.requests else None,
        "seconds": row.seconds,
        "faults": row.faults,
        "logs": [msgspec.to_builtins(log) for log in row.logs],
        "cassette": row.cassette,
        "recorded_from": row.recorded_from,
        "recorded_at": row.recorded_at,
        "rebased": row.rebased,
        "answered_by": row.answered_by,
        "excluded": row.excluded_from_effects,
        "budget": row.budget,
        "dropped_betas": row.dropped_betas,
        "cache": row.cache and [cache_turn_details(turn) for turn in row.cache.turns],
        "simulated": is_simulated(row),
    }
    return {name: value for name, value in details.items() if value not in (None, "", 0, False, [], (), {})}


def _request_details(request: RequestRecord) -> dict[str, Any]:
    usage = request.usage
    details = {
        "method": request.method,
        "path": request.path,
        "body": request.body_hash[:_HASH_DIGITS],
        "model": request.model,
        "status": request.status,
        "stop": request.stop_reason,
        "input": usage and usage.total_input,
        "cached": usage and usage.cache_read_input_tokens,
        "output": usage and usage.output_tokens,
        "cost": request.cost,
        "first": request.first_token,
        "seconds": request.seconds,
    }
    return {name: value for name, value in details.items() if value is not None and value != ""}


def _compress_json(values: dict[str, Any]) -> str:
    """Encode values as compressed JSON in base64. The browser decodes them when a cell is first opened."""
    data = json.dumps(values, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(data, 9)).decode()
