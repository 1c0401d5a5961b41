"""The command `flag-harness cassette show`, which prints a cassette as a conversation."""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flag_harness.analysis.conversation import ConversationStep, conversation_steps
from flag_harness.cassette import CassetteMetadata
from flag_harness.cassette.cassette import open_cassette
from flag_harness.cli.cassette.step_texts import answer_texts, request_texts
from flag_harness.cli.files import escape_to_one_line
from flag_harness.cli.terminal import (
    add_output_options,
    join_styled_texts,
    make_console,
    make_styled_text,
    print_json,
    print_lines,
    wrap_text,
)
from flag_harness.durations import time_since
from flag_harness.wire.usage import Usage

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_EXAMPLES = """examples:
  flag-harness cassette show recordings/matrix/streaming.json
  flag-harness cassette show recordings/matrix/streaming.json --full | less
  flag-harness cassette show recordings/matrix/streaming.json --json | jq '.interactions[].usage'

Each request is reduced to what is new in it; answers are shown as assembled from their streams. Costs are list prices.

Exit code: 0 shown, 2 the file cannot be read, or wrong usage."""
_MAX_TEXT_LINES = 2
"""The most lines that are shown of a text, unless `--full` is given."""
_MAX_THINKING_LINES = 1
_LABEL_WIDTH = 11
"""The width of the column of labels before the texts."""
_STYLE_BY_LABEL = {
    "system": "magenta",
    "tools": "magenta",
    "user": "bold cyan",
    "assistant": "bold green",
    "thinking": "dim italic",
    "tool use": "bold yellow",
    "tool result": "yellow",
    "error": "bold red",
}
_HEADING_SEPARATOR = " · "
_SHORTEST_HORIZONTAL_LINE = "────"
"""The shortest horizontal line to the right of a heading."""


