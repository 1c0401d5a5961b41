"""The border around the tests that use the harness: every request inside belongs to one test or fixture.

Nothing is patched before the first test that uses the harness. The patches are removed before a test that does not use
it, unless earlier work is still running: such a test must find everything as it would be without the plugin.
"""

import threading
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.errors import LateRequest
from flag_harness.owner import CodeOwner, attribute_thread_to_owner, current_code_owner
from flag_harness.plugin.border.async_functions import set_request_owner_in_async_test
from flag_harness.plugin.border.late_work import LateWorkMessages, make_late_request_message, make_running_work_message
from flag_harness.plugin.border.offline import is_offline, offline_environment
from flag_harness.plugin.refusals import LateNetworkFailure, NetworkFailure
from flag_harness.plugin.stash import TRAFFIC_KEY
from flag_harness.wire.timeline import Request

if TYPE_CHECKING:
    from flag_harness.plugin.border.wide_fixtures import WideScopeFixture
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.transports.interception.intercept import AnswerRoute

MAX_SECONDS_TO_WAIT_AT_EXIT = 5.0
"""Seconds that the end of the run waits for non-daemon threads, which Python would wait for anyway."""
_SECONDS_BETWEEN_CHECKS = 0.01
_OWNER_KEY = pytest.StashKey[CodeOwner]()
"""The stash key of the `CodeOwner` to which the requests of a test item belong."""
_HIDDEN_ENVIRONMENT_KEY = pytest.StashKey[AbstractContextManager[None]]()
"""The stash key of the context that restores the API's key and address in the environment after a test."""


def uses_harness(item: pytest.Item | None) -> bool:
    """Return True if the harness answers a test's requests: from a cassette, the simulator or the live API."""
    return item is not None and "harness_cassette" in getattr(item, "fixturenames", ())


