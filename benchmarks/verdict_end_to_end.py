"""Verdicts on an agent that asks the simulator: planted harm must be named, and harmless flags must be decided.

`python benchmarks/verdict_end_to_end.py --seeds=100` runs, for each seed, two tests of a small agent in rounds: without
flags and under each of four flags alone, or under all combinations of two flags. Words that a flag adds to the prompt
make the simulated model fail in 20 % of its answers instead of 5 %. Evidence is collected and judged by the package,
from rows as pytest writes them.

`--session` judges 100 harmless flags in one real session of pytest with `--harness-verdict=all`, as a user types it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flag_harness.analysis.verdict.evidence import EvidenceTable, FlagChange, flag_changes
from flag_harness.analysis.verdict.judgment import SequentialJudge, judge_flags
from flag_harness.flag import Flag
from flag_harness.record import RunRow
from flag_harness.simulator import Scenario, parse_scenario, simulate
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Request

SCENARIO = """
paired = {paired}

[[turn]]
when = {{ user_contains = "strict" }}
weight = 0.80
text = "It is refunded."

[[turn]]
when = {{ user_contains = "strict" }}
weight = 0.20
text = "No."

[[turn]]
weight = 0.95
text = "It is refunded."

[[turn]]
weight = 0.05
text = "No."
"""
PAIRED, UNPAIRED = (parse_scenario(SCENARIO.format(paired=word)) for word in ("true", "false"))
TESTS = ("test_one", "test_two")
FLAGS = [Flag(name, env=name.upper()) for name in ("strict", "fast", "short", "new")]
HEADERS = (("x-api-key", "k"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
LOOK_EVERY = 20
"""Rounds between two looks of this benchmark; the p-values are those of a look after every round."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that is strict if all of these flags are on."""

    strict_if: tuple[str, ...] = ()

    def run(self, scenario: Scenario, on: tuple[str, ...], test: str, repetition: int, seed: int) -> bool:
        """Ask the simulator, and return whether the answer is right."""
        strict = bool(self.strict_if) and set(self.strict_if) <= set(on)
        arm = "" if scenario.paired else "+".join(on)
        return _is_refunded(scenario.paired, strict, arm, test, repetition, seed)


@lru_cache(maxsize=10_000)
def _is_refunded(paired: bool, strict: bool, arm: str, test: str, repetition: int, seed: int) -> bool:
    """Return whether the simulated model refunds the order. Equal questions of one round have equal answers."""
    text = "Refund the order. Be strict." if strict else "Refund the order."
    body = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": [{"role": "user", "content": text}]}
    request = Request("POST", "https://api.anthropic.com/v1/messages", HEADERS, json.dumps(body).encode())
    scenario = PAIRED if paired else UNPAIRED
    simulator = simulate(scenario, draws=(seed, test, repetition), arm=arm)
    return "refunded" in parse_response(simulator(request)).blocks[0]["text"]


def run_round(
    agent: Agent, scenario: Scenario, arms: Sequence[tuple[str, ...]], names: Sequence[str], number: int, seed: int
) -> Iterator[RunRow]:
    """Yield the rows of one round over all tests and arms."""
    for test in TESTS:
        for on in arms:
            combination = "+".join(on) or "off"
            passed = agent.run(scenario, on, test, number, seed)
            yield RunRow(
                case=f"test_it.py::{test}[{combination}]",
                combination=combination,
                outcome="passed" if passed else "failed",
                values={name: name in on for name in names},
                repetition=number,
                answered_by="simulator",
            )


def judge_until_decided(
    agent: Agent, scenario: Scenario, flags: Sequence[Flag], arms: Sequence[tuple[str, ...]], rounds: int, seed: int
) -> tuple[dict[str, str], int]:
    """Return the decision on each flag, and the rounds after which all of them were decided."""
    changes: list[FlagChange] = [change for flag in flags for change in flag_changes(flag, False)]
    names, table, judge = [flag.name for flag in flags], EvidenceTable(), SequentialJudge()
    for number in range(rounds):
        for row in run_round(agent, scenario, arms, names, number, seed):
            table.add_row(row)
        if number % LOOK_EVERY == LOOK_EVERY - 1 and all(
            judge.are_flags_decided([*map(table.evidence_of_change, changes)])
        ):
            break
    verdicts = judge_flags([*map(table.evidence_of_change, changes)])
    return {verdict.flag_change: verdict.decision for verdict in verdicts}, number + 1


def single_arms(flags: Sequence[Flag]) -> list[tuple[str, ...]]:
    """Return the defaults, and each flag alone."""
    return [(), *((flag.name,) for flag in flags)]


def all_arms(flags: Sequence[Flag]) -> list[tuple[str, ...]]:
    """Return all combinations of two flags."""
    first, second = (flag.name for flag in flags)
    return [(), (first,), (second,), (first, second)]


