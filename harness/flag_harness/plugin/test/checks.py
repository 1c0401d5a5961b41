"""Check a test at the end of each phase (setup, call and teardown), and save its recording.

A test fails if it caught the error of a request that its cassette does not hold or of a refused connection, if it sent
nothing, or if it left recorded interactions unplayed. The failure names the phase. A recording is saved after the
teardown of the fixtures, since they may send requests too, and only if the test passed.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.errors import CassetteError, Refusal, ScenarioMiss
from flag_harness.files import display_path
from flag_harness.plugin.border.missing_key import is_missing_api_key_error, missing_api_key_message
from flag_harness.plugin.border.tracebacks import remove_sdk_frames
from flag_harness.plugin.evidence.content import make_evidence_mask
from flag_harness.plugin.evidence.conversations import attach_conversation
from flag_harness.plugin.evidence.kept_cassettes import save_evidence_cassette
from flag_harness.plugin.evidence.properties import add_properties_to_report
from flag_harness.plugin.limits.age import recording_age_problems
from flag_harness.plugin.limits.budget import budget_problems
from flag_harness.plugin.redact.secrets import mask_report
from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY
from flag_harness.plugin.run.misses import encode_misses
from flag_harness.plugin.run.recorded_files import attach_recorded_file
from flag_harness.plugin.stash import (
    ANSWER_SOURCE_KEY,
    FLAG_SCOPE_KEY,
    PROBE_KEY,
    REFUSALS_KEY,
    REPETITION_KEY,
    SCORES_KEY,
    TRAFFIC_KEY,
    refusals_of_item,
    remove_from_stash,
)
from flag_harness.plugin.test.flag_sources import flag_errors_hidden_by_openfeature
from flag_harness.plugin.test.rows import add_failure_to_row, attach_row, make_run_row

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.record import Outcome

_FIXTURES_THAT_ANSWER_REQUESTS = frozenset({"harness_cassette", "vcr", "vcr_cassette", "_vcr_marker"})
"""The fixtures through which the requests of a test are answered."""
_OUTCOMES_KEY = pytest.StashKey["dict[str, Outcome]"]()
"""The stash key of the outcome of each finished phase of an item."""
_FIXTURE_FINALIZERS_KEY = pytest.StashKey[ExitStack]()
"""The stash key of the stack that finishes the item's fixtures even if pytest does not."""
_CALL_IS_RUNNING_KEY = pytest.StashKey[bool]()
"""The stash key of a value that is True while the test function runs. Reports that are made then belong to subtests."""
_SUBTEST_FAILED_KEY = pytest.StashKey[bool]()
"""The stash key of a value that is True once a subtest of the item has failed."""
_REPORTED_MISSES_KEY = pytest.StashKey[int]()
"""The stash key of the number of misses that the reports of earlier phases contain."""
_STASH_KEYS_TO_CLEAR: tuple[pytest.StashKey[Any], ...] = (
    TRAFFIC_KEY,
    REFUSALS_KEY,
    FLAG_SCOPE_KEY,
    SCORES_KEY,
    _FIXTURE_FINALIZERS_KEY,
    _CALL_IS_RUNNING_KEY,
    _SUBTEST_FAILED_KEY,
    _REPORTED_MISSES_KEY,
)


def check_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Around the setup, clear the state of an earlier run of the item, and add refused requests to a failure."""
    remove_from_stash(item, _STASH_KEYS_TO_CLEAR)
    item.stash[_OUTCOMES_KEY] = {}
    if not _FIXTURES_THAT_ANSWER_REQUESTS.isdisjoint(getattr(item, "fixturenames", ())):
        item.stash[_FIXTURE_FINALIZERS_KEY] = ExitStack()
    with _report_refusals(item):
        yield


def finish_fixture_later(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """Make sure that this fixture is finished even if another fixture of the test raises a `BaseException`.

    pytest itself stops finishing fixtures after anything but an `Exception`. After an `asyncio.CancelledError`, the
    next test would get the recording and the environment of this test.
    """
    if (
        fixturedef.scope == "function"
        and (finalizers := request.node.stash.get(_FIXTURE_FINALIZERS_KEY, None)) is not None
    ):
        finalizers.callback(fixturedef.finish, request)


def check_call(item: pytest.Item) -> Generator[None, None, None]:
    """After the test function, fail the test if its traffic has problems."""
    item.stash[_CALL_IS_RUNNING_KEY] = True
    try:
        with _report_refusals(item):
            yield
    finally:
        item.stash[_CALL_IS_RUNNING_KEY] = False
    _fail_on_problems(item, item.stash.get(TRAFFIC_KEY, None))
    if (traffic := item.stash.get(TRAFFIC_KEY, None)) is not None:
        traffic.mark_test_end()


def check_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Finish all fixtures, check what they sent, and save the recording of a test that passed."""
    try:
        with _report_refusals(item):
            yield
    finally:
        if (finalizers := item.stash.get(_FIXTURE_FINALIZERS_KEY, None)) is not None:
            finalizers.close()
    if _is_failed_repetition(item):
        _save_recording(item, item.stash.get(TRAFFIC_KEY, None))
    elif not _has_failed(item):
        passed = _outcomes_by_phase(item).get("call") in ("passed", "xpassed")
        traffic = item.stash.get(TRAFFIC_KEY, None) if passed else None
        _fail_on_problems(item, traffic)
        _save_recording(item, traffic)


