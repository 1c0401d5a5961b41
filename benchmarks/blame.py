"""How surely an interaction of 20 flags is located: `python benchmarks/blame.py --write docs/blame.md`.

Each agent is one of 2^20 programs with planted faults. The locator is told neither their number nor their size.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random
from statistics import median

from measuring import markdown_table, publish_section

from flag_harness.analysis.conjunctions import Conjunction
from flag_harness.analysis.locate import DEFAULT_RUN_BUDGET, CauseSearchResult, find_failure_causes
from flag_harness.matrix import FlagSpace, MatrixFlag, Row, covering_array

Fault = dict[int, bool]
"""The value of each flag (its index) that together make the agent fail."""

FLAGS = 20
SPACE = FlagSpace([MatrixFlag(f"f{index}") for index in range(FLAGS)])
ARRAY = covering_array(SPACE, 2)
FLAKY = 0.05

DESCRIPTION = f"""## How surely it is located

Measured by `python benchmarks/blame.py --write docs/blame.md`: {FLAGS} flags, 2^{FLAGS} programs, faults planted at
random, each literal on or off. The locator gets the outcomes of the {len(ARRAY)} rows of the covering array of
strength 2, asks for further rows one by one, and may spend {DEFAULT_RUN_BUDGET} runs, the array's included. It is told
neither how many faults there are nor how large they are.

- **exact**: what is named fails in the same programs as what was planted.
- **named, and undecided**: all that was planted is named, but some failing rows are not explained (flaky ones, or the
  budget was spent), and the result says so.
- **undecided**: a part is named, or nothing, and the result says why.
- **part seen**: what is named is right, but a further fault never showed in any run. The result says up to which size
  other faults are ruled out (`max_size_ruled_out`), and the fault that was missed is larger.
- **wrong**: a named conjunction holds in a program that passes, or has a literal too many, or a fault of a size that
  was ruled out exists.
"""

KINDS = ("exact", "named, and undecided", "undecided", "part seen", "wrong")


@dataclass(frozen=True, slots=True)
class Flakiness:
    """What a flaky row does: nothing, fail in half of its runs, or show a coin's outcome in each."""

    name: str = ""

    def outcome(self, passes: bool, random: Random) -> bool:
        """The outcome of a run of a flaky row."""
        if self.name == "fails at random":
            return passes and random.random() < 0.5
        return random.random() < 0.5


STEADY, FAILS, COIN = Flakiness(), Flakiness("fails at random"), Flakiness("passes and fails at random")


@dataclass(slots=True)
class Group:
    """Agents of one kind, and what became of them."""

    name: str
    agents: int
    sizes: Callable[[int, Random], Sequence[int]]
    flakiness: Flakiness = STEADY
    repeat: bool = False
    runs: list[int] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def measure(self) -> None:
        """Locate the faults of every agent."""
        for seed in range(self.agents):
            random = Random(seed)
            faults = [plant(size, random) for size in self.sizes(seed, random)]
            oracle = flaky_oracle(faults, self.flakiness, Random(seed + 1_000_000))
            location = find_failure_causes(
                SPACE, oracle, [(row, oracle(row)) for row in ARRAY], repeat=self.repeat, seed=seed
            )
            self.runs.append(location.run_count)
            self.kinds[judge(location, faults)] += 1

    def row(self) -> list[str]:
        """The group's line of the table."""
        counts = [f"{self.kinds[kind]:,}" for kind in KINDS]
        return [self.name, f"{self.agents:,}", *counts, f"{median(self.runs):g}", str(max(self.runs))]


def plant(size: int, random: Random) -> Fault:
    """A conjunction of this many literals."""
    return {index: random.random() < 0.5 for index in random.sample(range(FLAGS), size)}


def flaky_oracle(faults: Sequence[Fault], flakiness: Flakiness, random: Random) -> Callable[[Row], bool]:
    """Runs an agent. One row in twenty is flaky if the agent is."""
    flaky: dict[Row, bool] = {}

    def oracle(row: Row) -> bool:
        passes = not any(all(row[index] == value for index, value in fault.items()) for fault in faults)
        if flakiness is not STEADY and flaky.setdefault(row, random.random() < FLAKY):
            return flakiness.outcome(passes, random)
        return passes

    return oracle


def judge(location: CauseSearchResult, faults: Sequence[Fault]) -> str:
    """What became of an agent: one of `KINDS`."""
    named = [fault_of(conjunction) for conjunction in location.conjunctions]
    missed = [fault for fault in faults if not implies(fault, named)]
    if not all(is_exact(fault, faults) for fault in named):
        return "wrong"
    if not missed:
        return "exact" if location.is_decided else "named, and undecided"
    if not location.is_decided:
        return "undecided"
    return "wrong" if any(len(fault) <= location.max_size_ruled_out for fault in missed) else "part seen"


def fault_of(conjunction: Conjunction) -> Fault:
    """A named conjunction, as faults are planted."""
    return {int(literal.flag[1:]): literal.values == (True,) for literal in conjunction.literals}


def implies(fault: Fault, others: Sequence[Fault]) -> bool:
    """Whether each program with the fault has one of the others, tried on all values of all flags that they name."""
    flags = sorted({index for one in [fault, *others] for index in one} - fault.keys())
    programs = (fault | dict(zip(flags, values, strict=True)) for values in product((False, True), repeat=len(flags)))
    return all(any(one.items() <= program.items() for one in others) for program in programs)


def is_exact(fault: Fault, planted: Sequence[Fault]) -> bool:
    """Whether all programs with the fault fail, and no literal can be left out."""
    shorter = [{index: value for index, value in fault.items() if index != left_out} for left_out in fault]
    return implies(fault, planted) and not any(implies(one, planted) for one in shorter)


def one_to_three(seed: int, _: Random) -> Sequence[int]:
    """A single fault of one, two or three literals, as many of each."""
    return [seed % 3 + 1]


def two_faults(_: int, random: Random) -> Sequence[int]:
    """Two faults of one to three literals each."""
    return [random.randint(1, 3), random.randint(1, 3)]


GROUPS = (
    Group("one fault of 1, 2 or 3 literals", 10_000, one_to_three),
    Group("one fault of 1 literal", 1_000, lambda *_: [1]),
    Group("one fault of 2 literals", 1_000, lambda *_: [2]),
    Group("one fault of 3 literals", 1_000, lambda *_: [3]),
    Group("one fault of 4 literals", 1_000, lambda *_: [4]),
    Group("two faults of 1 to 3 literals", 1_000, two_faults),
    Group("one fault of 1 to 3; 5 % of rows fail at random", 1_000, one_to_three, FAILS),
    Group("the same, `repeat=True`", 1_000, one_to_three, FAILS, repeat=True),
    Group("one fault of 1 to 3; 5 % of rows pass and fail at random", 1_000, one_to_three, COIN),
    Group("the same, `repeat=True`", 1_000, one_to_three, COIN, repeat=True),
)


def main() -> None:
    """Measure, and print or write the table."""
    start = time.process_time()
    for group in GROUPS:
        group.measure()
    agents = sum(group.agents for group in GROUPS)
    seconds = (time.process_time() - start) / agents
    header = ["planted", "agents", *KINDS, "median runs", "most runs"]
    table = markdown_table(header, [group.row() for group in GROUPS])
    lines = [table, "", f"{seconds * 1000:.0f} ms of CPU per agent."]
    publish_section("blame", "\n".join([DESCRIPTION, *lines]), "Locate planted interactions of 20 flags.")


if __name__ == "__main__":
    main()
