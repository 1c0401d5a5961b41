"""The command `flag-harness cassette stat`, which sums up sizes, ages, tokens and costs of recordings."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flag_harness.analysis.conversation import ConversationStep, conversation_steps
from flag_harness.analysis.metrics import is_successful
from flag_harness.cassette.cassette import open_cassette
from flag_harness.cassette.file.blobs import BLOB_NAME_PATTERN
from flag_harness.cli.terminal import add_output_options, make_console, make_styled_text, print_json
from flag_harness.config import read_project_config
from flag_harness.durations import time_since
from flag_harness.errors import CassetteError, HarnessError
from flag_harness.report.table import align_columns
from flag_harness.wire.usage import Usage

_EXAMPLES = """examples:
  flag-harness cassette stat
  flag-harness cassette stat recordings/matrix
  flag-harness cassette stat --json | jq .total.cost

Without a PATH, the recordings directory of the project is read. Costs are list prices; `days` is the age.

Exit code: 0 all were read, 1 some cannot be read (each is named), 2 wrong usage."""
_HEADINGS = (
    "cassette",
    "requests",
    "errors",
    "streams",
    "input",
    "cached",
    "output",
    "cost",
    "size",
    "days",
    "upstream",
)
_UNKNOWN_MARK = "-"


@dataclass(frozen=True, slots=True)
class _CassetteSummary:
    """The totals of one cassette, or of all cassettes; `cost` is None if a price is unknown.

    `shared_blob_folder` is the folder of the files that the cassette shares with other cassettes, or None if it shares
    none.
    """

    path: str
    upstream_counts: Counter[str]
    model_counts: Counter[str]
    age_in_days: int | None
    byte_count: int
    interaction_count: int
    error_count: int
    stream_count: int
    usage: Usage
    cost: float | None
    shared_blob_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class _StepFigures:
    """The figures of one step of a conversation. The step itself may be large, and is not kept."""

    model: str
    usage: Usage | None
    cost: float | None
    is_successful: bool
    is_stream: bool

    @classmethod
    def of(cls, step: ConversationStep) -> "_StepFigures":
        """Return the figures of a step."""
        return cls(step.model, step.usage, step.cost, is_successful(step.answer), step.answer.is_stream)


def add_stat_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette stat` to the parser."""
    parser = commands.add_parser(
        "stat",
        help="sum up what is recorded",
        description="Sum up recordings by file: interactions, tokens, costs, sizes, ages and upstreams.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", type=Path, nargs="*", metavar="PATH", help="cassettes, or directories of them")
    add_output_options(parser)
    parser.set_defaults(run=_run_stat)


def _run_stat(arguments: argparse.Namespace) -> int:
    root, config = read_project_config()
    recordings = root / config.recordings
    files = list(_cassette_files(arguments.paths or ([recordings] if recordings.exists() else [])))
    stats, unreadable, now = [], [], datetime.now(UTC)
    for path in files:
        try:
            stats.append(_summarise_cassette(path, now))
        except CassetteError as error:
            unreadable.append((path, str(error)))
    total = _sum_summaries(stats)
    shared = list(_sizes_of_blobs_and_parts({stat.shared_blob_folder for stat in stats}))
    if arguments.json:
        print_json({**_json_report(stats, total, unreadable), "shared": {"files": len(shared), "bytes": sum(shared)}})
    else:
        screen = make_console(no_color=arguments.no_color)
        for line, style in _table_lines(stats, total):
            screen.print(make_styled_text(line, style), soft_wrap=True)
        if shared:
            screen.print(make_styled_text(f"shared: {len(shared)} files, {sum(shared) / 1024:,.1f} KiB", "dim"))
        for _, reason in unreadable:
            screen.print(make_styled_text(reason, "red"), soft_wrap=True)
    return 1 if unreadable else 0


def _cassette_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise HarnessError(f"{path}: there is no such file or directory; name cassettes, or a directory of them")
        yield from sorted(path.rglob("*.json")) if path.is_dir() else [path]


def _sizes_of_blobs_and_parts(folders: Iterable[Path | None]) -> Iterator[int]:
    """Yield the sizes of the blobs and parts in the folders."""
    for folder in filter(None, folders):
        yield from (path.stat().st_size for path in folder.iterdir() if BLOB_NAME_PATTERN.fullmatch(path.name))


