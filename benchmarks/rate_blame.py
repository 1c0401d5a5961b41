"""How often blame on rates names the right flags: a flag or a pair of flags that breaks some answers, among others.

`python benchmarks/rate_blame.py --flags=3` runs one test under all combinations of three flags, and judges the rows
with the package. It passes in 95 % of its runs, and less often if all harmful flags are on.
"""

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

from flag_harness.analysis.verdict.evidence import collect_evidence
from flag_harness.analysis.verdict.judgment import judge_flags
from flag_harness.analysis.verdict.rate_blame import harmful_combination_lines
from flag_harness.analysis.verdict.recorded import all_flag_changes
from flag_harness.flag import Flag
from flag_harness.record import RunRow

RATE = 0.95
CASES = (((), 0.0), (("f0",), 0.15), (("f0",), 0.30), (("f0", "f1"), 0.15), (("f0", "f1"), 0.30))
"""The harmful flags, and the share of answers that they break."""


def draw_rows(names: Sequence[str], harmful: tuple[str, ...], loss: float, rounds: int, seed: int) -> Iterator[RunRow]:
    """Yield the rows of all combinations in all rounds."""
    draw = random.Random(seed)
    for row in product((False, True), repeat=len(names)):
        values = dict(zip(names, row, strict=True))
        combination = "+".join(name for name in names if values[name]) or "off"
        rate = RATE - loss if harmful and all(values[name] for name in harmful) else RATE
        for number in range(rounds):
            yield RunRow(
                case=f"test_it.py::test_refund[{combination}]",
                combination=combination,
                values=values,
                outcome="passed" if draw.random() < rate else "failed",
                repetition=number,
            )


def judge_seed(flags: int, harmful: tuple[str, ...], loss: float, rounds: int, seed: int) -> str:
    """Return what the verdicts and the lines of blame come to for one seed."""
    names = [f"f{number}" for number in range(flags)]
    changes = all_flag_changes([Flag(name, env=name.upper()) for name in names], {})
    rows = list(draw_rows(names, harmful, loss, rounds, seed))
    lines = list(harmful_combination_lines(rows, changes))
    failed = {one.flag_change for one in judge_flags(collect_evidence(rows, changes)) if one.harmed_strata}
    blamed = [set(re.findall(r"f\d", line.partition(" together")[0])) for line in lines]
    is_wrong = any(not one >= set(harmful) or not harmful for one in blamed) or bool(failed - set(harmful))
    if is_wrong:
        return "wrong"
    is_named = failed == set(harmful) if len(harmful) < 2 else set(harmful) in blamed
    is_sure = not any("cannot tell" in line for line in lines)
    return ("named" if is_sure else "named, parts open") if is_named and harmful else "nothing named"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--flags", type=int, default=3, help="the number of flags (default: %(default)s)")
    arguments = parser.parse_args()
    print("| flags | harm | of answers | rounds | named | named, parts open | nothing named | wrong |")
    print("|---|---|---|---|---|---|---|---|")
    for rounds, (harmful, loss) in product((100, 400), CASES):
        flags = arguments.flags
        found = Counter(judge_seed(flags, harmful, loss, rounds, seed) for seed in range(arguments.seeds))
        counts = [found[word] for word in ("named", "named, parts open", "nothing named", "wrong")]
        harm = " and ".join(harmful) or "none"
        cells = [flags, harm, f"{loss:.0%}" if harmful else "", rounds, *counts]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
