"""CPU seconds, measured in interleaved rounds; tables; and where in a document they stand."""

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
"""Does its work once, and returns the CPU seconds that a unit of it took; what it prepares does not count."""


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process in `work`."""
    start = time.process_time()
    work()
    return time.process_time() - start


def interleaved(
    subjects: Mapping[str, Subject], rounds: int, fewer: Mapping[str, int] | None = None
) -> dict[str, float]:
    """The median of each subject. Every round runs all, the first one of a round being another each time.

    One round before does not count. `fewer` names subjects with fewer rounds, all of which count.
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


def exponent(small: float, large: float, times: float) -> float:
    """The power of the size with which the time grows: 1 linear, 2 quadratic."""
    return math.log(large / small) / math.log(times)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (header, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def versions(*distributions: str) -> str:
    """The versions of what was measured, the interpreter's first."""
    found = [f"Python {platform.python_version()}", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"]
    return ", ".join([*found, *(f"{one} {version(one) or 'not installed'}" for one in distributions)])


def version(distribution: str) -> str | None:
    """The installed version, `None` where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class Target:
    """A number to reach: at most `most`."""

    what: str
    value: float
    most: float

    @staticmethod
    def table(targets: Sequence["Target"]) -> str:
        """What was to be reached, what was measured, and whether that is it."""
        rows = [
            [one.what, f"≤ {one.most:g}", f"{one.value:.3g}", "reached" if one.value <= one.most else "**missed**"]
            for one in targets
        ]
        return table(["what", "target", "measured", ""], rows)


def publish(section: str, text: str, description: str) -> None:
    """Print the text; with `--write FILE`, also put it into that file, between the marks of its section."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--write", type=Path, metavar="FILE", help="a document to update, such as docs/performance.md")
    path = parser.parse_args().write
    print(text)
    if path:
        path.write_text(_with_section(path.read_text("utf-8") if path.exists() else "", section, text), "utf-8")


def _with_section(document: str, section: str, text: str) -> str:
    start, stop = f"<!-- {section} -->\n", f"<!-- end of {section} -->\n"
    before, found, rest = document.partition(start)
    if not found:
        return f"{document}{'' if document.endswith(chr(10)) or not document else chr(10)}{start}{text}\n{stop}"
    return f"{before}{start}{text}\n{stop}{rest.partition(stop)[2]}"