class NetworkBorder:
    """Finds the owner of each request, a test or a fixture, and answers or refuses the request."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.late_work = LateWorkMessages()
        self.is_test_running = False
        """True from the start of a test's setup to the end of its teardown."""
        self.fixtures: dict[CodeOwner, WideScopeFixture] = {}
        """The fixtures of module, class, package or session scope that are set up now."""
        self._items_by_owner: dict[CodeOwner, pytest.Item] = {}
        self._active_owners: list[CodeOwner] = []
        self._owners_with_running_work: list[CodeOwner] = []
        self._patches: ExitStack | None = None
        self._libraries: frozenset[str] = frozenset()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Make the test the owner of the requests until its teardown has ended."""
        self.is_test_running = True
        if uses_harness(item):
            self.begin_test(item)
        yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Make an async test the owner of its requests, in whichever task its plugin runs it."""
        owner = item.stash.get(_OWNER_KEY, None)
        if owner is None:
            yield
        else:
            with set_request_owner_in_async_test(owner, item):
                yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
        """End the test, and refuse every later request of its threads and tasks."""
        try:
            yield
        finally:
            if _OWNER_KEY in item.stash:
                self._end_test(item)
            self.is_test_running = False
            if not uses_harness(nextitem):
                self.remove_patches_if_idle()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach to the report the late requests so far, and the threads and tasks that are still running."""
        report = yield
        self.late_work.move_to_report(report)
        return report

    def wait_for_work_that_delays_exit(self) -> None:
        """At the end of the run, wait for the threads and jobs for which Python's exit would wait anyway.

        So the requests that they send too late are reported.
        """
        deadline = time.monotonic() + MAX_SECONDS_TO_WAIT_AT_EXIT
        while time.monotonic() < deadline and any(
            work.delays_exit for owner in self._owners_with_running_work for work in owner.running_work
        ):
            time.sleep(_SECONDS_BETWEEN_CHECKS)
        self.remove_patches_if_idle()

    def begin_test(self, item: pytest.Item) -> None:
        """Make a test the owner of all requests from now on. Do nothing if this test is the owner already."""
        if _OWNER_KEY in item.stash:
            return
        self.is_test_running = True
        self.patch_libraries()
        owner = item.stash[_OWNER_KEY] = CodeOwner(item.nodeid)
        item.stash[_HIDDEN_ENVIRONMENT_KEY] = offline_environment(is_offline(self.config))
        item.stash[_HIDDEN_ENVIRONMENT_KEY].__enter__()
        self._items_by_owner[owner] = item
        self._active_owners.append(owner)
        attribute_thread_to_owner(owner)

    def _end_test(self, item: pytest.Item) -> None:
        owner = item.stash[_OWNER_KEY]
        item.stash[_HIDDEN_ENVIRONMENT_KEY].__exit__(None, None, None)
        del item.stash[_OWNER_KEY], item.stash[_HIDDEN_ENVIRONMENT_KEY], self._items_by_owner[owner]
        attribute_thread_to_owner(None)
        self._active_owners.remove(owner)
        traffic = item.stash.get(TRAFFIC_KEY, None)
        self.refuse_further_requests(owner, is_recording=traffic is not None and traffic.plan.is_recording)

    def begin_fixture_phase(self, owner: CodeOwner) -> None:
        """Begin the setup or teardown of a fixture. Until its end, requests of unknown owners belong to it."""
        self.patch_libraries()
        owner.is_active = True
        self._active_owners.append(owner)

    def end_fixture_phase(self, owner: CodeOwner) -> None:
        """End the setup or teardown that `begin_fixture_phase` began."""
        owner.is_active = False
        self._active_owners.remove(owner)

    def refuse_further_requests(self, owner: CodeOwner, *, is_recording: bool) -> None:
        """Refuse all later requests of an owner. If its requests were recorded, note which threads and tasks it left
        running.
        """
        owner.end()
        if left := owner.running_work:
            self._owners_with_running_work.append(owner)
            if is_recording:
                self.late_work.work_left_running.append((owner.name, make_running_work_message(owner.name, left)))

    def patch_libraries(self) -> None:
        """Patch threads, pools and HTTP clients. Do nothing if all loaded HTTP libraries are patched already."""
        from flag_harness.transports.interception.intercept import loaded_http_libraries, route_clients
        from flag_harness.transports.interception.submitted_work import follow_submitted_work

        if self._patches is not None and (self._active_owners or self._libraries == loaded_http_libraries()):
            return
        self._remove_patches()
        from flag_harness.plugin.test.plan import api_hosts_in_configuration

        self._patches = ExitStack()
        self._patches.enter_context(follow_submitted_work())
        self._patches.enter_context(route_clients(self._choose_route, api_hosts_in_configuration(self.config)))
        self._libraries = loaded_http_libraries()

    def remove_patches_if_idle(self) -> None:
        """Remove the patches, unless a test or fixture that used the harness is running or has left something
        running.
        """
        self._owners_with_running_work = [owner for owner in self._owners_with_running_work if owner.running_work]
        if not (
            self._active_owners or self._owners_with_running_work or any(owner.running_work for owner in self.fixtures)
        ):
            self._remove_patches()

    def _remove_patches(self) -> None:
        if self._patches is not None:
            self._patches.close()
            self._patches = None

    def owner_of_running_code(self) -> CodeOwner | None:
        """Return the test or fixture that owns the requests of the running code, or None if it is unknown.

        Threads and tasks that a fixture of a wide scope keeps running belong to the current test.
        """
        owner = current_code_owner()
        if owner is not None and owner.is_shared and not owner.is_active and self._active_owners:
            return self._active_owners[-1]
        return owner

    def owner_of_request(self, request: Any) -> CodeOwner | None:
        """Return the test or fixture that owns a request. Raise `LateRequest` if that test or fixture has ended."""
        owner = self.owner_of_running_code()
        if owner is not None and owner.has_ended:
            sent = f"{request.method} {Request(request.method, str(request.url), (), b'').path}"
            raise LateRequest(self._make_late_attempt_message(owner, sent))
        return owner

    def make_network_failure(self, message: str) -> NetworkFailure:
        """Return the error for an attempt to reach the network, with `message` as its text.

        If the test or fixture that attempts it has ended, the error is a `LateNetworkFailure`.
        """
        owner = self.owner_of_running_code()
        if owner is None or not owner.has_ended:
            return NetworkFailure(message)
        return LateNetworkFailure(
            self._make_late_attempt_message(owner, f"An attempt to reach the network ({message})")
        )

    def _make_late_attempt_message(self, owner: CodeOwner, attempt: str) -> str:
        message = make_late_request_message(owner.name, attempt, _current_task_or_thread())
        self.late_work.refused_requests.append((owner.name, message))
        return message

    def refuse_request_if_late(self, request: Any) -> None:
        """Raise `LateRequest` if the test or fixture that sent a request has ended.

        The clients that a `cassette` makes call this before they send a request.
        """
        self.owner_of_request(request)

    def request_belongs_to(self, owner: CodeOwner, request: Any) -> bool:
        """Return whether the cassette of `owner` must answer a request: `owner` sent it, or the sender is unknown."""
        return self.owner_of_request(request) in (None, owner, owner.job_owner)

    def owner_of_test(self, item: pytest.Item) -> CodeOwner:
        """Return the `CodeOwner` that stands for a test. The first call begins the test."""
        self.begin_test(item)
        return item.stash[_OWNER_KEY]

    def _choose_route(self, http_request: Any) -> "AnswerRoute | None":
        """Return the route (upstream, layers and clock) of a request that no `cassette` fixture has answered.

        Return None if the request goes its usual way, because its owner is unknown or does not use the harness.
        """
        owner = self.owner_of_request(http_request)
        if owner is None:
            return None
        try:
            traffic = self._traffic_of_owner(owner)
        except Exception as error:  # clients would take it for a broken connection, and retry
            raise pytest.fail.Exception(str(error)) from error
        return traffic.route if traffic else None

    def _traffic_of_owner(self, owner: CodeOwner) -> "CassetteTraffic | None":
        item = self._items_by_owner.get(owner)
        if item is None:
            found = [fixture for one, fixture in self.fixtures.items() if owner in (one, one.job_owner)]
            return found[0].get_or_make_traffic() if found else None
        if TRAFFIC_KEY not in item.stash:  # a fixture that comes before the cassette sends already
            item._request.getfixturevalue("harness_cassette")  # type: ignore[attr-defined]
        return item.stash[TRAFFIC_KEY]


def _current_task_or_thread() -> str:
    """Return the name of the running thread or task for a message, such as "the thread 'poller'"."""
    import asyncio  # imported here: most runs have no late request to name

    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return f"the task {task.get_name()!r}" if task else f"the thread {threading.current_thread().name!r}"


BORDER_KEY = pytest.StashKey[NetworkBorder]()
"""The stash key of the run's `NetworkBorder`, which finds the owner of each request."""
