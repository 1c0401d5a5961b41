"""Add the options that say what a run keeps, and what makes it fail at its end although its tests passed."""

from pathlib import Path

import pytest

from flag_harness.plugin.evidence.content import CONTENT_LEVELS

FAIL_ON_INERT_FLAG = "inert-flag"
FAIL_ON_LOG_ERROR = "log-error"
FAIL_ON_CACHE_BREAK = "cache-break"
FAIL_ON_VALUES = (FAIL_ON_INERT_FLAG, FAIL_ON_LOG_ERROR, FAIL_ON_CACHE_BREAK)
"""The values that `--harness-fail-on` takes."""


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
