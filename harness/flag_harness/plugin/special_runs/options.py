"""Add the options of runs that do something else than run the selected tests once."""

import argparse

import pytest

from flag_harness.errors import HarnessError

DEFAULT_LOCATE_RUN_BUDGET = 45
"""The most combinations that `--harness-locate` runs for a test."""
DEFAULT_VERIFY_BUDGET = 0.50
"""US dollars: about three times the list price of all recordings that ship."""


def add_locate_option(group: pytest.OptionGroup) -> None:
    """Add `--harness-locate`."""
    group.addoption(
        "--harness-locate",
        nargs="?",
        const=DEFAULT_LOCATE_RUN_BUDGET,
        default=None,
        type=_parse_run_count,
        metavar="N",
        help="after the run, locate the flags that broke each failing test whose matrix leaves combinations out: run "
        f"at most N further combinations of it (default: {DEFAULT_LOCATE_RUN_BUDGET}), chosen by bisection",
    )


def _parse_run_count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of combinations; type --harness-locate=45, or put {text!r} before the option"
        )
    return int(text)


def add_verify_options(group: pytest.OptionGroup) -> None:
    """Add `--harness-verify` and its budget."""
    group.addoption(
        "--harness-verify",
        action="store_true",
        default=False,
        help="instead of running tests, send their recorded requests to the upstream (--harness-upstream) and report "
        "how its answers have changed; nothing is written",
    )
    group.addoption(
        "--harness-verify-budget",
        type=float,
        default=DEFAULT_VERIFY_BUDGET,
        metavar="DOLLARS",
        help="the list price that verifying on the live API may cost. A request that would exceed it is not sent. "
        "Its cost is that of the recorded usage; if the recording has none, or is incomplete, one token for every two "
        "bytes of the request and all of max_tokens. An answer that grows longer than its recording can exceed the "
        "budget by its own max_tokens, once in each worker (default: %(default)s)",
    )


def register_verifier(config: pytest.Config) -> None:
    """Register the verifier if the command line has `--harness-verify`. Raise `HarnessError` for a bad budget."""
    if not config.getoption("--harness-verify"):
        return
    budget = config.getoption("--harness-verify-budget")
    if not 0 <= budget < float("inf"):
        raise HarnessError(f"--harness-verify-budget={budget}: give US dollars, 0 or more, such as 0.50")
    from flag_harness.plugin.special_runs.verify import RecordingVerifier  # imported here: few runs need it

    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    config.pluginmanager.register(
        RecordingVerifier(budget / workers, config.getoption("--harness-upstream")), "harness-verify"
    )
