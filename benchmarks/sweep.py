"""Sweep three agents through every fault: the reference agent, the SDK's tool runner, and a plain loop around `create`.

`python benchmarks/sweep.py --write docs/faults.md` writes the tables between the markers of that file; `--check`
compares them with what is there.
"""

import argparse
import difflib
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from flag_harness.faults import fault_kinds
from flag_harness.flag import SHIPPED_FLAGS
from flag_harness.matrix import all_combinations
from flag_harness.sweep import TrialResult, TrialSweep, all_trials, count_fault_point_pairs, load_agent
from flag_harness.sweep.table import markdown_lines_by_fault, markdown_lines_by_kind, summary_line
from flag_harness.transports import sdk_version

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- tables: python benchmarks/sweep.py --write docs/faults.md -->", "<!-- end of the tables -->"
AGENTS = {
    "The reference agent": "flag_harness.reference.sweep_agent:ReferenceAgent",
    "The SDK's `tool_runner`": "agents:tool_runner",
    "A plain loop around `create`": "agents:create_loop",
}


def main() -> None:
    """Run the sweeps, print the totals, and write or check the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="the Markdown file that holds the markers")
    parser.add_argument("--check", type=Path, help="the file whose tables must equal those of this sweep")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    sys.path.insert(0, str(ROOT / "tests" / "sweep"))
    results = {title: _sweep_agent(title, name) for title, name in AGENTS.items()}
    tables = "\n".join(["", "", *_tables(results), "", ""])
    if arguments.write:
        before, _, after = _split(arguments.write)
        arguments.write.write_text(before + BEGIN + tables + END + after, encoding="utf-8")
    if arguments.check:
        _, written, _ = _split(arguments.check)
        different = difflib.unified_diff(
            written.splitlines(), tables.splitlines(), "written", "swept", lineterm="", n=0
        )
        if lines := list(different):
            sys.exit("\n".join([f"{arguments.check} does not hold the tables of this sweep:", *lines]))


def _split(path: Path) -> tuple[str, str, str]:
    """Return the text before the markers, between them, and after."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    between, _, after = rest.partition(END)
    return before, between, after


def _sweep_agent(title: str, name: str) -> list[TrialResult]:
    started = time.process_time()
    with tempfile.TemporaryDirectory() as directory:
        results = list(
            TrialSweep(load_agent(name), all_combinations(SHIPPED_FLAGS), Path(directory)).run_trials(all_trials())
        )
    print(f"{title}: {time.process_time() - started:.1f} s of CPU")
    print("\n".join(markdown_lines_by_kind(results)), end="\n\n")
    return results


def _tables(results: dict[str, list[TrialResult]]) -> Iterator[str]:
    trials = all_trials()
    first = next(iter(results.values()))
    pairs = count_fault_point_pairs(trials)
    yield f"{sdk_version()}. {summary_line(first)}. They hold {pairs} different pairs of a fault and a point."
    for title, agent_results in results.items():
        yield f"\n### {title}\n"
        yield from markdown_lines_by_kind(agent_results)
    yield "\n### What each fault is, and what the unguarded SDK does\n"
    yield "| fault | what it does | `stream()` | `create()` |"
    yield "|---|---|---|---|"
    for kind in fault_kinds():
        yield f"| `{kind.name}` | {kind.description} | {kind.stream_result} | {kind.create_result} |"
    yield "\n### The reference agent, fault by fault\n"
    yield from markdown_lines_by_fault(first)


if __name__ == "__main__":
    main()
