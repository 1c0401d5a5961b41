"""Read the options of a sweep, and decide whether it runs the tests of the suite or one agent."""

import difflib
import re
from collections.abc import Sequence
from time import time
from typing import Any

import pytest

from flag_harness.errors import HarnessError
from flag_harness.plugin.marks import CONFIG_KEY

_KEYWORD_OPERATORS = frozenset({"and", "or", "not"})
_KEYWORD_PATTERN = re.compile(r"[\w:+\-.\[\]/\\]+")
"""Matches a word of the expression after `-k`, as pytest reads it."""
_RUNS_AGENT_WORKER_INPUT, _START_TIME_WORKER_INPUT = "flag_harness_sweep_runs_agent", "flag_harness_sweep_started"


def configure_sweep(config: pytest.Config) -> None:
    """Register the sweep if the command line has `--harness-sweep`. Raise `HarnessError` if it cannot run."""
    selected = config.getoption("--harness-sweep")
    if selected is None:
        _refuse_options_without_sweep(config)
        return
    if _is_sweep_of_one_agent(config, selected):
        from flag_harness.plugin.sweep.agent_items import configure_agent_sweep  # imported here: few runs need it

        configure_agent_sweep(config)
        return
    from flag_harness.plugin.sweep.suite_items import SuiteSweep  # imported here: other runs do not need it

    config.pluginmanager.register(SuiteSweep(config, tuple(selected.split(","))), "flag-harness-sweep")


def _refuse_options_without_sweep(config: pytest.Config) -> None:
    given = {name: config.getoption(f"harness_{name}s") for name in ("surprise", "interrupt")}
    given["tool-trouble"] = config.getoption("harness_tool_troubles")
    given["sweep-baseline"] = [path for path in [config.getoption("--harness-sweep-baseline")] if path]
    given["sweep-budget"] = [seconds for seconds in [config.getoption("--harness-sweep-budget")] if seconds]
    for name, values in given.items():
        if values:
            raise HarnessError(f"--harness-{name}={values[0]} belongs to a sweep; add --harness-sweep")


def _is_sweep_of_one_agent(config: pytest.Config, selected: str) -> bool:
    """Return whether the sweep runs one agent instead of tests. A worker of pytest-xdist gets the answer from the main
    process.

    The sweep runs an agent if the command line names one, or if it names no tests and `[tool.flag-harness.sweep]` is
    missing.
    """
    if hasattr(config, "workerinput"):
        return bool(config.workerinput[_RUNS_AGENT_WORKER_INPUT])
    names_tests = config.args_source is pytest.Config.ArgsSource.ARGS and not config.args[0].startswith("sweep::")
    has_table = config.stash[CONFIG_KEY].sweep is not None
    is_over_tests = names_tests or has_table or selected != "faults"
    runs_agent = bool(config.getoption("--harness-agent")) or not is_over_tests
    config.pluginmanager.register(_WorkerNotifier(runs_agent))
    return runs_agent


class _WorkerNotifier:
    """Tells workers of pytest-xdist whether the sweep runs one agent, and when the run has started."""

    def __init__(self, runs_agent: bool) -> None:
        self._runs_agent, self._started = runs_agent, time()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker whether the sweep runs one agent, and when the run has started."""
        node.workerinput.update({_RUNS_AGENT_WORKER_INPUT: self._runs_agent, _START_TIME_WORKER_INPUT: self._started})


def seconds_since_start(config: pytest.Config) -> float:
    """Return the seconds since the main process has started a run with workers, or 0 without workers."""
    return max(0.0, time() - config.workerinput[_START_TIME_WORKER_INPUT]) if hasattr(config, "workerinput") else 0.0


def refuse_fault_as_keyword(expression: str) -> None:
    """Raise `HarnessError` if the value of `-k` is a fault such as `reset:on=1`, which pytest cannot parse."""
    if re.fullmatch(r"\s*(?:sweep::)?\w+:[^\s=]+=\S+\s*", expression):
        fault = expression.strip().removeprefix("sweep::")
        raise HarnessError(
            f"-k {expression!r}: -k takes words, such as {fault.partition(':')[0]!r}; for this fault alone: "
            f"--harness-fault={fault}"
        )


def lines_that_suggest_other_keyword(
    config: pytest.Config, items: Sequence[pytest.Item], item_names: Sequence[str]
) -> list[str]:
    """Return lines that suggest another `-k` if it selects none of the sweep's items, which are `item_names`."""
    expression = config.getoption("keyword")
    return [] if items or not expression or not item_names else [suggest_other_keyword(expression, item_names)]


def suggest_other_keyword(expression: str, item_names: Sequence[str]) -> str:
    """Return a line that names the items most similar to what `-k` asked for, and says what to write."""
    words = [word for word in _KEYWORD_PATTERN.findall(expression) if word not in _KEYWORD_OPERATORS]
    parts = list(dict.fromkeys(part for name in item_names for part in re.split(r"::|\[|\]|:", name) if part))
    known = [word for word in words if any(word.lower() in name.lower() for name in item_names)]
    unknown = [word for word in words if word not in known]
    what = f"-k {expression!r} selects none of the {len(item_names)} items of the sweep"
    if not unknown:
        nearest = max(item_names, key=lambda name: sum(word.lower() in name.lower() for word in words))
        return f"{what}: no item has all of it; the nearest is {nearest}. Write -k with fewer words."
    [nearest] = difflib.get_close_matches(unknown[0].rpartition("::")[2], parts, n=1, cutoff=0.0)
    return f"{what}: none has {unknown[0]!r} in its name, and the nearest is {nearest!r}. Write -k {nearest}."
