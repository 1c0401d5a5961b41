"""Compare the simulated API with recorded traffic: `python benchmarks/fidelity.py --write docs/fidelity.md`.

Prints one line for each comparison, then the differences with their reasons. Exit codes: 0 if each comparison has at
most 1 % of differences that are not known exceptions, 1 otherwise, 2 without traffic.
"""

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from measures import KNOWN_EXCEPTIONS, Comparison, measure_all
from recorded import COUNT, MESSAGES, TRAFFIC, Row, load_rows

from flag_harness.simulator.count.tokens import input_tokens
from flag_harness.simulator.rules import RULES

_HEADING = """# How closely the simulated API matches the real one

Measured on recorded traffic of the Messages API (April 2024 to August 2026, from other projects' test suites) with
`python benchmarks/fidelity.py --write docs/fidelity.md`. If a recorder dropped headers, they are added: the version, a
key and, if the version is missing, the betas that the request's tools and fields need. Numbers and ids in messages are
ignored. No rule depends on who recorded a request or on the text in it.

A simulated recording shows how an agent handles answers of this shape: its requests, tool loop, retries and
bookkeeping. It does not show what a model would say, how many tokens that takes, how fast it arrives, or what the API
has refused since the last of these recordings. For that, run against the live API.
"""


def main() -> int:
    """Run all comparisons, print the page, and write it if `--write` says so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traffic", type=Path, default=TRAFFIC, help="recorded interactions, as gzipped JSON Lines")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--rows", action="store_true", help="list the recordings behind each difference")
    arguments = parser.parse_args()
    if not arguments.traffic.exists():
        print(f"{arguments.traffic}: no such file; name a file of recorded traffic with --traffic", file=sys.stderr)
        return 2
    logging.disable()  # unrelated conversations break each other's cached prefixes, which is expected
    rows = load_rows(arguments.traffic)
    lines = measure_all(rows)
    text = "\n".join(document(rows, lines, with_rows=arguments.rows)) + "\n"
    print(text)
    if arguments.write is not None:
        arguments.write.write_text(text, encoding="utf-8")
    return 0 if all(line.is_close_enough for line in lines) else 1


def document(rows: Sequence[Row], lines: Sequence[Comparison], *, with_rows: bool = False) -> Iterator[str]:
    """Yield the lines of the page."""
    yield _HEADING
    yield f"{len(rows)} recorded interactions.\n"
    yield "| what is compared | matches | of | share | of those without a known exception |\n|---|---|---|---|---|"
    for line in lines:
        share = f"{line.matches / line.total:.1%}" if line.total else "nothing to compare"
        rest = f"{line.matches / line.explainable:.1%} of {line.explainable}" if line.explainable else "-"
        yield f"| {line.name} | {line.matches} | {line.total} | {share} | {rest} |"
    yield "\n## Differences\n"
    for line in lines:
        for rule, names in sorted(line.differences.items(), key=lambda item: -len(item[1])):
            yield f"- {line.name}: {len(names)} row{'s' if len(names) != 1 else ''}: {rule}{_exception_note(rule)}"
            yield from (f"  - {row}" for row in names if with_rows)
    yield from _token_section(rows)
    yield "\n## Rules\n\n| rule | source of the message | since |\n|---|---|---|"
    yield from (f"| {rule.name} | {rule.provenance} | {rule.source_date} |" for rule in RULES)


def _exception_note(rule: str) -> str:
    return " (known exception)" if rule in KNOWN_EXCEPTIONS else ""


def _token_section(rows: Sequence[Row]) -> Iterator[str]:
    errors = sorted(
        abs(input_tokens(row.body, row.body["model"]) / counted - 1)
        for row in rows
        if (counted := _recorded_input_tokens(row))
    )
    yield "\n## Tokens\n"
    median, high = errors[len(errors) // 2], errors[int(len(errors) * 0.95)]
    yield (
        f"Token counts are estimates, because the model's tokenizer is not public. Over {len(errors)} recorded "
        f"`input_tokens` the median error is {median:.0%} and the 95th percentile is {high:.0%}; requests whose prompt "
        "was extended by server tools are excluded. Every figure that uses the estimate is simulated."
    )


def _recorded_input_tokens(row: Row) -> int:
    """Return the recorded input tokens, or 0 if none were recorded or server tools were used."""
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
