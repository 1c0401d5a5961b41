"""Add the options of a sweep."""

import argparse
import re

import pytest

DEFAULT_SWEEPS = ("faults", "surprises", "interrupts", "kills", "tools")
"""The names of the sweeps that run if `--harness-sweep` names none."""
SCHEDULES_SWEEP, TOOLS_SWEEP = "schedules", "tools"
_SECONDS_BY_UNIT = {"s": 1, "m": 60, "min": 60, "h": 3600}


def add_sweep_options(group: pytest.OptionGroup) -> None:
    """Add `--harness-sweep`, and the options that select or compare its troubles."""
    group.addoption(
        "--harness-sweep",
        nargs="?",
        const=",".join(DEFAULT_SWEEPS),
        default=None,
        type=_parse_sweep_names,
        metavar="KINDS",
        help="run each test that uses `cassette` or `cassette_server` again under every trouble, at every point of a "
        f"stream: {', '.join(DEFAULT_SWEEPS)} (default: all), or under schedules of several troubles; with "
        "--harness-fault, --harness-surprise, --harness-interrupt or --harness-tool-trouble: only those. With "
        "--harness-agent, or an agent in [tool.flag-harness] and no tests named: that agent instead of tests",
    )
    _add_trouble_options(group)
    _add_extent_options(group)
    group.addoption(
        "--harness-agent",
        metavar="MODULE:NAME",
        default=None,
        help="an agent to sweep instead of tests, as docs/agents.md describes",
    )


def _add_trouble_options(group: pytest.OptionGroup) -> None:
    """Add the options that select single surprises, interrupts and tool troubles."""
    for name, metavar, example in (
        ("surprise", "NAME:on=N", "cut_call:on=2"),
        ("interrupt", "POINT:on=N", "inside_text:on=2"),
        ("tool-trouble", "NAME:on=N", "tool_raises:on=2"),
    ):
        group.addoption(
            f"--harness-{name}",
            action="append",
            default=[],
            dest=f"harness_{name.replace('-', '_')}s",
            metavar=metavar,
            help=f"with --harness-sweep: only this {name} (repeatable), such as {example}",
        )


def _add_extent_options(group: pytest.OptionGroup) -> None:
    """Add the options that limit the number of runs and their time, and the file of known failures."""
    group.addoption(
        "--harness-runs",
        type=int,
        default=20,
        metavar="N",
        help="with --harness-sweep=schedules: the number of schedules for each test (default: 20); --harness-seed is "
        "the seed of the first",
    )
    group.addoption(
        "--harness-sweep-budget",
        metavar="TIME",
        default=None,
        type=_parse_time_budget,
        help="the time that a sweep over tests may take, such as 60s or 5m: it tries the most informative troubles "
        "first, starts no run that would probably end after that time, and says what it has not tried",
    )
    group.addoption(
        "--harness-sweep-baseline",
        metavar="FILE",
        default=None,
        help="compare a sweep over tests with an earlier one in FILE: known failures pass, and new ones and "
        "troubles from which the agent no longer recovers fail. A file that does not exist is written",
    )


def _parse_time_budget(text: str) -> float:
    """Return the seconds in a text such as `60s`, `5m` or `1h`. Raise `ArgumentTypeError` for any other text."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    seconds = float(found[1]) * _SECONDS_BY_UNIT[found[2] or "s"] if found else 0.0
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time above 0; type 60s, 5m or 1h")
    return seconds


def _parse_sweep_names(text: str) -> str:
    wrong = [name for name in text.split(",") if name not in (*DEFAULT_SWEEPS, SCHEDULES_SWEEP)]
    if wrong:
        known = ", ".join((*DEFAULT_SWEEPS, SCHEDULES_SWEEP))
        raise argparse.ArgumentTypeError(
            f"{wrong[0]!r} is not a kind of trouble; known: {known}. If it is a test, put it before "
            f"the option: pytest {wrong[0]} --harness-sweep"
        )
    return text