def complete_report(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the test's row of the run record and its misses to the report, on whichever worker the report is made."""
    traffic = item.stash.get(TRAFFIC_KEY, None)
    remove_sdk_frames(item, call, traffic)
    report = yield
    if item.stash.get(_CALL_IS_RUNNING_KEY, False):
        item.stash[_SUBTEST_FAILED_KEY] = report.failed or item.stash.get(_SUBTEST_FAILED_KEY, False)
    else:
        _fail_if_refusal_is_excused(item, report)
        outcome = "failed" if item.stash.get(_SUBTEST_FAILED_KEY, False) else _outcome_of_report(report)
        _outcomes_by_phase(item)[str(report.when)] = outcome
        is_due = report.when == "call" or not report.passed
        needs_row = is_due and PROBE_KEY not in item.stash  # sweeps make their own
        if needs_row and (row := make_run_row(item, outcome, report.when)) is not None:
            attach_row(report, row)
        if traffic is not None:
            failure = str(call.excinfo.value) if call.excinfo else ""
            reported = item.stash.get(_REPORTED_MISSES_KEY, 0)
            report.flag_harness_misses = encode_misses(item, traffic, failure, reported)  # type: ignore[attr-defined]
            item.stash[_REPORTED_MISSES_KEY] = len(traffic.misses)
    if traffic is not None:
        if report.failed and traffic.plan.scenario:
            _add_missing_turns(report, traffic.plan.scenario, refusals_of_item(item))
        if report.when == "teardown" and PROBE_KEY not in item.stash:
            attach_recorded_file(report, item.config, traffic, _has_failed(item) or report.failed)
            add_properties_to_report(item, report, traffic)
            if _has_failed(item) and ANSWER_SOURCE_KEY not in item.stash:
                save_evidence_cassette(item.config, traffic)
        add_failure_to_row(item, report, make_evidence_mask(item.config, traffic))
        attach_conversation(item, report, traffic)
        mask_report(report, traffic.mask)
    return report


def _add_missing_turns(report: pytest.TestReport, scenario: Path, refused: Sequence[Refusal]) -> None:
    """Add the turns that a scenario lacks to the report, as TOML to paste into the scenario."""
    turns = dict.fromkeys(one.turn for one in refused if isinstance(one, ScenarioMiss))
    if turns:
        report.sections.append((f"to answer the request, add to {display_path(scenario)}", "\n\n".join(turns)))


@contextmanager
def _report_refusals(item: pytest.Item) -> Iterator[None]:
    """Turn a `Refusal` raised in the context into a failure. Add refusals that the test caught to other failures."""
    try:
        yield
    except Refusal as refusal:
        raise pytest.fail.Exception(str(refusal), pytrace=False) from None
    except BaseExceptionGroup as group:
        _fail_if_key_is_missing(item, group)
        refused, others = group.split(Refusal)
        if refused is None:
            _add_refusals_as_note(group, _refusals_to_report(item))
            raise
        if others is None:
            raise pytest.fail.Exception(_join_messages(_leaf_exceptions(refused)), pytrace=False) from None
        _add_refusals_as_note(others, [*_leaf_exceptions(refused), *_refusals_to_report(item)])
        raise others from None
    except (Exception, pytest.fail.Exception) as error:
        _fail_if_key_is_missing(item, error)
        if not (swallowed := _refusals_to_report(item)):
            raise
        if not getattr(error, "pytrace", True):  # pytest shows only its message, without notes
            raise pytest.fail.Exception(f"{error}\n\n{_join_messages(swallowed)}", pytrace=False) from None
        _add_refusals_as_note(error, swallowed)
        raise


def _fail_if_key_is_missing(item: pytest.Item, error: BaseException) -> None:
    """Fail the test in one line if it failed because the live API needs a key and there is none."""
    if is_missing_api_key_error(error) and (message := missing_api_key_message(item)):
        raise pytest.fail.Exception(message, pytrace=False) from None


def _add_refusals_as_note(error: BaseException, refusals: list[BaseException]) -> None:
    if refusals:
        error.add_note(f"\n{_join_messages(refusals)}")


def _join_messages(refusals: list[BaseException]) -> str:
    return "\n\n".join(dict.fromkeys(map(str, refusals)))


def _leaf_exceptions(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaf_exceptions(one)]
    return [error]


def _refusals_to_report(item: pytest.Item) -> list[BaseException]:
    """Return refused requests and flag errors hidden by OpenFeature that no failed phase has reported yet."""
    if _has_failed(item):
        return []
    refused = refusals_of_item(item)
    return [*refused, *flag_errors_hidden_by_openfeature(item)]


def _has_failed(item: pytest.Item) -> bool:
    return "failed" in _outcomes_by_phase(item).values()


def _is_failed_repetition(item: pytest.Item) -> bool:
    """Return True if the test is repeated and its function failed, but not because of a refusal or of the provider.

    The recording of such a run is kept, since the verdict on a flag counts the run.
    """
    if REPETITION_KEY not in item.stash or _outcomes_by_phase(item).get("call") != "failed":
        return False
    traffic, refused = item.stash.get(TRAFFIC_KEY, None), item.stash.get(REFUSALS_KEY, list)
    if traffic is None or refused() or traffic.problems():
        return False
    from flag_harness.analysis.verdict.evidence import is_provider_failure

    row = make_run_row(item, "failed", "call")
    return row is None or not is_provider_failure(row)


def _outcomes_by_phase(item: pytest.Item) -> "dict[str, Outcome]":
    return item.stash.setdefault(_OUTCOMES_KEY, {})


def _fail_on_problems(item: pytest.Item, traffic: "CassetteTraffic | None") -> None:
    """Fail the test if one of its requests was refused, or if `traffic` has problems. Do nothing in a sweep."""
    if PROBE_KEY in item.stash:
        return
    problems = list(map(str, _refusals_to_report(item)))
    if traffic is not None:
        problems += [
            *traffic.problems(),
            *recording_age_problems(item.config, traffic),
            *budget_problems(item, traffic),
        ]
    if problems and (missing_key := missing_api_key_message(item)):
        problems.append(missing_key)
    if problems:
        pytest.fail("\n\n".join(dict.fromkeys(problems)), pytrace=False)


def _fail_if_refusal_is_excused(item: pytest.Item, report: pytest.TestReport) -> None:
    """If a request was refused before a test was skipped or failed as expected, turn that outcome into a failure."""
    if not report.skipped or not (refused := _refusals_to_report(item)):
        return
    excuse = "an expected failure" if hasattr(report, "wasxfail") else "a skip"
    report.outcome = "failed"
    report.longrepr = f"{_join_messages(refused)}\n\nWhat came after it, {excuse}, is no excuse for that."
    if hasattr(report, "wasxfail"):
        del report.wasxfail


def _outcome_of_report(report: pytest.TestReport) -> "Outcome":
    """Return the outcome of a report as pytest counts it, with `xfailed` and `xpassed`."""
    if not hasattr(report, "wasxfail"):
        return report.outcome
    return "xpassed" if report.passed else "xfailed"


def _save_recording(item: pytest.Item, traffic: "CassetteTraffic | None") -> None:
    """Save the recording of a test that passed."""
    if traffic is None:
        return
    # imported here: a run that uses no cassette does not need it
    from flag_harness.plugin.test.saving import recording_warning

    try:
        traffic.save()
    except CassetteError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    tracker = item.config.stash[CASSETTE_USE_TRACKER_KEY]
    tracker.register_recording(
        item, traffic.plan.cassette_path if traffic.saved and traffic.saved.replaced_broken_file else None
    )
    if warning := recording_warning(traffic.plan, traffic.recording):
        item.warn(pytest.PytestWarning(warning))
