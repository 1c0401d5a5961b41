"""Warnings and errors that the code under test logs: counted, shown, and failed on request."""

import logging

import pytest

from flag_harness.plugin.run.log_counts import count_logs

CONFIGURATION = """
[tool.pytest.ini_options]
addopts = "--disable-recording --harness-upstream=simulator -p no:cacheprovider"
[tool.flag-harness]
"""
TEST = """
import logging, pytest
log = logging.getLogger("agent")

@pytest.mark.harness_no_request
@pytest.mark.parametrize("number", range(2))
def test_it(cassette, number):
    log.warning("slow")
    log.info("fine")
    log.critical("%s%s", "gave_up", {"attempts": number})
    for _ in range(number + 1):
        log.error("beta %s was dropped", "context-1m")

@pytest.mark.harness_no_request
def test_quiet(cassette): pass
"""


def test_errors_are_shown_with_their_number(pytester: pytest.Pytester) -> None:
    """The run passes; a test without the harness is not looked at."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(TEST)
    run = pytester.runpytest()
    run.assert_outcomes(passed=3)
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(["logged 3 times in 2 tests: ERROR agent: beta %s was dropped"])
    run.stdout.fnmatch_lines(["logged 2 times in 2 tests: CRITICAL agent: gave_up"])
    run.stdout.no_fnmatch_line("logged*slow*")


def test_the_run_fails_if_asked(pytester: pytest.Pytester) -> None:
    """On an error, not on a warning; with workers too."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(TEST)
    for run in (pytester.runpytest, pytester.runpytest_subprocess):
        workers = "-n0" if run == pytester.runpytest else "-n2"
        assert pytest.ExitCode.TESTS_FAILED == run("--harness-fail-on=log-error", workers).ret
    assert pytest.ExitCode.OK == pytester.runpytest("--harness-fail-on=log-error", "-k", "quiet").ret


def test_beyond_a_hundred_different_messages_only_known_ones_are_counted() -> None:
    """A message with its arguments filled in cannot fill the memory."""
    log = logging.getLogger("agent")
    with count_logs() as counter:
        for number in [*range(120), 5]:
            log.warning(f"message {number}")
    counts = {one.message: one.count for one in counter.message_counts()}
    assert (100, 2, False) == (len(counts), counts["message 5"], "message 110" in counts)
