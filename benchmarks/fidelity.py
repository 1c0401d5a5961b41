"""How true the simulated API is to recorded traffic: `python benchmarks/fidelity.py --write docs/fidelity.md`.

Prints one line a measure: what was compared, what fits, and each miss by its rule. Exit codes: 0 where in each line at
most one row of a hundred is missed for any but a named exception, 1 where more are, 2 without traffic.
"""

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from measures import EXPLAINED, Measure, measures
from recorded import COUNT, MESSAGES, TRAFFIC, Row, read

from flag_harness.simulator.count.tokens import input_tokens
from flag_harness.simulator.rules import RULES

_HEADING = """# How true the simulated API is

Measured on recorded traffic of the Messages API (April 2024 to August 2026, other projects' test suites) by
`python benchmarks/fidelity.py --write docs/fidelity.md`. Headers that recorders dropped are supplied: the version, a
key, and where the version is missing the betas that the request's tools and fields need. Numbers and ids in messages
take no part. No rule looks at who recorded a request or at what its texts say.

A simulated recording proves what an agent does with answers of this shape: its requests, its loop, its retries, its
bookkeeping. It proves nothing about what a model would say, how many tokens that has, how fast it comes, or what the
API refuses since the last of these recordings: that takes a live run.
"""


def main() -> int:
    """Measure, print, and write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traffic", type=Path, default=TRAFFIC, help="rows as JSON lines, gzipped")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--rows", action="store_true", help="name the rows of each miss")
    arguments = parser.parse_args()
    if not arguments.traffic.exists():
        print(f"{arguments.traffic}: there is no recorded traffic here; name it with --traffic", file=sys.stderr)
        return 2
    logging.disable()  # conversations of strangers break each other's prefixes; that is no news here
    rows = read(arguments.traffic)
    lines = measures(rows)
    text = "\n".join(document(rows, lines, with_rows=arguments.rows)) + "\n"
    print(text)
    if arguments.write is not None:
        arguments.write.write_text(text, encoding="utf-8")
    return 0 if all(line.enough for line in lines) else 1


def document(rows: Sequence[Row], lines: Sequence[Measure], *, with_rows: bool = False) -> Iterator[str]:
    """The page, line by line."""
    yield _HEADING
    yield f"{len(rows)} recorded interactions.\n"
    yield "| measured | fits | of | |\n|---|---|---|---|"
    for line in lines:
        share = f"{line.fits / line.total:.1%}" if line.total else "nothing to compare"
        yield f"| {line.name} | {line.fits} | {line.total} | {share} |"
    yield "\n## Every miss\n"
    for line in lines:
        for rule, missed in sorted(line.misses.items(), key=lambda item: -len(item[1])):
            yield f"- {line.name}: {len(missed)} rows: {rule}{_mark(rule)}"
            yield from (f"  - {row}" for row in missed if with_rows)
    yield from _estimate(rows)
    yield "\n## Rules\n\n| rule | where its words come from | since |\n|---|---|---|"
    yield from (f"| {rule.name} | {rule.provenance} | {rule.since} |" for rule in RULES)


def _mark(rule: str) -> str:
    return " (named exception)" if rule in EXPLAINED else ""


def _estimate(rows: Sequence[Row]) -> Iterator[str]:
    off = sorted(
        abs(input_tokens(row.body, row.body["model"]) / counted - 1) for row in rows if (counted := _counted(row))
    )
    yield "\n## Tokens\n"
    yield (
        f"Counted by an estimate (the model's tokenizer is not public). Over {len(off)} recorded `input_tokens` it is "
        f"off by {off[len(off) // 2]:.0%} in the median and by {off[int(len(off) * 0.95)]:.0%} at the 95th percentile; "
        "rows whose prompt the servers' own tools extended are left out. Every figure that comes from it is simulated."
    )


def _counted(row: Row) -> int:
    """The recorded input tokens; 0 where servers' tools or nothing countable was recorded."""
    if row.status != 200 or row.path not in (MESSAGES, COUNT):
        return 0
    if row.path == COUNT:
        return int(json.loads(row.answer)["input_tokens"])
    usage = (row.message or {}).get("usage") or {}
    if "server_tool_use" in usage:
        return 0
    kinds = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(usage.get(kind) or 0 for kind in kinds)


if __name__ == "__main__":
    sys.exit(main())
