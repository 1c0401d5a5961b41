"""Run a matrix test under combinations that its matrix leaves out, after the ordinary tests."""

import dataclasses
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import runtestprotocol

from flag_harness.plugin.stash import ANSWER_SOURCE_KEY, REFUSALS_KEY, TRAFFIC_KEY, AnswerSource
from flag_harness.plugin.test.faults import active_faults

if TYPE_CHECKING:
    from flag_harness.matrix import Combination


class ExtraCombinationRunner:
    """Runs a test under one extra combination, without letting other plugins count or print the result."""

    def __init__(self) -> None:
        self._item: pytest.Item | None = None
        self._reports: Sequence[pytest.TestReport] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run an item of an extra combination without reporting it, and return True. Leave other items to pytest."""
        if item is not self._item:
            return None
        self._reports = runtestprotocol(item, log=False, nextitem=nextitem)
        return True

    def run_combination(
        self,
        template: pytest.Function,
        combination: "Combination",
        source: AnswerSource,
        faults: Collection[str],
    ) -> bool | None:
        """Run the test of `template` under a combination. Return whether it passes, or None if that cannot be known.

        `source` answers its requests. `faults` are the faults that act under every combination: if the test fails and
        another fault fired, return None, since that fault may be the cause. Fixtures of a wider scope stay set up for
        the next run.
        """
        item = make_item(template, combination)
        item.stash[ANSWER_SOURCE_KEY] = source
        reports = self.run_item(item, template)
        refusals = item.stash.get(REFUSALS_KEY, None)
        if source.refuses_misses and refusals is not None and refusals():
            return None
        passed, traffic = _has_passed(reports), item.stash.get(TRAFFIC_KEY, None)
        if not passed and traffic is not None and not {*active_faults(traffic)} <= {*faults}:
            return None
        return passed

    def run_item(self, item: pytest.Item, nextitem: pytest.Item | None) -> Sequence[pytest.TestReport]:
        """Run an item, and return the reports of its phases. Fixtures that `nextitem` shares stay set up."""
        self._item, self._reports = item, []
        try:
            item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        finally:
            self._item = None
        return self._reports


def collect_items(session: pytest.Session, nodeids: Sequence[str]) -> dict[str, pytest.Function]:
    """Return the items with these node ids. With pytest-xdist, collect them in this process first."""
    items: Sequence[pytest.Item] = session.items
    if not items:
        items = _collect_items_quietly(session, nodeids)
    wanted = set(nodeids)
    return {item.nodeid: item for item in items if isinstance(item, pytest.Function) and item.nodeid in wanted}


def make_item(template: pytest.Function, combination: "Combination") -> pytest.Function:
    """Return an item like `template`, for another combination."""
    spec: Any = template.callspec
    old = spec.params["harness_combination"].id
    ids = list(spec._idlist)
    ids[ids.index(old)] = combination.id
    spec = dataclasses.replace(spec, params={**spec.params, "harness_combination": combination}, _idlist=ids)
    return copy_item(template, spec)


def copy_item(template: pytest.Function, callspec: Any) -> pytest.Function:
    """Return an item like `template`, with another `callspec`."""
    item: pytest.Function = type(template).from_parent(
        template.parent,
        name=f"{template.originalname}[{callspec.id}]",
        callspec=callspec,
        fixtureinfo=template._fixtureinfo,
        originalname=template.originalname,
    )
    copy_marks(template, item)
    return item


def copy_marks(template: pytest.Item, item: pytest.Item) -> None:
    """Copy the marks of `template` to `item`."""
    item.own_markers = list(template.own_markers)
    item.keywords.update({mark.name: mark for mark in item.own_markers})


def tear_down_fixtures(session: pytest.Session) -> None:
    """Tear down the fixtures that the last extra run left set up, and drop their output."""
    session._setupstate.teardown_exact(None)
    if (capture := session.config.pluginmanager.getplugin("capturemanager")) is not None:
        capture.suspend_global_capture()
        capture.read_global_capture()
        capture.resume_global_capture()


def _collect_items_quietly(session: pytest.Session, nodeids: Sequence[str]) -> Sequence[pytest.Item]:
    config = session.config
    arguments = []
    for nodeid in nodeids:
        file, _, name = nodeid.partition("::")
        arguments.append(f"{config.rootpath / file}::{name}")
    kept = config.option.verbose, session.items, session.testscollected
    config.option.verbose = -1  # pytest would report a second collection
    try:
        return [item for item in session.perform_collect(arguments) if isinstance(item, pytest.Item)]
    finally:
        config.option.verbose, session.items, session.testscollected = kept


def _has_passed(reports: Sequence[pytest.TestReport]) -> bool | None:
    phases = {report.when: report for report in reports}
    call = phases.get("call")
    if call is None or call.skipped:
        return None
    return not any(report.failed for report in phases.values())
