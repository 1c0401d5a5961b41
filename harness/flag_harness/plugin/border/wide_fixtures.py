"""Give each fixture of a wider scope than one test a cassette for the requests of its setup and teardown."""

import threading
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.errors import CassetteError
from flag_harness.owner import CodeOwner, attribute_code_to_owner, current_code_owner
from flag_harness.plugin.border.async_functions import set_request_owner_in_async_fixture
from flag_harness.plugin.border.border import NetworkBorder, uses_harness
from flag_harness.plugin.border.offline import is_offline, offline_environment
from flag_harness.plugin.evidence.kept_cassettes import save_evidence_cassette
from flag_harness.plugin.modes import record_mode_of_run
from flag_harness.plugin.redact.secrets import mask_logs, mask_report
from flag_harness.plugin.refusals import FixtureFailure, refusals_of_running_test
from flag_harness.plugin.run.cassette_paths import (
    fixture_case_id,
    fixture_cassette_path,
    is_setup_function,
    wide_fixture_name,
    wide_scope_fixtures,
)
from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY
from flag_harness.plugin.run.misses import encode_misses
from flag_harness.plugin.run.recorded_files import attach_recorded_file

if TYPE_CHECKING:
    from flag_harness.plugin.test.plan import TrafficPlan
    from flag_harness.plugin.test.traffic import CassetteTraffic

_PACKAGES_WITHOUT_REQUESTS = ("_pytest.", "anyio.", "flag_harness.", "hypothesis.", "pytest_asyncio.", "xdist.")
"""The packages whose fixtures send no requests to the API."""


class WideScopeFixtureHooks:
    """pytest hooks for fixtures of a wider scope than one test.

    If tests with a cassette use such a fixture, the requests of its setup and teardown are played from, or recorded to,
    a cassette of the fixture's own.
    """

    def __init__(self, border: NetworkBorder) -> None:
        self._border = border
        self._guarded_ids: set[int] | None = None
        self._fixtures_of_phase: list[WideScopeFixture] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: "pytest.FixtureDef[Any]", request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Let requests during a fixture's setup belong to the test, or to the fixture itself if its scope is wider than
        one test.
        """
        if fixturedef.scope == "function" or not self._must_answer_requests(fixturedef, request):
            owner = current_code_owner() if fixturedef.scope == "function" else None
            if owner is current_code_owner() is None:
                return (yield)
            with attribute_code_to_owner(owner), set_request_owner_in_async_fixture(owner, fixturedef):
                return (yield)
        fixture = WideScopeFixture(self._border, fixturedef, request)
        self._fixtures_of_phase.append(fixture)
        fixturedef.addfinalizer(fixture.save_and_check)  # the first one runs last
        with fixture.set_up(), set_request_owner_in_async_fixture(fixture.owner, fixturedef):
            value = yield
        fixturedef.addfinalizer(lambda: self._fixtures_of_phase.append(fixture))
        fixturedef.addfinalizer(fixture.begin_setup_or_teardown)
        return value

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach to the report the misses (requests without a recorded answer) of the fixtures that were set up or torn
        down in this phase.
        """
        report = yield
        failure = str(call.excinfo.value) if call.excinfo else ""
        for fixture in self._fixtures_of_phase:
            if (traffic := fixture.traffic) is None:
                continue
            if (misses := encode_misses(item, traffic, failure, 0)) and not getattr(report, "flag_harness_misses", ""):
                report.flag_harness_misses = misses  # type: ignore[attr-defined]
            attach_recorded_file(report, item.config, traffic)
            mask_report(report, traffic.mask)
        self._fixtures_of_phase.clear()
        if report.failed and uses_harness(item):
            for fixture in self._border.fixtures.values():
                fixture.save_evidence()
        return report

    def _must_answer_requests(self, fixturedef: "pytest.FixtureDef[Any]", request: pytest.FixtureRequest) -> bool:
        """Return True if the project defines a fixture and a test that uses the harness needs it."""
        if f"{getattr(fixturedef.func, '__module__', '')}.".startswith(
            _PACKAGES_WITHOUT_REQUESTS
        ) and not is_setup_function(fixturedef):
            return False
        if uses_harness(getattr(request, "_pyfuncitem", None)):
            return True
        if self._guarded_ids is None:
            items = [item for item in request.session.items if uses_harness(item)]
            self._guarded_ids = {id(one) for item in items for one in wide_scope_fixtures(item)}
        return id(fixturedef) in self._guarded_ids