def _summarise_cassette(path: Path, now: datetime) -> _CassetteSummary:
    cassette = open_cassette(path)
    found = [_StepFigures.of(step) for step in conversation_steps(cassette)]
    age = time_since(cassette.metadata.recorded_at, now)
    stated = [exchange for exchange in found if exchange.usage is not None]
    return _CassetteSummary(
        path=str(path),
        upstream_counts=Counter([cassette.metadata.upstream]),
        model_counts=Counter(exchange.model for exchange in found if exchange.model),
        age_in_days=None if age is None else age.days,
        byte_count=path.stat().st_size,
        interaction_count=len(found),
        error_count=sum(not exchange.is_successful for exchange in found),
        stream_count=sum(exchange.is_stream for exchange in found),
        usage=sum((exchange.usage for exchange in stated if exchange.usage), Usage()),
        cost=_sum_costs(exchange.cost for exchange in stated),
        shared_blob_folder=cassette.blob_folder,
    )


def _sum_summaries(stats: Sequence[_CassetteSummary]) -> _CassetteSummary:
    days = [stat.age_in_days for stat in stats if stat.age_in_days is not None]
    return _CassetteSummary(
        path=f"{len(stats)} cassette{'s' if len(stats) != 1 else ''}",
        upstream_counts=sum((stat.upstream_counts for stat in stats), Counter()),
        model_counts=sum((stat.model_counts for stat in stats), Counter()),
        age_in_days=max(days, default=None),
        byte_count=sum(stat.byte_count for stat in stats),
        interaction_count=sum(stat.interaction_count for stat in stats),
        error_count=sum(stat.error_count for stat in stats),
        stream_count=sum(stat.stream_count for stat in stats),
        usage=sum((stat.usage for stat in stats), Usage()),
        cost=_sum_costs(stat.cost for stat in stats),
    )


def _sum_costs(costs: Iterable[float | None]) -> float | None:
    """Return the sum of the costs, or None if any cost is unknown."""
    known = list(costs)
    return None if None in known else sum(cost for cost in known if cost is not None)


def _table_lines(stats: Sequence[_CassetteSummary], total: _CassetteSummary) -> Iterator[tuple[str, str]]:
    rows = [_HEADINGS, *map(_table_cells, stats), _table_cells(total)]
    styles = ["bold", *([""] * len(stats)), "bold"]
    yield from zip(align_columns(rows), styles, strict=True)
    models = ", ".join(f"{name} ({count})" for name, count in total.model_counts.most_common())
    yield f"models: {models or 'none'}", "dim"


def _table_cells(stat: _CassetteSummary) -> tuple[str, ...]:
    counts = (stat.interaction_count, stat.error_count, stat.stream_count)
    tokens = (stat.usage.total_input, stat.usage.cache_read_input_tokens, stat.usage.output_tokens)
    return (
        stat.path,
        *(f"{number:,}" for number in (*counts, *tokens)),
        _UNKNOWN_MARK if stat.cost is None else f"${stat.cost:.4f}",
        f"{stat.byte_count / 1024:,.1f} KiB",
        _UNKNOWN_MARK if stat.age_in_days is None else f"{stat.age_in_days}",
        _upstream_text(stat.upstream_counts),
    )


def _upstream_text(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or _UNKNOWN_MARK


def _json_report(
    stats: Sequence[_CassetteSummary], total: _CassetteSummary, unreadable: Sequence[tuple[Path, str]]
) -> dict[str, Any]:
    return {
        "cassettes": [{"path": stat.path, **_summary_to_json(stat)} for stat in stats],
        "total": _summary_to_json(total),
        "unreadable": [{"path": str(path), "error": error} for path, error in unreadable],
    }


def _summary_to_json(stat: _CassetteSummary) -> dict[str, Any]:
    return {
        "upstreams": dict(stat.upstream_counts),
        "models": dict(stat.model_counts),
        "days": stat.age_in_days,
        "bytes": stat.byte_count,
        "interactions": stat.interaction_count,
        "errors": stat.error_count,
        "streams": stat.stream_count,
        "plain": stat.interaction_count - stat.stream_count,
        "usage": stat.usage.to_json(),
        "cost": stat.cost,
    }
