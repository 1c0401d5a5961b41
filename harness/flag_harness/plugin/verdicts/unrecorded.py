"""Refuse to run a further repetition of a test if that repetition has no recording to play."""

from typing import TYPE_CHECKING

import pytest

from flag_harness.cassette.merge import is_recorded_by
from flag_harness.plugin.modes import quoted_nodeid
from flag_harness.plugin.stash import nodeid_of_first_repetition, repetition_index

if TYPE_CHECKING:
    from flag_harness.plugin.test.plan import TrafficPlan


def refuse_unrecorded_repetition(node: pytest.Item, plan: "TrafficPlan") -> None:
    """Fail a further repetition of a test that has no recording of its own to play.

    The recording of another repetition would give the same answers again, which adds no evidence.
    """
    number = repetition_index(node)
    if not number or plan.can_reach_upstream or (plan.cassette and is_recorded_by(plan.cassette, plan.case)):
        return
    first = quoted_nodeid(node.config, nodeid_of_first_repetition(node))
    raise pytest.fail.Exception(
        f"{first}: repetition {number + 1} is not recorded: there is no {plan.cassette_path}. Playing "
        f"another repetition's recording again would be no new evidence.\n"
        f"To record it: pytest {first} --harness-repeat={number + 1} --record-mode=once "
        f"--harness-upstream={plan.recording_upstream}; or ask for fewer: --harness-repeat={number}",
        pytrace=False,
    )
