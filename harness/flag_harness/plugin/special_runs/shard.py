"""`--harness-shard=i/n`: run one of n parts of the tests, so that several machines share a run."""

import heapq
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flag_harness.errors import ConfigError
from flag_harness.plugin.options.run_options import FAIL_ON_INERT_FLAG
from flag_harness.plugin.stash import nodeid_of_first_repetition

SHARD_KEY = pytest.StashKey["TestShard | None"]()
"""The stash key of the part of the tests that the run is limited to, or of None."""
_LEFT_OUT_TEST_COUNT_KEY = "flag_harness_shard_left_out"
_SHARD_OPTION_PATTERN = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class TestShard:
    """One of `shard_count` parts of the tests. `index` is counted from 1."""

    index: int
    shard_count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.shard_count}"


def configure_shard(config: pytest.Config) -> None:
    """Read the options. Raise `ConfigError` if one is invalid, or if another option needs all tests in one run."""
    text, record = config.getoption("--harness-shard"), config.getoption("--harness-shard-by")
    config.stash[SHARD_KEY] = None
    if text is None:
        if record is not None:
            raise ConfigError(f"--harness-shard-by={record} needs --harness-shard=I/N, such as 1/3")
        return
    parts = _SHARD_OPTION_PATTERN.fullmatch(text)
    if parts is None or not 1 <= int(parts[1]) <= int(parts[2]):
        raise ConfigError(f"--harness-shard={text}: type the number of a part and how many there are, such as 1/3")
    if FAIL_ON_INERT_FLAG in config.getoption("--harness-fail-on"):
        raise ConfigError(
            f"--harness-fail-on={FAIL_ON_INERT_FLAG} needs all tests in one run, because a flag may change the "
            "requests of tests in other shards; remove it or --harness-shard"
        )
    if config.getoption("--harness-verdict"):
        raise ConfigError("--harness-verdict needs all tests in one run; remove it or --harness-shard")
    shard = config.stash[SHARD_KEY] = TestShard(int(parts[1]), int(parts[2]))
    durations = _load_test_durations(config.invocation_params.dir / record) if record else {}
    config.pluginmanager.register(ShardSelector(shard, durations), "flag-harness-shard")


class ShardSelector:
    """Keeps the tests of one shard (one of n parts of all tests). `durations` has the seconds of each test in an
    earlier run.
    """

    def __init__(self, shard: TestShard, durations: Mapping[str, float]) -> None:
        self._shard, self._durations = shard, durations
        self._left_out = 0

    def pytest_report_header(self) -> str:
        """Return which part of the tests runs."""
        return f"shard: {self._shard.index} of {self._shard.shard_count}"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect the tests of other shards, after all other selections."""
        groups: dict[str, list[pytest.Item]] = {}
        for item in items:
            groups.setdefault(_name_without_parameters(item), []).append(item)
        own = set(split_tests(self._test_durations(groups), self._shard.shard_count)[self._shard.index - 1])
        left_out = [item for name, group in groups.items() if name not in own for item in group]
        self._left_out = len(left_out)
        if left_out:
            config.hook.pytest_deselected(items=left_out)
        kept = {id(item) for name in own for item in groups[name]}
        items[:] = [item for item in items if id(item) in kept]

    def _test_durations(self, groups: Mapping[str, Sequence[pytest.Item]]) -> Mapping[str, float]:
        """Return the seconds that each test takes. A test whose duration is unknown counts as an average one."""
        known = {name: self._durations[name] for name in groups if self._durations.get(name, 0.0) > 0}
        runs = sum(len(groups[name]) for name in known)
        average = sum(known.values()) / runs if runs else 1.0
        return {name: known.get(name, average * len(group)) for name, group in groups.items()}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Store the number of tests in other shards that a worker reports."""
        self._left_out = max(self._left_out, getattr(node, "workeroutput", {}).get(_LEFT_OUT_TEST_COUNT_KEY, 0))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let a run pass if all its tests are in other shards."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_LEFT_OUT_TEST_COUNT_KEY] = self._left_out
        elif self._left_out and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK


def split_tests(weights: Mapping[str, float], count: int) -> Sequence[Sequence[str]]:
    """Divide tests into `count` parts of about equal weight. The same weights always give the same parts.

    The heaviest tests are placed first, each into the part that is lightest so far.
    """
    parts: list[list[str]] = [[] for _ in range(count)]
    lightest = [(0.0, 0, index) for index in range(count)]
    for name in sorted(weights, key=lambda name: (-weights[name], name)):
        weight, tests, index = heapq.heappop(lightest)
        parts[index].append(name)
        heapq.heappush(lightest, (weight + weights[name], tests + 1, index))
    return parts


def _name_without_parameters(item: pytest.Item) -> str:
    """Return the name that all combinations and repetitions of a test share."""
    from flag_harness.matrix import node_id_without_combination  # imported here: few runs need it

    combination = getattr(getattr(item, "callspec", None), "params", {}).get("harness_combination")
    return node_id_without_combination(
        nodeid_of_first_repetition(item), combination.id if combination is not None else ""
    )


def _load_test_durations(path: Path) -> dict[str, float]:
    from flag_harness.matrix import node_id_without_combination
    from flag_harness.record import load_record

    durations: dict[str, float] = {}
    for row in load_record(path).rows:
        name = node_id_without_combination(row.case, row.combination)
        durations[name] = durations.get(name, 0.0) + row.duration
    return durations
