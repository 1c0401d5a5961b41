"""Change the package in one small way at a time, and count the changes that the tests notice.

`python benchmarks/mutants.py --count=200 --seed=1` draws mutants of the package, and weaves them into a copy, each
behind a switch. One pytest collects all tests, and forks. One test of each function in the files nearest to a mutant
runs, which shows what comes to it. Then the mutant is switched on for the tests that come to it, and, if they notice
nothing, for more of them, for their neighbours, and for the other tests of the room. A mutant that runs when modules
are imported is written into the copy, and tried by a pytest of its own. A test that fails without the mutant too does
not count.

The folder beside the checkout (`--folder`) keeps the copy and all results: the same command again goes on where it
stopped. `--checkout=OTHER` draws from another checkout, with its own `.venv`, by the same rules.
"""

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mutant_judge import Judge, Round, Verdict, judged_rows
from mutant_workshop import Workshop
from mutations import Mutant, mutants_of, weave

ROOT = Path(__file__).parents[1]
ROUNDS = (Round(60, 300, 1, neighbours=True),)
"""What runs in a pytest of its own."""


def draw(workshop: Workshop, count: int, seed: int) -> list[Mutant]:
    """Draw mutants of the package."""
    paths = sorted(workshop.original.rglob("*.py"))
    found = [one for path in paths for one in mutants_of(path, str(path.relative_to(workshop.original)))]
    random.Random(seed).shuffle(found)
    drawn: list[Mutant] = []
    while found and len(drawn) < count:
        mutant = found.pop()
        if mutant.is_valid(workshop.source(mutant.file)):
            drawn.append(mutant)
    return drawn


def weave_all(workshop: Workshop, mutants: list[Mutant]) -> set[int]:
    """Weave the mutants into the copy; return the numbers of those that it holds."""
    by_file = defaultdict(list)
    for number, mutant in enumerate(mutants):
        by_file[mutant.file].append((number, mutant))
    numbers = set()
    for file, numbered in by_file.items():
        source, woven = weave(workshop.source(file), numbered, workshop.call)
        workshop.write(file, source)
        numbers |= woven
    return numbers


def run_alone(workshop: Workshop, mutants: list[Mutant]) -> Callable[..., Verdict]:
    """Return what runs functions in a pytest of their own."""

    def run(job: str, active: str, functions: list[str], seconds: float, *, stop: bool) -> Verdict:
        mutant = mutants[int(job)]
        source = workshop.source(mutant.file)
        workshop.write(mutant.file, mutant.change(source) if active == job else source)
        try:
            return workshop.run_tests(functions, seconds)
        finally:
            workshop.write(mutant.file, source)

    return run


def judge_alone(workshop: Workshop, mutants: list[Mutant]) -> None:
    """Judge the mutants that no fork has judged."""
    judge = Judge(workshop.folder, [], run_alone(workshop, mutants), ROUNDS)
    judge.recall()
    judge.tests_by_function = {function: [function] for function in judge.seconds}
    judge.seconds = {function: one * judge.counts.get(function, 1) for function, one in judge.seconds.items()}
    judged = judged_rows(workshop.folder)
    for row in judge.plan["mutants"]:
        if row["number"] not in judged:
            with (workshop.folder / "rows.jsonl").open("a") as file:
                file.write(json.dumps({**judge.judge(row), "alone": True}) + "\n")


def main() -> int:
    """Print a line for each mutant that survives, and how many were killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=40, help="how many mutants to draw (40)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw (1)")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="another one, with its own .venv (this)")
    parser.add_argument("--folder", type=Path, help="where the copy and the results are kept (CHECKOUT-mutants)")
    parser.add_argument("--first", type=int, help="judge no more of those that are drawn than this")
    parser.add_argument("--jobs", type=int, default=2, help="how many forks run at once (2)")
    options = parser.parse_args()
    checkout = options.checkout.resolve()
    folder = options.folder or checkout.with_name(f"{checkout.name}-mutants")
    workshop = Workshop(folder.resolve(), checkout)
    workshop.set_up()
    mutants = draw(workshop, options.count, options.seed)
    woven = weave_all(workshop, mutants)
    rows = [
        {**asdict(mutant), "number": number, "name": mutant.name, "woven": number in woven}
        for number, mutant in enumerate(mutants)
    ]
    plan = {"seed": options.seed, "jobs": options.jobs, "mutants": rows[: options.first]}
    (workshop.folder / "plan.json").write_text(json.dumps(plan))
    (workshop.folder / "hits.txt").touch()
    workshop.run()
    workshop.restore()
    judge_alone(workshop, mutants)
    judged = judged_rows(workshop.folder)
    report([judged[row["number"]] for row in plan["mutants"]])
    return 0


def report(rows: list[dict[str, Any]]) -> None:
    """Print the survivors, and the counts."""
    survivors = [row for row in rows if not row["killer"]]
    for row in survivors:
        print(f"{row['name']}: {row['before']!r} ({row['hits']} functions come to it)")
    kinds = Counter(row["kind"] for row in survivors)
    print(f"{len(rows) - len(survivors)} of {len(rows)} killed; survivors: {dict(kinds)}")


if __name__ == "__main__":
    sys.exit(main())
