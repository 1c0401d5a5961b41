"""`--harness-verify`: instead of running the tests, send their recorded requests again and compare the answers.

No file is written. A test whose recording could not be verified is `inconclusive`, which is not a pass.
"""

import shlex
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from flag_harness.errors import HarnessError
from flag_harness.matrix import Combination
from flag_harness.plugin.border.offline import API_KEY_VARIABLES, has_api_key
from flag_harness.plugin.redact.secrets import collect_filters
from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY
from flag_harness.plugin.test.rows import attach_row, make_request_records, make_traffic_row

if TYPE_CHECKING:
    from flag_harness.analysis.drift import DriftResult
    from flag_harness.cassette import Cassette, CassetteMetadata, Filters, Interaction
    from flag_harness.record import Outcome, RunRow
    from flag_harness.wire.timeline import Request, Response, Upstream

VERIFICATION_FIXTURE = "_harness_verification"
INCONCLUSIVE_OUTCOME: Literal["inconclusive"] = "inconclusive"
SIMULATOR_API_KEY = "offline"
"""The API key that is sent to the simulator."""

VerifyOutcome = Literal["passed", "failed", "inconclusive"]
_PytestTestStatus: TypeAlias = tuple[str, str, tuple[str, dict[str, bool]]]
"""What `pytest_report_teststatus` returns: a category, a letter for the progress, and a word with its markup."""


@dataclass(frozen=True, slots=True)
class VerificationJob:
    """The settings to verify one test's recording, and the exchanges (requests and answers) of the verification."""

    cassette_path: Path
    scenario: Path | None
    combination: Combination
    filters: "Filters"
    exchanges: "list[tuple[Request, Response]]"


VERIFICATION_KEY = pytest.StashKey[VerificationJob]()
VERIFY_OUTCOME_KEY = pytest.StashKey[VerifyOutcome]()