def plant_harm(seeds: int, rounds: int, scenario: Scenario, harmful: tuple[str, ...]) -> str:
    """Return how many seeds failed exactly the flags that do harm."""
    flags = FLAGS if len(harmful) == 1 else FLAGS[:2]
    arms = single_arms(flags) if len(harmful) == 1 else all_arms(flags)
    found, blamed, taken = 0, 0, []
    for seed in range(seeds):
        decisions, number = judge_until_decided(Agent(harmful), scenario, flags, arms, rounds, seed)
        found += all(decisions[name] == "FAIL" for name in harmful)
        blamed += any(decision == "FAIL" for name, decision in decisions.items() if name not in harmful)
        taken.append(number)
    return (
        f"named in {found} of {seeds} seeds, another one blamed in {blamed}; median {sorted(taken)[seeds // 2]} rounds"
    )


def judge_harmless(seeds: int, rounds: int, scenario: Scenario) -> str:
    """Return how many of 100 harmless flags were failed and decided, over some seeds."""
    flags = [Flag(f"flag{number}", env=f"FLAG{number}") for number in range(100)]
    failed, decided = [], []
    for seed in range(seeds):
        decisions, _ = judge_until_decided(Agent(), scenario, flags, single_arms(flags), rounds, seed)
        failed.append(sum("HARM" in decision or decision == "FAIL" for decision in decisions.values()))
        decided.append(sum(decision != "INCONCLUSIVE" for decision in decisions.values()))
    return f"failed: {failed}, decided: {decided} of 100 in each of {seeds} seeds"


SESSION_TEST = """
import httpx2, pytest

URL = "https://api.anthropic.com/v1/messages"
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
BODY = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": [{"role": "user", "content": "Refund the order."}]}
CLIENT = httpx2.Client(headers=HEADERS)

@pytest.mark.flag_matrix
@pytest.mark.scenario("shop")
def test_refund(cassette):
    assert "refunded" in CLIENT.post(URL, json=BODY).json()["content"][0]["text"]
"""


def judge_session(flags: int, rounds: int, paired: bool, seed: int) -> str:
    """Judge harmless flags in one session of pytest, and return its decisions, its trials and its CPU time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = "".join(f'flag{number} = "FLAG{number}"\n' for number in range(flags))
        (folder / "pyproject.toml").write_text(f"[tool.flag-harness.flags]\n{names}")
        (folder / "fixtures" / "scenarios").mkdir(parents=True)
        (folder / "fixtures" / "scenarios" / "shop.toml").write_text(SCENARIO.format(paired=str(paired).lower()))
        (folder / "test_it.py").write_text(SESSION_TEST)
        options = ["--harness-verdict=all", f"--harness-repeat={rounds}", "--harness-upstream=simulator"]
        options += ["--disable-recording", f"--harness-seed={seed}", "--harness-record=run.jsonl"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        before = os.times()
        code = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.DEVNULL).returncode
        after = os.times()
        header, *rows = (folder / "run.jsonl").read_bytes().splitlines()
    words = [one["verdict"] for one in json.loads(header)["verdicts"]]
    decided, failed = (
        sum(word != "inconclusive" for word in words),
        sum("harm" in word or word == "fail" for word in words),
    )
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return (
        f"failed: {failed}, decided: {decided} of {flags}, exit code {code}; "
        f"{len(rows)} trials of at most {(flags + 1) * rounds}, {1000 * seconds / len(rows):.1f} ms of CPU each"
    )


def main() -> None:
    """Print one line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--harmless-seeds", type=int, default=3)
    parser.add_argument("--session", action="store_true", help="judge 100 flags in one session of pytest")
    parser.add_argument("--session-flags", type=int, default=100)
    parser.add_argument("--only", default="", help="only cases whose name contains this text")
    arguments = parser.parse_args()
    if arguments.session:
        for word, rounds, is_paired in (("paired (simulator only)", 100, True), ("unpaired", 600, False)):
            if arguments.only in word:
                line = judge_session(arguments.session_flags, rounds, is_paired, seed=0)
                print(f"one session, {word}, --harness-repeat={rounds}: {line}", flush=True)
        return
    seeds = arguments.seeds
    cases: dict[str, Callable[[], str]] = {
        "harm of one flag, paired (simulator only), 400 pairs": lambda: plant_harm(seeds, 400, PAIRED, ("strict",)),
        "harm of two flags together, paired (simulator only), 400 pairs": lambda: plant_harm(
            seeds, 400, PAIRED, ("strict", "fast")
        ),
        "harm of one flag, unpaired, 400 trials an arm": lambda: plant_harm(seeds, 400, UNPAIRED, ("strict",)),
        "harm of two flags together, unpaired, 400 trials an arm": lambda: plant_harm(
            seeds, 400, UNPAIRED, ("strict", "fast")
        ),
        "100 harmless flags, paired (simulator only), 100 rounds": lambda: judge_harmless(
            arguments.harmless_seeds, 100, PAIRED
        ),
        "100 harmless flags, unpaired, 600 rounds": lambda: judge_harmless(arguments.harmless_seeds, 600, UNPAIRED),
    }
    for name, run in cases.items():
        if arguments.only not in name:
            continue
        started = time.monotonic()
        print(f"{name}: {run()} ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
