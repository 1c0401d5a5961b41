"""Add the options that say which tests run, how often, and what is kept of them."""

import argparse
from pathlib import Path

import pytest

CONTENT_LEVELS = ("none", "masked", "full")
FAIL_ON_INERT_FLAG = "inert-flag"
FAIL_ON_LOG_ERROR = "log-error"
FAIL_ON_CACHE_BREAK = "cache-break"
FAIL_ON_VALUES = (FAIL_ON_INERT_FLAG, FAIL_ON_LOG_ERROR, FAIL_ON_CACHE_BREAK)
"""The values that `--harness-fail-on` takes."""
DEFAULT_LOCATE_RUN_BUDGET = 45
"""The most combinations that `--harness-locate` runs for a test."""
DEFAULT_VERIFY_BUDGET = 0.50
"""US dollars: about three times the list price of all recordings that ship."""
DEFAULT_PROVIDER_RETRIES = 3


def add_effects_options(group: pytest.OptionGroup) -> None:
    """Add `--harness-fail-on`."""
    group.addoption(
        "--harness-fail-on",
        action="append",
        choices=FAIL_ON_VALUES,
        default=[],
        help="fail the run if this is found; inert-flag: a flag that changed no request in any test; log-error: an "
        "error that the code under test logged; cache-break: a request that could not read a cached prefix because a "
        "block in it changed",
    )


def add_record_option(group: pytest.OptionGroup) -> None:
    """Add `--harness-record` and `--harness-report`."""
    group.addoption(
        "--harness-record",
        type=Path,
        metavar="FILE",
        help="write the record of the run to FILE: JSON lines, a header and one line for each test and combination. "
        "Without it, the record of the last run is in pytest's cache",
    )
    group.addoption(
        "--harness-report",
        type=Path,
        metavar="FILE",
        help="write a report of the run to FILE: out.html for a browser, out.md for the summary of a CI job, or "
        "out.json for scripts. `flag-harness report build` writes it from a record",
    )
    group.addoption(
        "--harness-report-content",
        choices=CONTENT_LEVELS,
        default=None,
        help="what a record or report keeps: the conversations of failed tests, with what answered them, and in a "
        "page those of all tests. none: "
        "nothing; full: all (default), without keys and without what filters and privacy detectors find; masked: also "
        "without whatever looks like an e-mail address, a telephone, account, card or social security number "
        "(default if CI is set)",
    )


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


def add_repeat_option(group: pytest.OptionGroup) -> None:
    """Add `--harness-repeat` and `--harness-seed`."""
    group.addoption(
        "--harness-repeat",
        type=int,
        default=None,
        metavar="N",
        help="run each test that uses the harness N times under each combination, one round over all tests after the "
        "other. Each repetition has a recording of its own, and the summary says how reliable each test is",
    )
    group.addoption(
        "--harness-seed",
        type=int,
        default=0,
        metavar="SEED",
        help="the seed of the simulator's random answers, the turns of a scenario that have a weight, and of the first "
        "schedule of --harness-sweep=schedules (default: 0)",
    )


def add_retry_option(group: pytest.OptionGroup) -> None:
    """Add `--harness-provider-retries`."""
    group.addoption(
        "--harness-provider-retries",
        type=int,
        metavar="N",
        help="with --harness-repeat, run a test again up to N times, after 1, 2, 4, ... seconds, if its last request "
        f"to the live API broke off or got a 408, 409, 429 or a status from 500 (default: {DEFAULT_PROVIDER_RETRIES})",
    )


def add_verdict_option(group: pytest.OptionGroup) -> None:
    """Add `--harness-verdict`."""
    group.addoption(
        "--harness-verdict",
        metavar="FLAGS",
        default="",
        help="run the matrix tests with and without each of these flags (streaming,model, or all), the other flags as "
        "in production (--harness-baseline) or at their defaults, for at most --harness-repeat=N rounds, and say of "
        "each flag whether it is safe to turn on: PASS, FAIL or INCONCLUSIVE. A decided flag stops. With "
        "--harness-matrix, from each combination that it selects",
    )


def add_resume_option(group: pytest.OptionGroup) -> None:
    """Add `--harness-resume`."""
    group.addoption(
        "--harness-resume",
        type=Path,
        metavar="RECORD",
        help="go on with an interrupted run of --harness-verdict or --harness-repeat that wrote RECORD "
        "(--harness-record): finished runs of tests are taken from it, the others run, and complete answers of the "
        "live API are not paid for again. Type the other options as before; --harness-repeat may be larger",
    )


def add_shard_options(group: pytest.OptionGroup) -> None:
    """Add `--harness-shard` and `--harness-shard-by`."""
    group.addoption(
        "--harness-shard",
        default=None,
        metavar="I/N",
        help="run the I-th of N parts of the tests, such as 1/3. All combinations of one test are in the same part. "
        "--harness-max-cost is divided by N. `flag-harness report merge` joins the records",
    )
    group.addoption(
        "--harness-shard-by",
        type=Path,
        default=None,
        metavar="RECORD",
        help="the record of an earlier run, by whose durations --harness-shard balances the parts. All N runs must "
        "be given the same one",
    )


def add_rerun_option(group: pytest.OptionGroup) -> None:
    """Add the option `--harness-rerun`."""
    group.addoption(
        "--harness-rerun",
        type=Path,
        metavar="RUN",
        help="run only the tests that failed in an earlier run, answered by what that run kept; RUN is its "
        "record, or a folder with it, such as the artifact of a CI job. No recordings and no key are needed",
    )
