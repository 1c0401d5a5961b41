"""`flag-harness cassette stat`: sums up recordings: upstreams, ages, sizes, tokens and costs."""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flag_harness.analysis.conversation import conversation_steps, days_since
from flag_harness.analysis.metrics import is_successful
from flag_harness.cassette import Cassette
from flag_harness.cli.terminal import add_output_options, console, styled_text
from flag_harness.config import read_config
from flag_harness.errors import CassetteError, HarnessError
from flag_harness.report.table import align_columns
from flag_harness.wire.usage import Usage

_EXAMPLES = """examples:
  flag-harness cassette stat
  flag-harness cassette stat recordings/matrix
  flag-harness cassette stat --json | jq .total.cost

Without a PATH, the recordings directory of ./pyproject.toml is read. Costs are list prices; `days` is the age.

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
_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class _Stat:
    """The sums of one cassette, or of all. `cost` is None if a price is unknown."""

    path: str
    upstreams: Counter[str]
    models: Counter[str]
    days: int | None
    size: int
    interactions: int
    errors: int
    streams: int
    usage: Usage
    cost: float | None


def add_stat_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `stat`."""
    parser = commands.add_parser(
        "stat",
        help="sum up what is recorded",
        description="Sum up recordings by file: interactions, tokens, costs, sizes, ages and upstreams.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", type=Path, nargs="*", metavar="PATH", help="cassettes, or directories of them")
    add_output_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    recordings = Path(read_config(Path("pyproject.toml")).recordings)
    files = list(_files(arguments.paths or ([recordings] if recordings.exists() else [])))
    stats, unreadable, now = [], [], datetime.now(UTC)
    for path in files:
        try:
            stats.append(_stat(path, now))
        except CassetteError as error:
            unreadable.append((path, str(error)))
    total = _total(stats)
    if arguments.json:
        print(json.dumps(_report(stats, total, unreadable), indent=2, ensure_ascii=False))
    else:
        screen = console(no_color=arguments.no_color)
        for line, style in _lines(stats, total):
            screen.print(styled_text(line, style), soft_wrap=True)
        for _, reason in unreadable:
            screen.print(styled_text(reason, "red"), soft_wrap=True)
    return 1 if unreadable else 0


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise HarnessError(f"{path}: there is no such file or directory; name cassettes, or a directory of them")
        yield from sorted(path.rglob("*.json")) if path.is_dir() else [path]


def _stat(path: Path, now: datetime) -> _Stat:
    cassette = Cassette.load(path)
    found = list(conversation_steps(cassette))
    stated = [exchange for exchange in found if exchange.usage is not None]
    return _Stat(
        path=str(path),
        upstreams=Counter([cassette.envelope.upstream]),
        models=Counter(exchange.model for exchange in found if exchange.model),
        days=days_since(cassette.envelope.recorded_at, now),
        size=path.stat().st_size,
        interactions=len(found),
        errors=sum(not is_successful(exchange.answer) for exchange in found),
        streams=sum(exchange.answer.streamed for exchange in found),
        usage=sum((exchange.usage for exchange in stated if exchange.usage), Usage()),
        cost=_sum(exchange.cost for exchange in stated),
    )


def _total(stats: Sequence[_Stat]) -> _Stat:
    days = [stat.days for stat in stats if stat.days is not None]
    return _Stat(
        path=f"{len(stats)} cassette{'s' if len(stats) != 1 else ''}",
        upstreams=sum((stat.upstreams for stat in stats), Counter()),
        models=sum((stat.models for stat in stats), Counter()),
        days=max(days, default=None),
        size=sum(stat.size for stat in stats),
        interactions=sum(stat.interactions for stat in stats),
        errors=sum(stat.errors for stat in stats),
        streams=sum(stat.streams for stat in stats),
        usage=sum((stat.usage for stat in stats), Usage()),
        cost=_sum(stat.cost for stat in stats),
    )


def _sum(costs: Iterable[float | None]) -> float | None:
    """Return the sum of the costs, or None if one of them is unknown."""
    known = list(costs)
    return None if None in known else sum(cost for cost in known if cost is not None)


def _lines(stats: Sequence[_Stat], total: _Stat) -> Iterator[tuple[str, str]]:
    rows = [_HEADINGS, *map(_cells, stats), _cells(total)]
    styles = ["bold", *([""] * len(stats)), "bold"]
    yield from zip(align_columns(rows), styles, strict=True)
    models = ", ".join(f"{name} ({count})" for name, count in total.models.most_common())
    yield f"models: {models or 'none'}", "dim"


def _cells(stat: _Stat) -> tuple[str, ...]:
    counts = (stat.interactions, stat.errors, stat.streams)
    tokens = (stat.usage.total_input, stat.usage.cache_read_input_tokens, stat.usage.output_tokens)
    return (
        stat.path,
        *(f"{number:,}" for number in (*counts, *tokens)),
        _UNKNOWN if stat.cost is None else f"${stat.cost:.4f}",
        f"{stat.size / 1024:,.1f} KiB",
        _UNKNOWN if stat.days is None else f"{stat.days}",
        _upstreams(stat.upstreams),
    )


def _upstreams(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or _UNKNOWN


def _report(stats: Sequence[_Stat], total: _Stat, unreadable: Sequence[tuple[Path, str]]) -> dict[str, Any]:
    return {
        "cassettes": [{"path": stat.path, **_as_json(stat)} for stat in stats],
        "total": _as_json(total),
        "unreadable": [{"path": str(path), "error": error} for path, error in unreadable],
    }


def _as_json(stat: _Stat) -> dict[str, Any]:
    return {
        "upstreams": dict(stat.upstreams),
        "models": dict(stat.models),
        "days": stat.days,
        "bytes": stat.size,
        "interactions": stat.interactions,
        "errors": stat.errors,
        "streams": stat.streams,
        "plain": stat.interactions - stat.streams,
        "usage": stat.usage.to_json(),
        "cost": stat.cost,
    }