class WideScopeFixture:
    """A fixture of a wider scope than one test, from its setup to its teardown, with its requests if it has sent
    any.
    """

    def __init__(
        self, border: NetworkBorder, fixturedef: "pytest.FixtureDef[Any]", request: pytest.FixtureRequest
    ) -> None:
        parameter: Any = request
        self.cassette_path = fixture_cassette_path(
            fixturedef, request.node, getattr(parameter, "param", None), getattr(parameter, "param_index", 0)
        )
        self._case = fixture_case_id(fixturedef, request.node, self.cassette_path)
        self.owner = CodeOwner(f"the {fixturedef.scope} fixture {wide_fixture_name(fixturedef)}", is_shared=True)
        self.traffic: CassetteTraffic | None = None
        self.is_evidence = False
        self._plan: TrafficPlan | None = None
        self._network_refusals: list[Any] = []
        self._border, self._request = border, request
        self._lock = threading.RLock()
        self._phase_contexts, self._is_set_up = ExitStack(), False
        border.fixtures[self.owner] = self
        request.config.stash[CASSETTE_USE_TRACKER_KEY].register_cassette(request.node, self.cassette_path)

    def get_or_make_traffic(self) -> "CassetteTraffic":
        """Return the `CassetteTraffic` that answers the fixture's requests. It is made on the first call, since most
        fixtures send none.
        """
        with self._lock:
            if self.traffic is None:
                self.traffic = self._make_traffic()
                self._phase_contexts.enter_context(mask_logs(self.traffic.mask))
        return self.traffic

    def _make_traffic(self) -> "CassetteTraffic":
        from flag_harness.plugin.evidence.kept_cassettes import make_evidence_recorder
        from flag_harness.plugin.test.traffic import CassetteTraffic

        plan = self._plan or self._make_traffic_plan()
        recorder = make_evidence_recorder(plan, self._request.config)
        traffic = CassetteTraffic(plan, refuse_if_late=self._border.refuse_request_if_late, evidence=recorder)
        if self._is_set_up:
            traffic.mark_test_end()
        return traffic

    def _make_traffic_plan(self) -> "TrafficPlan":
        """Return how the fixture's requests are answered, with the filters of the test that is being set up."""
        from flag_harness.plugin.test.plan import make_fixture_plan

        return make_fixture_plan(self._request, self.cassette_path, self._case)

    @contextmanager
    def set_up(self) -> Iterator[None]:
        """Answer the requests of the setup inside the context. Fail if one was refused, even if the setup caught it."""
        self.begin_setup_or_teardown()
        try:
            yield
        finally:
            self._phase_contexts.close()
        self._fail_if_problems(self._refusal_messages())
        self._is_set_up = True
        if self.traffic is None:
            self._plan = self._make_traffic_plan()
        else:
            self.traffic.mark_test_end()

    def begin_setup_or_teardown(self) -> None:
        """From now on, answer the fixture's requests, and refuse its connections to the network."""
        config, owner = self._request.config, self.owner
        self._border.begin_fixture_phase(owner)
        self._phase_contexts.callback(self._border.end_fixture_phase, owner)
        self._phase_contexts.enter_context(attribute_code_to_owner(owner))
        self._phase_contexts.enter_context(offline_environment(is_offline(config)))
        if is_offline(config) and not self._request.node.get_closest_marker("harness_network"):
            self._network_refusals = self._phase_contexts.enter_context(self._refuse_network())

    def _refuse_network(self) -> "AbstractContextManager[list[Any]]":
        from flag_harness.plugin.test.plan import api_hosts_in_configuration
        from flag_harness.transports import ERROR_TEXTS_OF_REPLAY, ERROR_TEXTS_OF_SIMULATOR, refuse_network

        config = self._request.config
        doing = ERROR_TEXTS_OF_REPLAY if record_mode_of_run(config) == "none" else ERROR_TEXTS_OF_SIMULATOR
        return refuse_network(doing, self._border.make_network_failure, api_hosts_in_configuration(config))

    def save_and_check(self) -> None:
        """Save the fixture's recording after its last finalizer. Fail if its traffic has problems."""
        self._phase_contexts.close()
        if self._plan is not None and self._plan.cassette is not None and self.traffic is None:
            self.traffic = self._make_traffic()
        traffic = self.traffic
        if traffic is not None and self.is_evidence:
            save_evidence_cassette(self._request.config, traffic)
        self._border.refuse_further_requests(self.owner, is_recording=traffic is not None and traffic.plan.is_recording)
        del self._border.fixtures[self.owner]
        if not self._is_set_up:
            return
        self._fail_if_problems([*self._refusal_messages(), *(traffic.problems() if traffic else ())])
        try:
            if traffic is not None:
                traffic.save()
        except CassetteError as error:
            self._fail_if_problems([str(error)])

    def save_evidence(self) -> None:
        """Keep the answers to the fixture's requests beside the run record. Call it if a test failed that may use the
        fixture.
        """
        if self.is_evidence:
            return
        self.is_evidence = True
        if self.traffic is not None:
            save_evidence_cassette(self._request.config, self.traffic)

    def _refusal_messages(self) -> list[str]:
        return [
            *map(str, refusals_of_running_test(self._network_refusals)),
            *map(str, self.traffic.refusals() if self.traffic else ()),
        ]

    def _fail_if_problems(self, problems: list[str]) -> None:
        if not problems:
            return
        text = "\n\n".join(dict.fromkeys(problems))
        if self._border.is_test_running:
            raise FixtureFailure(text)
        self._border.late_work.refused_requests.append(
            (self.owner.name, text)
        )  # the run was stopped; there is no test to fail
