"""Chooses the tests that run a mutant, and judges it by them."""

import json
import os
import random
import re
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutant_hits import append_line

NEAR = (3, 3)
"""How many of the nearest test files to learn from for a mutant, and how many more if none of them comes to it."""
LEARN_SECONDS = 100
"""How long the tests of one file may take to learn from them; those that come later are left out."""
PATIENCE = 120
"""Seconds that a run may take, besides eight times what its tests took before. A mutant that takes longer hangs."""


ROOM_SECONDS = 300
"""How long the other tests of a mutant's room may take, if those that come to it notice nothing."""
AGAIN, HANGS = "again", "hangs"
SLOW = 3
"""Seconds from which on a test is tried after the others."""


@dataclass(frozen=True)
class Verdict:
    """How a process ended that ran tests (None: too late), and the tests' steps."""

    status: int | None
    rows: list[Any]

    @property
    def failure(self) -> str:
        """Name the first test that failed, or say how the process failed, or return an empty string."""
        failed = [test for test, _, outcome, _ in self.rows if outcome == "failed"]
        if failed:
            return failed[0]
        return "" if self.status in (0, 5) else HANGS if self.status is None else f"ends with {self.status}"

    def passed(self) -> dict[str, float]:
        """Return the tests that passed, and their seconds."""
        steps = defaultdict(list)
        for test, _, outcome, seconds in self.rows:
            steps[test].append((outcome, seconds))
        return {
            test: round(sum(seconds for _, seconds in rows), 3)
            for test, rows in steps.items()
            if len(rows) == 3 and all(outcome == "passed" for outcome, _ in rows)
        }


@dataclass(frozen=True)
class Round:
    """How many seconds of tests to run, how many tests, how many of one function, and whether neighbours run too."""

    seconds: float
    count: int
    of_each: int
    neighbours: bool


ROUNDS = (Round(30, 150, 8, neighbours=False), Round(120, 600, 100, neighbours=True))
"""What runs at first, and what if that notices nothing."""