def add_show_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette show` to the parser."""
    parser = commands.add_parser(
        "show",
        help="print a cassette as a conversation",
        description="Print a cassette as a conversation: what each request adds, and what its answer says.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a cassette")
    parser.add_argument("--full", action="store_true", help="print texts in full")
    add_output_options(parser)
    parser.set_defaults(run=_run_show)


def _run_show(arguments: argparse.Namespace) -> int:
    cassette = open_cassette(arguments.file)
    found = conversation_steps(cassette)
    if arguments.json:
        print_json(_json_report(arguments.file, cassette.metadata, found))
        return 0
    screen = make_console(no_color=arguments.no_color)
    print_lines(screen, _conversation_texts(arguments.file, cassette.metadata, found, screen, full=arguments.full))
    return 0


def _conversation_texts(
    path: Path, metadata: CassetteMetadata, steps: Iterable[ConversationStep], screen: "Console", *, full: bool
) -> Iterator["Text"]:
    yield make_styled_text(str(path), "bold")
    yield make_styled_text(_provenance_text(metadata), "dim")
    figures = []
    for step in steps:
        yield from _request_heading_lines(step, screen)
        yield from _step_lines(step, screen, full=full)
        figures.append((step.usage, step.cost, step.seconds))  # the steps themselves may be large
    yield make_styled_text(_totals_text(figures), "dim")


def _provenance_text(metadata: CassetteMetadata) -> str:
    since = time_since(metadata.recorded_at, datetime.now(UTC))
    days = since.days if since else 0
    age = "" if since is None else f" ({days} days ago)" if days > 1 else " (yesterday)" if days else " (today)"
    marks = [metadata.combination, metadata.sdk, "rebased, not verified" if metadata.is_rebased else ""]
    loose = f"matches on {', '.join(metadata.match_on)}" if metadata.match_on else ""
    parts = [f"{metadata.upstream}, {metadata.recorded_at[:16].replace('T', ' ')}{age}", *marks, loose]
    return _HEADING_SEPARATOR.join(filter(None, [*parts, *metadata.fidelity]))


def _request_heading_lines(step: ConversationStep, screen: "Console") -> Iterator["Text"]:
    """Yield the lines of the heading of one step of the conversation: its number, model and parameters.

    Parameters that do not fit on the line follow on separate lines.
    """
    path = "" if (step.method, step.path) == ("POST", "/v1/messages") else f"{step.method} {step.path}"
    away = step.continued_index is not None and step.continued_index != step.index - 1
    follows = f"goes on from {step.continued_index}" if away else ""
    model = str(step.parameters.get("model") or "")
    asked = " ".join(f"{key}={_value_text(value)}" for key, value in step.parameters.items() if key != "model")
    line, screen_width = join_styled_texts(make_styled_text(f"── {step.index} ", "bold blue")), screen.width
    beside = line.cell_len + len(_SHORTEST_HORIZONTAL_LINE) < screen_width - sum(
        len(part) + len(_SHORTEST_HORIZONTAL_LINE) for part in (model, asked)
    )
    named = [part for part in (path, follows, model, asked if beside else "") if part]
    line.append(escape_to_one_line("".join(f"{part}  " for part in named).rstrip() + " " * bool(named)), "blue")
    line.truncate(screen_width)
    yield line.append("─" * (screen_width - line.cell_len), "blue")
    if not beside:
        width = screen_width - _LABEL_WIDTH - 2
        yield from _lines_beside_label(
            make_styled_text("parameters", "blue"), wrap_text(asked, "", width=width, max_lines=None, console=screen)
        )


def _value_text(value: Any) -> str:
    """Return a parameter's value in short form, such as `adaptive` for `{"type": "adaptive"}`."""
    if value is None:
        return "-"
    if isinstance(value, dict) and all(isinstance(member, (str, int, float)) for member in value.values()):
        return ",".join(str(member) if key == "type" else f"{key}:{member}" for key, member in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _step_lines(step: ConversationStep, screen: "Console", *, full: bool) -> Iterator["Text"]:
    """Yield the texts of one step beside their labels, and then its tokens, times and cost."""
    width = screen.width - _LABEL_WIDTH - 2
    for label, text in (*request_texts(step), *answer_texts(step)):
        most = None if full else _MAX_THINKING_LINES if label == "thinking" else _MAX_TEXT_LINES
        style = _STYLE_BY_LABEL.get(label, "")
        content = wrap_text(text, _style_for_label(label), width=width, max_lines=most, console=screen)
        yield from _lines_beside_label(make_styled_text(label, style), content)
    figures = [make_styled_text(line, "dim") for line in _wrap_texts(_token_time_and_cost_texts(step), width)]
    yield from _lines_beside_label(make_styled_text(_status_text(step), _status_style(step)), figures)


def _lines_beside_label(label: "Text", content: Sequence["Text"]) -> Iterator["Text"]:
    for number, line in enumerate(content):
        joined = join_styled_texts() if number else join_styled_texts(label)
        yield joined.append(" " * max(_LABEL_WIDTH + 1 - joined.cell_len, 1)).append_text(line)


def _style_for_label(label: str) -> str:
    return "dim italic" if label == "thinking" else "dim" if label in ("system", "tools") else ""


def _status_text(step: ConversationStep) -> str:
    answer = step.answer
    if answer.status is None:
        return step.answer_ending
    return (
        str(answer.status) if answer.status != 200 or answer.is_complete else f"200 {step.answer_ending}"[:_LABEL_WIDTH]
    )


def _status_style(step: ConversationStep) -> str:
    answer = step.answer
    return "green" if answer.status == 200 and answer.is_complete and answer.error is None else "bold red"


def _token_time_and_cost_texts(step: ConversationStep) -> list[str]:
    parts = [str(reason)] if (reason := step.answer.message.get("stop_reason")) else []
    if usage := step.usage:
        counts = ((usage.cache_read_input_tokens, "cached"), (usage.cache_creation_input_tokens, "written"))
        cache = ", ".join(f"{count:,} {what}" for count, what in counts if count)
        parts.append(f"{usage.total_input:,} in" + (f" ({cache})" if cache else ""))
        thought = f" ({usage.thinking_tokens:,} thinking)" if usage.thinking_tokens else ""
        parts.append(f"{usage.output_tokens:,} out{thought}")
    parts += [f"first {step.first_token:.2f} s"] if step.first_token is not None else []
    parts.append(f"{step.seconds:.2f} s")
    return [*parts, *([f"${step.cost:.4f}"] if step.cost is not None else [])]


def _wrap_texts(parts: Sequence[str], width: int) -> Iterator[str]:
    """Yield lines of at most `width` columns with as many of the parts as fit on each. No part is split."""
    line = parts[0]
    for part in parts[1:]:
        if len(line) + len(_HEADING_SEPARATOR) + len(part) > width:
            yield line
            line = part
        else:
            line += _HEADING_SEPARATOR + part
    yield line


def _totals_text(figures: Sequence[tuple[Usage | None, float | None, float]]) -> str:
    """Return the totals of a conversation, given the usage, the cost and the seconds of each step."""
    costs = [cost for usage, cost, _ in figures if usage is not None]
    tokens = [usage for usage, _, _ in figures if usage is not None]
    count = f"{len(figures)} interaction{'s' if len(figures) != 1 else ''}"
    read, written = sum(one.total_input for one in tokens), sum(one.output_tokens for one in tokens)
    cached = sum(one.cache_read_input_tokens for one in tokens)
    price = "" if None in costs or not costs else f"${_sum_known_costs(costs):.4f} at list price"
    seconds = f"{sum(seconds for _, _, seconds in figures):.2f} s"
    parts = [count, f"{read:,} in ({cached:,} cached)", f"{written:,} out", seconds, price]
    return _HEADING_SEPARATOR.join(filter(None, parts))


def _sum_known_costs(costs: Iterable[float | None]) -> float:
    return sum(cost for cost in costs if cost is not None)


def _json_report(path: Path, metadata: CassetteMetadata, steps: Iterable[ConversationStep]) -> dict[str, Any]:
    return {
        "path": str(path),
        "envelope": {name: getattr(metadata, name) for name in metadata.__slots__},
        "interactions": [_step_to_json(step) for step in steps],
    }


def _step_to_json(step: ConversationStep) -> dict[str, Any]:
    """Return a step for JSON output: the fields of the `ConversationStep` and of its answer."""
    answer = step.answer
    return {
        "number": step.index,
        "method": step.method,
        "path": step.path,
        "follows": step.continued_index,
        "model": step.model,
        "parameters": step.parameters,
        "said": [{"role": role, "block": block} for role, block in step.new_content],
        "status": answer.status,
        "streamed": answer.is_stream,
        "complete": answer.is_complete,
        "ended": step.answer_ending,
        "answer": answer.decoded_body,
        "error": answer.error,
        "usage": asdict(step.usage) if step.usage else None,
        "cost": step.cost,
        "first_token": step.first_token,
        "seconds": step.seconds,
    }
