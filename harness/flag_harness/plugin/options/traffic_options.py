"""Add the options that say who answers requests, under which flags and faults, and at which cost."""

import argparse

import pytest

from flag_harness.fault_arguments import fault_argument_help_lines
from flag_harness.plugin.modes import RECORD_MODES, UPSTREAM_NAMES, is_option_of_other_plugin


def add_traffic_options(group: pytest.OptionGroup, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options that say who answers requests, and what is recorded."""
    if not is_option_of_other_plugin("--record-mode", pluginmanager):
        group.addoption(
            "--record-mode",
            choices=RECORD_MODES,
            default=None,
            help="none: play cassettes only (default); once: record if there is no recording; new_episodes: record "
            "what it does not hold; all: record everything and keep the old; rewrite: record everything anew",
        )
    if not is_option_of_other_plugin("--disable-recording", pluginmanager):
        group.addoption(
            "--disable-recording",
            action="store_true",
            default=False,
            help="send requests straight to the upstream; neither read nor write cassettes",
        )
    group.addoption(
        "--harness-upstream",
        choices=UPSTREAM_NAMES,
        default="live",
        help="who answers requests that are not played from a cassette: the live API (default) or the simulator",
    )


def add_flag_options(group: pytest.OptionGroup) -> None:
    """Add `--harness-matrix`, `--harness-flags` and `--harness-baseline`."""
    group.addoption(
        "--harness-matrix",
        metavar="SELECTION",
        default="",
        help="the combinations of every matrix test, in place of those that its mark selects: "
        "full, 2, 3 or 4 (a covering array of that strength), single (one flag at a time), or random:N,SEED",
    )
    group.addoption(
        "--harness-flags",
        metavar="FLAGS",
        default="",
        help="the values of flags in every combination of this run: streaming,-prompt_cache,model=haiku; "
        "with --harness-baseline, the change that is asked for",
    )
    group.addoption(
        "--harness-baseline",
        metavar="FILE",
        default="",
        help="run matrix tests under the state of production, each single change from it, and the change of "
        "--harness-flags; FILE is an export of flagd or LaunchDarkly, or {flag: value}",
    )


def add_fault_options(group: pytest.OptionGroup) -> None:
    """Add `--harness-fault`."""
    group.addoption(
        "--harness-fault",
        action="append",
        default=[],
        dest="harness_faults",
        metavar="NAME:ARGUMENTS",
        help="a fault for every test that uses the cassette fixture (repeatable): overloaded:on=2, "
        "stream_error:kind=api_error,at=mid_partial_json, overloaded:path=/v1/messages,on=1\n"
        + "\n".join(fault_argument_help_lines()),
    )


def add_age_option(group: pytest.OptionGroup) -> None:
    """Add `--harness-max-age`."""
    group.addoption(
        "--harness-max-age",
        type=_require_valid_max_age,
        metavar="AGE[:fail]",
        help="name tests that play recordings older than AGE (30d, 2w, 12h), or fail them; nothing is recorded",
    )


def _require_valid_max_age(text: str) -> str:
    """Return the value of the option unchanged. Raise `ArgumentTypeError` if it is not a valid age."""
    from flag_harness.plugin.limits.age import parse_max_age  # imported here: most runs do not need it

    if parse_max_age(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an age: write a whole number of days, weeks or hours (30d, 2w, 12h), and :fail after it "
            "to fail tests instead of naming them"
        )
    return text


def add_cost_option(group: pytest.OptionGroup) -> None:
    """Add `--harness-max-cost`."""
    group.addoption(
        "--harness-max-cost",
        type=float,
        metavar="DOLLARS",
        help="the list price that the requests of `cassette` may cost at the live API. It is checked before each "
        "request: none is sent once the answers so far and the request's own input would exceed it, or could with what "
        "others under way may cost, so the run can exceed it by one answer. Each shard, and each worker of "
        "pytest-xdist, gets an equal share",
    )