class Judge:
    """Tries the mutants of `plan.json` on tests. `run` takes a job's name, what is active, tests and seconds."""

    def __init__(
        self, folder: Path, tests: list[str], run: Callable[..., Verdict], rounds: Iterable[Round] = ROUNDS
    ) -> None:
        self.folder = folder
        self.run = run
        self.rounds = rounds
        self.plan = json.loads((folder / "plan.json").read_text())
        self.tests_by_function = defaultdict(list)
        for test in tests:
            self.tests_by_function[function_of(test)].append(test)
        self.learnt: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.hits: dict[int, set[str]] = defaultdict(set)
        self.unsound: set[str] = set()

    def learn(self, files: Iterable[str]) -> None:
        """Run one test of each function of some files, unless that has been done, and keep what each comes to."""
        self.recall()
        for file in (one for one in files if one not in self.learnt):
            tests = self.one_of_each(file)
            job = re.sub("[^a-z_]", "-", file)
            passed = self.run(f"learn-{job}", "learn", tests, LEARN_SECONDS, stop=False).passed()
            came = (self.folder / "hits.txt").read_text().splitlines()
            hits = [(int(number), test) for number, _, test in (line.partition(" ") for line in came)]
            row = {
                "file": file,
                "seconds": {function_of(test): seconds for test, seconds in passed.items()},
                "counts": {one: len(self.tests_by_function[one]) for one in map(function_of, tests)},
                "hits": sorted({(number, function_of(test)) for number, test in hits if file_of(test) == file}),
            }
            append_line("learnt.jsonl", json.dumps(row))
        self.recall()

    def recall(self) -> None:
        """Read what this process and others have learnt."""
        for row in read_rows(self.folder / "learnt.jsonl"):
            self.learnt.add(row["file"])
            self.seconds |= row["seconds"]
            self.counts |= row["counts"]
            for number, function in row["hits"]:
                self.hits[number].add(function)

    def nearest(self, file: str) -> list[str]:
        """Return the test files that are nearest to a module."""
        files = {file_of(function) for function in self.tests_by_function}
        return sorted(files, key=lambda one: (distance(one, file), one))[: sum(NEAR)]

    def judge_all(self) -> None:
        """Judge each mutant that tests come to, and append a row to `rows.jsonl`."""
        jobs = self.plan["jobs"]
        judged = judged_rows(self.folder)
        rows = [judged.get(row["number"], row) for row in self.plan["mutants"]]
        rows = [row for row in rows if not ({"room", "alone"} & row.keys() or row.get("killer"))]

        def judge_share(job: int) -> None:
            for row in rows[job::jobs]:
                if "killer" not in row and not self.is_reached(row):
                    continue
                judged = row if "killer" in row else self.judge(row)
                if not judged["killer"]:
                    judged = self.judge_survivor(judged)
                append_line("rows.jsonl", json.dumps(judged))

        in_processes(jobs, judge_share)

    def is_reached(self, row: dict[str, Any]) -> bool:
        """Whether a test comes to a mutant in a fork: not if it is run when modules are imported."""
        nearest = self.nearest(row["file"])
        self.learn(nearest[: NEAR[0]])
        if not self.known(row):
            self.learn(nearest)
        return row["woven"] and row["in_function"] and bool(self.known(row))

    def known(self, row: dict[str, Any]) -> set[str]:
        """Return the functions whose tests come to a mutant."""
        return {function for function in self.hits[row["number"]] if function in self.seconds}

    def judge(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row, with the test that notices the mutant, or an empty string."""
        ran: list[str] = []
        killer = ""
        for limits in self.rounds:
            if limits.neighbours:
                self.learn(self.nearest(row["file"]))
            killer = AGAIN
            while killer == AGAIN:
                tests = self.choose(row, {*ran, *self.unsound}, limits)
                killer = self._killer(row, tests) if tests else ""
            ran += tests
            if killer:
                break
        return {**row, "killer": killer, "tests": len(ran), "hits": len(self.known(row))}

    def judge_survivor(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row of a mutant that has survived, after one test of each other function of its room."""
        killer = AGAIN
        while killer == AGAIN:
            tests = [one for file in self.room(row["file"]) for one in self.one_of_each(file)]
            tests = [one for one in tests if one not in self.unsound]
            killer = self._killer(row, tests, ROOM_SECONDS) if tests else ""
        return {**row, "killer": killer, "tests": row["tests"] + len(tests), "room": True}

    def room(self, file: str) -> list[str]:
        """Return the test files of a module's room that nothing has been learnt from, the nearest first."""
        room = file.partition("/")[0].removesuffix(".py")
        files = {file_of(function) for function in self.tests_by_function} - self.learnt
        near = [one for one in files if one.startswith((f"tests/{room}/", f"tests/test_{room}"))]
        return sorted(near, key=lambda one: (distance(one, file), one))

    def one_of_each(self, file: str) -> list[str]:
        """Draw a test of each function of a file."""
        drawn = random.Random(f"{self.plan['seed']} {file}")
        return [drawn.choice(tests) for function, tests in self.tests_by_function.items() if file_of(function) == file]

    def _killer(self, row: dict[str, Any], tests: list[str], limit: float | None = None) -> str:
        """Return what notices a mutant within the time; AGAIN if that fails without the mutant as well."""
        job = str(row["number"])
        seconds = limit or PATIENCE + 8 * sum(self.seconds.get(function_of(test), 1) for test in tests)
        killer = self.run(job, job, tests, seconds, stop=True).failure
        if not killer or (limit and killer == HANGS):
            return ""
        before = tests[: tests.index(killer) + 1] if killer in tests else tests
        without = self.run(job, "none", before, seconds, stop=True).failure
        if not without:
            return killer
        if without not in tests:
            return ""
        self.unsound.add(without)
        return AGAIN

    def choose(self, row: dict[str, Any], ran: set[str], limits: Round) -> list[str]:
        """Draw tests that come to a mutant, the nearest files first, then its neighbours."""
        drawn = random.Random(f"{self.plan['seed']} {row['name']}")
        known = self.known(row)
        near = set(self.nearest(row["file"])) if limits.neighbours else set()
        functions = sorted(one for one in self.seconds if one in known or file_of(one) in near)
        drawn.shuffle(functions)
        places = {one: (distance(file_of(one), row["file"]), file_of(one)) for one in functions}
        functions.sort(key=lambda one: (one not in known, self.seconds[one] > SLOW, places[one]))
        chosen: list[str] = []
        seconds = limits.seconds
        for function in functions:
            tests = sorted(test for test in self.tests_by_function[function] if test not in ran)
            for test in drawn.sample(tests, min(limits.of_each, len(tests))):
                if len(chosen) < limits.count and self.seconds[function] <= seconds:
                    seconds -= self.seconds[function]
                    chosen.append(test)
        return chosen


def in_processes(count: int, work: Callable[[int], Any]) -> None:
    """Do some work in several processes. In a fork of a thread, virtual time does not know the tests' threads."""
    pids = []
    for job in range(count):
        pid = os.fork()
        if not pid:
            try:
                work(job)
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


def read_rows(path: Path) -> list[Any]:
    """Return the rows of a file of results."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def judged_rows(folder: Path) -> dict[int, dict[str, Any]]:
    """Return the last row of each mutant."""
    return {row["number"]: row for row in read_rows(folder / "rows.jsonl")}


def function_of(test: str) -> str:
    """Return a test without its parameters."""
    return test.partition("[")[0]


def file_of(test: str) -> str:
    """Return the file of a test."""
    return test.partition("::")[0]


def distance(test_file: str, file: str) -> float:
    """Return how far a test file is from a module: less, the more words of their folders and names are the same."""
    tests, module = (_words(one) for one in (test_file, file))
    rooms = len(tests[0] & module[0])
    names = len(tests[1] & module[1]) / len(tests[1] | module[1])
    return -(rooms + 3 * names + (len(tests[1] & module[0]) + len(tests[0] & module[1])) / 2)


def _words(path: str) -> tuple[set[str], set[str]]:
    folder, _, name = path.removesuffix(".py").removeprefix("tests/").rpartition("/")
    return set(re.findall("[a-z]+", folder)), set(re.findall("[a-z]+", name.removeprefix("test_")))
