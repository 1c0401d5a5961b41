"""CPU seconds measured in interleaved rounds, Markdown tables, and sections of a document."""

import argparse
import importlib.metadata
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MICRO, MILLI = 1e6, 1e3
Subject = Callable[[], float]
"""Does its work once and returns the CPU seconds of one unit; preparation does not count."""


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that this process spends in `work`."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_interleaved(
    subjects: Mapping[str, Subject], rounds: int, fewer: Mapping[str, int] | None = None
) -> dict[str, float]:
    """Return the median of each subject. Every round runs all subjects, starting with another one each time.

    The first round is a warm-up. Subjects in `fewer` have fewer rounds, all of which count.
    """
    seen: dict[str, list[float]] = {name: [] for name in subjects}
    names = list(subjects)
    for turn in range(-1, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            limit = (fewer or {}).get(name, rounds)
            if turn < limit and (turn >= 0 or limit == rounds):
                seen[name].append(subjects[name]())
    return {name: statistics.median(values[-rounds:]) for name, values in seen.items()}


def growth_exponent(small: float, large: float, times: float) -> float:
    """Return the power of the size with which the time grows: 1 is linear, 2 quadratic."""
    return math.log(large / small) / math.log(times)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (header, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def describe_versions(*distributions: str) -> str:
    """Return the versions of Python, the system and the distributions."""
    found = [f"Python {platform.python_version()}", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"]
    return ", ".join([*found, *(f"{one} {version(one) or 'not installed'}" for one in distributions)])


def version(distribution: str) -> str | None:
    """Return the installed version, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class Target:
    """A measured number that should be at most `most`."""

    what: str
    value: float
    most: float

    @staticmethod
    def markdown_table(targets: Sequence["Target"]) -> str:
        """Return a table of the targets, the measured values, and whether they were reached."""
        rows = [
            [one.what, f"≤ {one.most:g}", f"{one.value:.3g}", "reached" if one.value <= one.most else "**missed**"]
            for one in targets
        ]
        return markdown_table(["what", "target", "measured", ""], rows)


def publish_section(section: str, text: str, description: str) -> None:
    """Print the text; with `--write FILE`, also replace its section in that file."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--write", type=Path, metavar="FILE", help="a document to update, such as docs/performance.md")
    path = parser.parse_args().write
    print(text)
    if path:
        path.write_text(replace_section(path.read_text("utf-8") if path.exists() else "", section, text), "utf-8")


def replace_section(document: str, section: str, text: str) -> str:
    """Return the document with the text between the marks of the section, appended if it has none."""
    start, stop = f"<!-- {section} -->\n", f"<!-- end of {section} -->\n"
    before, found, rest = document.partition(start)
    if not found:
        return f"{document}{'' if document.endswith(chr(10)) or not document else chr(10)}{start}{text}\n{stop}"
    return f"{before}{start}{text}\n{stop}{rest.partition(stop)[2]}"