class RecordingVerifier:
    """Verifies the cassettes of a run. Workers share the budget equally."""

    def __init__(self, dollars: float, upstream: str) -> None:
        from flag_harness.analysis.spending import CostBudget  # imported here: other runs do not need it

        self._budget, self._upstream = CostBudget(dollars), upstream

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep only tests that use a cassette, and verify their cassettes instead of running the tests."""
        verified = [item for item in items if _uses_cassette(item)]
        kept = {id(item) for item in verified}
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
        items[:] = verified
        for item in verified:
            item.fixturenames[:] = [VERIFICATION_FIXTURE]  # type: ignore[attr-defined]
            item.runtest = self._make_runtest(item)  # type: ignore[method-assign]

    @pytest.fixture
    def _harness_verification(
        self,
        request: pytest.FixtureRequest,
        harness_combination: Combination,
        harness_cassette_path: Path,
        harness_scenarios: Path,
    ) -> None:
        """Store the test's `VerificationJob`. This is a fixture, because it needs the values of other fixtures."""
        node: pytest.Item = request.node
        request.config.stash[CASSETTE_USE_TRACKER_KEY].register_cassette(node, harness_cassette_path)
        mark = node.get_closest_marker("scenario")
        scenario = harness_scenarios / f"{mark.args[0]}.toml" if mark else None
        filters = collect_filters(request)
        node.stash[VERIFICATION_KEY] = VerificationJob(
            harness_cassette_path, scenario, harness_combination, filters, []
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the test's row of the run record and the outcome of the verification to the report."""
        report = yield
        if report.when == "call" and (job := item.stash.get(VERIFICATION_KEY, None)) is not None:
            outcome = item.stash.get(VERIFY_OUTCOME_KEY, report.outcome)
            report.flag_harness_verified = outcome  # type: ignore[attr-defined]
            report.flag_harness_sent = len(job.exchanges)  # type: ignore[attr-defined]
            attach_row(report, self._make_run_row(item, job, outcome))
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> "_PytestTestStatus | None":
        """Count inconclusive tests separately from passed and failed ones."""
        if getattr(report, "flag_harness_verified", "") != INCONCLUSIVE_OUTCOME:
            return None
        return INCONCLUSIVE_OUTCOME, "?", (INCONCLUSIVE_OUTCOME.upper(), {"yellow": True})

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print how many requests the passed tests sent, and why other tests were inconclusive."""
        passed = [one for one in terminalreporter.stats.get("passed", []) if hasattr(one, "flag_harness_sent")]
        if passed:
            sent, tests = sum(one.flag_harness_sent for one in passed), len(passed)
            terminalreporter.write_line(
                f"--harness-verify: {sent} request{'s' if sent != 1 else ''} of {tests} "
                f"test{'s' if tests != 1 else ''} sent to: {self._upstream}; no answer has changed"
            )
        if reports := terminalreporter.stats.get(INCONCLUSIVE_OUTCOME):
            terminalreporter.section(INCONCLUSIVE_OUTCOME)
            for report in reports:
                terminalreporter.write_line(f"{report.nodeid}\n{report.longreprtext}")

    def _make_run_row(self, item: pytest.Item, job: VerificationJob, outcome: "Outcome") -> "RunRow":
        from flag_harness.analysis.metrics import combine_metrics, measure_request

        measured = [measure_request(request, response) for request, response in job.exchanges]
        return make_traffic_row(
            item,
            job.combination,
            outcome,
            combine_metrics(measured),
            make_request_records(job.exchanges, measured, job.filters),
            answered_by=self._upstream if job.exchanges else None,
        )

    def _make_runtest(self, item: pytest.Item) -> Callable[[], None]:
        def verify_recording() -> None:
            job = item.stash[VERIFICATION_KEY]
            outcome, lines = self._verify_test(item.nodeid, job)
            item.stash[VERIFY_OUTCOME_KEY] = outcome
            if lines:
                from flag_harness.cassette.redact.scan import redact_api_keys

                pytest.fail(redact_api_keys(job.filters.filter_text("\n".join(lines))), pytrace=False)

        return verify_recording

    def _verify_test(self, nodeid: str, job: VerificationJob) -> tuple[VerifyOutcome, list[str]]:
        """Return the outcome of a test, and the lines of its message if it did not pass."""
        from flag_harness.cassette import Cassette

        if not job.cassette_path.exists():
            return INCONCLUSIVE_OUTCOME, [
                f"  there is no {job.cassette_path}: nothing is recorded that could be verified"
            ]
        try:
            cassette = Cassette.load(job.cassette_path)
            verdicts = self._verify_interactions(cassette, job)
        except HarnessError as error:
            return INCONCLUSIVE_OUTCOME, [f"  {error}"]
        lines = list(_result_lines(cassette, verdicts))
        if any(verdict.drifts for verdict in verdicts.values()):
            origin = (
                f"{job.cassette_path} was recorded from: {cassette.metadata.upstream}, {cassette.metadata.recorded_at}"
            )
            command = f"pytest {shlex.quote(nodeid)} --record-mode=rewrite --harness-upstream={self._upstream}"
            return "failed", [origin, *lines, f"Nothing was written. To record what it answers now: {command}"]
        return (INCONCLUSIVE_OUTCOME, lines) if lines or not verdicts else ("passed", [])

    def _verify_interactions(self, cassette: "Cassette", job: VerificationJob) -> "Mapping[int, DriftResult]":
        """Return the verdict on each interaction, by its index in the cassette.

        Stop early if the other interactions cannot be verified either, for example without a key.
        """
        from flag_harness.analysis.drift import DriftResult

        upstream, verdicts = _VerificationClient(self._upstream, job.scenario), dict[int, DriftResult]()
        for number, interaction in enumerate(cassette.interactions):
            verdicts[number] = self._verify_interaction(interaction, cassette.metadata, upstream, job)
            if verdicts[number].applies_to_later_requests:
                break
        return verdicts

    def _verify_interaction(
        self,
        interaction: "Interaction",
        metadata: "CassetteMetadata",
        upstream: "_VerificationClient",
        job: VerificationJob,
    ) -> "DriftResult":
        from flag_harness.analysis.drift import DriftResult, compare_answers, reason_not_to_verify
        from flag_harness.analysis.spending import cost_of_answer, estimate_cost_of_resending

        if reason := reason_not_to_verify(interaction, metadata, self._upstream):
            return DriftResult(inconclusive_reason=reason)
        if upstream.missing_key:
            return DriftResult(inconclusive_reason=upstream.missing_key, applies_to_later_requests=True)
        expected = 0.0 if self._upstream == "simulator" else estimate_cost_of_resending(interaction)
        if refusal := self._budget.refusal_reason(expected):
            return DriftResult(
                inconclusive_reason=f"{refusal}; allow more with --harness-verify-budget=DOLLARS",
                applies_to_later_requests=True,
            )
        request, response = upstream.send(interaction)
        job.exchanges.append((request, response))
        if self._upstream == "live":
            self._budget.add_cost(expected, cost_of_answer(request, response))
        return compare_answers(interaction.response, response)


class _VerificationClient:
    """Sends recorded requests to one upstream. `missing_key` names the API key that is needed and missing, or is
    empty.
    """

    def __init__(self, name: str, scenario: Path | None) -> None:
        from flag_harness.simulator import simulate

        self._simulator: Upstream | None = simulate(scenario) if name == "simulator" else None
        can_ask = self._simulator is not None or has_api_key()
        self.missing_key = "" if can_ask else f"there is no key for the live API: set {API_KEY_VARIABLES[0]}"

    def send(self, interaction: "Interaction") -> "tuple[Request, Response]":
        """Send a recorded request with the installed SDK's headers. Return the request as sent, and its answer."""
        import anthropic

        from flag_harness.transports.sending import send_request
        from flag_harness.wire.timeline import Request

        key = {} if self._simulator is None else {"api_key": SIMULATOR_API_KEY}
        with anthropic.Anthropic(**key) as client:  # type: ignore[arg-type]
            base, defaults = str(client.base_url).rstrip("/"), client.default_headers
        headers = {name.lower(): value for name, value in defaults.items() if isinstance(value, str)}
        recorded = interaction.request
        together = tuple({**headers, **dict(recorded.headers), "accept-encoding": "identity"}.items())
        request = Request(recorded.method, f"{base}{recorded.url}", together, recorded.body)
        return request, (self._simulator or send_request)(request)


def _uses_cassette(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or item.get_closest_marker("harness_no_request"):
        return False
    return "harness_cassette" in item.fixturenames


def _result_lines(cassette: "Cassette", verdicts: "Mapping[int, DriftResult]") -> Generator[str]:
    for number, verdict in verdicts.items():
        request = cassette.interactions[number].request
        name = f"interaction {number}, {request.method} {request.path}"
        if verdict.inconclusive_reason:
            yield f"  {name}: inconclusive: {verdict.inconclusive_reason}"
        if verdict.drifts:
            yield f"  {name}:"
            yield from (f"    {drift}" for drift in verdict.drifts)
    if left := len(cassette.interactions) - len(verdicts):
        yield f"  {left} more request{'s were' if left > 1 else ' was'} not sent"
