"""Break one promise of the reference agent at a time, by one changed line, and count what the cases and sweep notice.

`python benchmarks/agent_mutants.py` runs the mutants of `agent_mutants.toml`: for each the 25 cases, and if these pass,
the sweep of the agent. `--only=WORD` runs those whose promise or file contains the word.
"""

import argparse
import importlib
import json
import math
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
AGENT = Path("harness/flag_harness/reference")
PARTS = ("harness", "cases", "fixtures", "recordings", "conftest.py", "pyproject.toml")
"""What a run of the cases reads."""

PRELOADED = ("anthropic", "anthropic.resources.messages", "anthropic.resources.beta", "httpx2", "pydantic", "msgspec")
"""Libraries that every run needs, imported once."""

QUIETLY = ("-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore:Module already imported")
RUNS = {"cases": ("--feature=all",), "sweep": ("--harness-sweep=faults",)}
HANG_FACTOR = 5
"""A mutant that takes this many times as long as the unchanged agent hangs, and counts as noticed."""


@dataclass(frozen=True, slots=True)
class AgentMutant:
    """`before`, in the first line of `file` that contains it, becomes `after`, which breaks `promise`."""

    promise: str
    file: str
    before: str
    after: str

    def apply(self, checkout: Path) -> None:
        """Change the file. Raise `ValueError` if no line contains `before`."""
        path = checkout / AGENT / self.file
        text = path.read_text(encoding="utf-8")
        if self.before not in text or "\n" in self.before:
            raise ValueError(f"{self.file}: no line contains {self.before!r}")
        path.write_text(text.replace(self.before, self.after, 1), encoding="utf-8")


def load_mutants() -> list[AgentMutant]:
    """Return the mutants of the file beside this module."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return [AgentMutant(**row) for row in table["mutant"]]


def red_run(mutant: AgentMutant | None, limit: float = math.inf) -> str | None:
    """Return the name of the run that fails or takes longer than `limit` seconds, or None if none does.

    Without a mutant, the agent is unchanged.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        checkout = Path(folder)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, checkout / part)
        if mutant is not None:
            mutant.apply(checkout)
        return next((name for name, arguments in RUNS.items() if _is_red(checkout, arguments, limit)), None)


def _is_red(checkout: Path, arguments: Sequence[str], limit: float) -> bool:
    """Run pytest in a fork of this process, and return whether it fails or takes longer than `limit` seconds."""
    child = os.fork()
    if not child:
        _run_pytest(checkout, arguments)
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _run_pytest(checkout: Path, arguments: Sequence[str]) -> None:
    os.setsid()
    os.chdir(checkout)
    output = os.open(checkout / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.path.insert(0, str(checkout / "harness"))
    sys.dont_write_bytecode = True
    import pytest

    os._exit(int(pytest.main([*arguments, "-x", "-q", *QUIETLY])))


def main() -> int:
    """Print a line for each mutant, and how many were noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default="", help="run the mutants whose promise or file contains this")
    parser.add_argument("--cases", action="store_true", help="run the cases only")
    options = parser.parse_args()
    for name in PRELOADED:
        importlib.import_module(name)
    if options.cases:
        del RUNS["sweep"]
    mutants = [one for one in load_mutants() if options.only in f"{one.promise} {one.file}"]
    started = time.monotonic()
    if run := red_run(None):
        sys.exit(f"the {run} must be green without a mutant; run pytest {' '.join(RUNS[run])}")
    noticed, limit = 0, HANG_FACTOR * (time.monotonic() - started)
    for mutant in mutants:
        by = red_run(mutant, limit)
        noticed += by is not None
        print(json.dumps({"by": by, "promise": mutant.promise, "file": mutant.file}), flush=True)
    print(f"{noticed} of {len(mutants)} noticed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
