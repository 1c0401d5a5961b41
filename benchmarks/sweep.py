"""Sweeps three agents through every fault: the shipped one, the SDK's tool runner, and a plain loop around `create`.

`python benchmarks/sweep.py --write docs/faults.md` puts the tables between the markers of that file; `--check` in place
of `--write` compares them with what is there.
"""

import argparse
import difflib
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from flag_harness.faults import table
from flag_harness.flags import SHIPPED
from flag_harness.matrix import matrix
from flag_harness.sweep import Result, Sweep, cast, pairs, trials
from flag_harness.sweep.table import long_markdown, short_markdown, summary
from flag_harness.transports import sdk_version

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- tables: python benchmarks/sweep.py --write docs/faults.md -->", "<!-- end of the tables -->"
AGENTS = {
    "The shipped agent": "flag_harness.reference.sweep_agent:SweepAgent",
    "The SDK's `tool_runner`": "agents:tool_runner",
    "A plain loop around `create`": "agents:create_loop",
}


def main() -> None:
    """Sweep, print the sums, and write the tables where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="the Markdown file that holds the markers")
    parser.add_argument("--check", type=Path, help="the file whose tables must be those of this sweep")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    sys.path.insert(0, str(ROOT / "tests" / "sweep"))
    found = {title: _swept(title, name) for title, name in AGENTS.items()}
    tables = "\n".join(["", "", *_tables(found), "", ""])
    if arguments.write:
        before, _, after = _parts(arguments.write)
        arguments.write.write_text(before + BEGIN + tables + END + after, encoding="utf-8")
    if arguments.check:
        _, written, _ = _parts(arguments.check)
        different = difflib.unified_diff(
            written.splitlines(), tables.splitlines(), "written", "swept", lineterm="", n=0
        )
        if lines := list(different):
            sys.exit("\n".join([f"{arguments.check} does not hold the tables of this sweep:", *lines]))


def _parts(path: Path) -> tuple[str, str, str]:
    """What stands before the markers, between them, and after."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    between, _, after = rest.partition(END)
    return before, between, after


def _swept(title: str, name: str) -> list[Result]:
    started = time.process_time()
    with tempfile.TemporaryDirectory() as directory:
        results = list(Sweep(cast(name), matrix(SHIPPED), Path(directory)).results(trials()))
    print(f"{title}: {time.process_time() - started:.1f} s of CPU")
    print("\n".join(short_markdown(results)), end="\n\n")
    return results


def _tables(found: dict[str, list[Result]]) -> Iterator[str]:
    tried = trials()
    results = next(iter(found.values()))
    yield f"{sdk_version()}. {summary(results)}. They hold {pairs(tried)} different pairs of a fault and a point."
    for title, results in found.items():
        yield f"\n### {title}\n"
        yield from short_markdown(results)
    yield "\n### What each fault is, and what the unguarded SDK makes of it\n"
    yield "| fault | what it does | `stream()` | `create()` |"
    yield "|---|---|---|---|"
    for kind in table():
        yield f"| `{kind.name}` | {kind.what} | {kind.streamed} | {kind.plain} |"
    yield "\n### The shipped agent, fault by fault\n"
    yield from long_markdown(next(iter(found.values())))


if __name__ == "__main__":
    main()
