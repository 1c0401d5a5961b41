"""Find reasons in a test's traffic to fail a test that has otherwise passed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flag_harness.cassette import Replay
from flag_harness.errors import CassetteError
from flag_harness.files import display_path
from flag_harness.plugin.test.plan import TrafficPlan
from flag_harness.plugin.test.saving import refuse_unsafe_recording

if TYPE_CHECKING:
    from flag_harness.cassette import Interaction
    from flag_harness.wire.timeline import Request


NO_REQUEST_MESSAGE = (
    "The test sent no request. If that is its point, mark it @pytest.mark.harness_no_request; if a program that it "
    "starts sends requests, in Python or another language, write def test_it(cassette, cassette_server); if neither, "
    "its client is not one of httpx2 or httpx, or was never called."
)
"""The message for a test that uses a cassette but sent no request."""


def unplayed_messages(replay: Replay, path: Path, record_command: str, in_teardown: bool) -> list[str]:
    """Return a list with a message if interactions were not played, or an empty list.

    Interactions that were recorded in the teardown of fixtures count only if `in_teardown` is true. `record_command`,
    which the message advises, is the command that records the test again.
    """
    own, recorded = frozenset(replay.own_indices), replay.cassette.interactions
    unplayed = [
        index
        for index in replay.indices_not_played
        if index in own and (in_teardown or not recorded[index].in_teardown)
    ]
    if not unplayed:
        return []
    which = ", ".join(map(str, sorted(unplayed)))
    return [
        f"{len(unplayed)} of {len(own)} recorded interactions of {display_path(path)} were not played: {which}.\n"
        f"To record what the test does now: {record_command}"
    ]


def recording_problems(plan: TrafficPlan, recording: "Sequence[Interaction]") -> list[str]:
    """Return a list with a message if the recording contains a key or personal data that forbid to write it."""
    try:
        if recording:
            refuse_unsafe_recording(plan, recording)
    except CassetteError as error:
        return [str(error)]
    return []


def mixed_upstreams_message(plan: TrafficPlan, request: "Request") -> str:
    """Return why a request is not sent: its answer would mix two upstreams in one cassette."""
    assert plan.cassette is not None
    return (
        f"{request.method} {request.path} was not sent: {display_path(plan.cassette_path)} was recorded from: "
        f"{plan.cassette.metadata.upstream}, and --record-mode={plan.mode} would add answers of: "
        f"{plan.upstream}. A cassette holds answers of one upstream.\nTo record it anew: {plan.rewrite_command}"
    )


def possible_failure_messages(misses: Sequence[str], *unplayed: Sequence[str]) -> frozenset[str]:
    """Return every message with which a test can fail because of misses (requests that are not in its cassette).

    `misses` are the messages of single misses, each of which may stand alone. All of them may also be joined, without
    other problems or with one of the sequences in `unplayed`.
    """
    joined = {"\n\n".join(dict.fromkeys([*misses, *problems])) for problems in ([], *unplayed)}
    return frozenset(joined.union(misses))
