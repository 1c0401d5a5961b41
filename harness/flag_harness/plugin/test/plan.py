"""Decide from options, marks and configuration how the requests of one test are answered."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from flag_harness.cassette import NO_FILTERS, NO_NORMALISERS, Cassette, Filters, Normalisers
from flag_harness.cassette.file.blobs import BLOB_FOLDER
from flag_harness.cassette.merge import can_add_answers_from, is_recorded_by
from flag_harness.clock import Clock, VirtualClock
from flag_harness.errors import CassetteError, Refusal
from flag_harness.flag import OFF_COMBINATION
from flag_harness.matrix import Combination, node_id_without_combination
from flag_harness.plugin.evidence.content import evidence_filters
from flag_harness.plugin.evidence.rerun import find_evidence_cassette
from flag_harness.plugin.evidence.rerun_filters import FiltersForRerun
from flag_harness.plugin.limits.age import max_recording_age
from flag_harness.plugin.limits.cost_limit import COST_LIMIT_KEY, CostLimit
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.modes import RecordMode, is_recording_disabled, quoted_nodeid, record_mode_of_run
from flag_harness.plugin.redact.normalisers import collect_normalisers
from flag_harness.plugin.redact.secrets import collect_filters
from flag_harness.plugin.resume.paid_answers import PAID_ANSWERS_KEY, PaidAnswers
from flag_harness.plugin.run.cassette_paths import FIXTURE_PREFIX, default_cassette_path
from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY
from flag_harness.plugin.run.names import name_without_combination
from flag_harness.plugin.run.recorded_effects import load_flag_effects
from flag_harness.plugin.stash import AnswerSource, nodeid_of_first_repetition, repetition_index
from flag_harness.plugin.test.scenarios import scenario_path
from flag_harness.plugin.verdicts.unrecorded import refuse_unrecorded_repetition
from flag_harness.transports import ApiScope, SystemClock
from flag_harness.transports.scope import BASE_URL_VARIABLE
from flag_harness.transports.virtual_time import ImportedTimeFunctions, SharedClock
from flag_harness.wire.timeline import Layer

UpstreamChoice = Literal["live", "simulator"]

_OPTIONAL_CHECKS = ("no_request", "unplayed", "misses", "network")
"""The checks that the marks `harness_<name>` switch off."""
_IMPORTED_TIME_FUNCTIONS_KEY = pytest.StashKey[ImportedTimeFunctions]()
"""The stash key of the names that the project's modules have imported from `time`, such as `sleep`."""


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """How the requests of one test are answered.

    Attributes:
        cassette_path: the cassette file, which need not exist.
        mode: the record mode.
        never_records: True if nothing may be recorded, as under `--disable-recording`.
        upstream: who answers requests that are not played from a cassette.
        scenario: the file of the simulator's scenario, or None if the simulator echoes the prompt.
        case: the node id of the test, or the name of the fixture.
        combination: the id of the flags that the test runs under.
        record_command: the command that records the cassette, without `--harness-upstream`.
        filters: what to remove from recordings and reports.
        normalisers: the parts of a request to ignore when it is matched with a recorded one.
        headers_to_keep: response headers to record beyond the allow-list.
        disabled_checks: the checks that the test's marks switch off, such as `unplayed`.
        cassette: the existing recording that is played or added to, or None.
        blob_folder: the folder for large bodies, or None to keep them beside the cassette.
        shares_parts: whether the cassette shares what it has in common with those of other combinations.
        is_test_gone: a function that returns True if the test with a node id no longer exists.
        is_recorded_in_run: a function that returns True if the test with a node id was recorded in this run.
        scope: the hosts of the API, and the other hosts that the test may reach.
        max_age_limit: the age at which a recording is too old, or None.
        cost_limit: how much the run may spend at the live API, or None.
        paid_answers: the complete answers of the live API, which a resumed run gets back, or None.
        find_flag_of_path: a function that returns the flag that changes a JSON path of a request body, or None.
        depends_on_flag: a function that returns whether any flag changes a JSON path of a request body.
        random_seeds: what decides the simulator's random answers besides flags: a seed, the test and its repetition.
        virtual_time_functions: the functions imported from `time` to make virtual, or None to keep time real.
    """

    cassette_path: Path
    mode: RecordMode = "none"
    never_records: bool = False
    upstream: UpstreamChoice = "live"
    scenario: Path | None = None
    case: str = ""
    combination: str = ""
    record_command: str = ""
    filters: Filters = NO_FILTERS
    normalisers: Normalisers = NO_NORMALISERS
    headers_to_keep: tuple[str, ...] = ()
    disabled_checks: frozenset[str] = frozenset()
    cassette: Cassette | None = None
    blob_folder: Path | None = None
    shares_parts: bool = False
    is_test_gone: Callable[[str], bool] = lambda case: False
    is_recorded_in_run: Callable[[str], bool] = lambda case: False
    scope: ApiScope = field(default_factory=ApiScope)
    max_age_limit: timedelta | None = None
    cost_limit: CostLimit | None = None
    paid_answers: PaidAnswers | None = None
    find_flag_of_path: Callable[[str], str | None] = lambda path: None
    depends_on_flag: Callable[[str], bool] = lambda path: False
    virtual_time_functions: ImportedTimeFunctions | None = None
    random_seeds: tuple[object, ...] = ()

    @property
    def is_recording(self) -> bool:
        """True if requests without a recorded answer are recorded: in the mode `once`, if the test has no recording."""
        if self.never_records or self.mode == "none":
            return False
        return self.mode != "once" or not self._has_recording

    @property
    def _has_recording(self) -> bool:
        """True if the cassette has a recording of this test, under its node id or the id without a combination."""
        if self.cassette is None:
            return False
        cases = {self.case}
        if self.combination == OFF_COMBINATION:
            cases.add(name_without_combination(self.case, OFF_COMBINATION, "-"))
        return any(is_recorded_by(self.cassette, case) for case in cases)

    @property
    def is_playing(self) -> bool:
        """True if requests are answered from the cassette."""
        return not self.never_records and (not self.is_recording or self.mode == "new_episodes")

    @property
    def can_reach_upstream(self) -> bool:
        """True if a request may reach the upstream."""
        return self.is_recording or self.never_records

    @property
    def can_reach_live_api(self) -> bool:
        """True if a request may reach the live API."""
        return self.can_reach_upstream and self.upstream == "live"

    @property
    def is_mixing_upstreams(self) -> bool:
        """True if this test would add a recording to a cassette that was recorded from another upstream."""
        existing = self.cassette if self.is_recording and self.mode != "rewrite" else None
        return existing is not None and not can_add_answers_from(existing, self.upstream)

    @property
    def rewrite_command(self) -> str:
        """The shell command that records the test again, from the upstream of this run."""
        return f"{self.record_command} --harness-upstream={self.upstream}"

    @property
    def recording_upstream(self) -> UpstreamChoice:
        """The upstream to name in a command that records the cassette again: the original upstream, if known.

        If nothing is recorded yet, a test that names a scenario is recorded from the simulator.
        """
        if self.cassette and not self.is_recording:
            return "simulator" if self.cassette.metadata.upstream == "simulator" else "live"
        return "simulator" if self.scenario and not self.can_reach_upstream else self.upstream

    @property
    def recording_command(self) -> str:
        """The shell command that records the test again, from the same upstream as its current recording."""
        return f"{self.record_command} --harness-upstream={self.recording_upstream}"

    def make_cost_layers(self, refusals: list[Refusal]) -> "tuple[Layer, ...]":
        """Return the layer that enforces the cost limit, or an empty tuple. It appends its errors to `refusals`."""
        if self.cost_limit is None or not self.can_reach_live_api:
            return ()
        return (self.cost_limit.make_cost_limit_layer(refusals),)

    def make_answer_layers(self) -> "tuple[Layer, ...]":
        """Return the layer that keeps paid answers of the live API for a resumed run, or an empty tuple."""
        if self.paid_answers is None or not self.can_reach_live_api:
            return ()
        return (self.paid_answers.make_paid_answers_layer(self),)

    def make_clock(self) -> Clock:
        """Return the system's clock for the live API, or a virtual clock for recorded and simulated answers."""
        if self.can_reach_live_api:
            return SystemClock()
        return SharedClock() if self.virtual_time_functions else VirtualClock()


def load_cassette(path: Path, mode: RecordMode, is_recording_off: bool) -> Cassette | None:
    """Return the recording that a test plays or adds to, or None. Raise `CassetteError` if it cannot be read.

    The mode `rewrite` replaces the recording, so it does not read the file.
    """
    if is_recording_off or mode == "rewrite" or not path.exists():
        return None
    return Cassette.load(path)


def make_plan_for_extra_combination(plan: TrafficPlan, source: AnswerSource) -> TrafficPlan:
    """Return the plan of an extra combination that runs only to locate a failure, so that nothing is written.

    If the recording of another combination answers, parts of it may stay unplayed.
    """
    if source.recording_path is None:
        return replace(plan, mode="none", never_records=True, cassette=None)
    return replace(
        plan,
        mode="none",
        cassette_path=source.recording_path,
        cassette=load_cassette(source.recording_path, "none", False),
        case=source.case,
        disabled_checks=plan.disabled_checks | {"unplayed"},
    )


def make_plan_for_sweep(plan: TrafficPlan) -> TrafficPlan:
    """Return the plan of a test in a sweep, so that nothing is written.

    The simulator answers if the test names a scenario, else its recording, of which parts may stay unplayed.
    """
    if plan.scenario is not None or plan.never_records:
        return replace(plan, mode="none", never_records=True, cassette=None, upstream="simulator", max_age_limit=None)
    return replace(plan, mode="none", disabled_checks=plan.disabled_checks | {"unplayed"}, max_age_limit=None)


def make_traffic_plan(request: pytest.FixtureRequest, flags: Combination, path: Path, scenarios: Path) -> TrafficPlan:
    """Return the traffic plan of a test, from the options, its marks and the configuration."""
    node: pytest.Item = request.node
    plan = _make_plan_from_marks(request, node, path, scenarios, case=node.nodeid, combination=flags.id)
    refuse_unrecorded_repetition(node, plan)
    test = node_id_without_combination(nodeid_of_first_repetition(node), flags.id)
    draws = request.config.getoption("--harness-seed"), test, repetition_index(node)
    return replace(plan, random_seeds=draws, virtual_time_functions=_time_functions_to_make_virtual(node))


def make_fixture_plan(request: pytest.FixtureRequest, path: Path, case: str) -> TrafficPlan:
    """Return the traffic plan of a wide-scope fixture, from options, the marks of its scope and configuration."""
    test: pytest.FixtureRequest = request._pyfuncitem._request
    scope: pytest.Item = request.node
    scenarios = test.getfixturevalue("harness_scenarios") if scope.get_closest_marker("scenario") else Path()
    plan = _make_plan_from_marks(test, scope, path, scenarios, case=case, combination="")
    return replace(plan, disabled_checks=plan.disabled_checks | {"no_request"})


def _make_plan_from_marks(
    request: pytest.FixtureRequest, scope: pytest.Item, path: Path, scenarios: Path, *, case: str, combination: str
) -> TrafficPlan:
    """Return the traffic plan of a test, or of a fixture that the test sets up, from the marks of the test `scope`."""
    config, node = request.config, request.node
    filters, effects = collect_filters(request), load_flag_effects(config, path.parent)
    if (kept := find_evidence_cassette(config, case)) is not None:
        filters, path = FiltersForRerun.from_filters(evidence_filters(filters, kept.content_level)), kept.path
    recordings, limit = config.rootpath / config.stash[CONFIG_KEY].recordings, max_recording_age(config)
    mode, disabled, number = record_mode_of_run(config), is_recording_disabled(config), repetition_index(node)
    upstream, repeat = config.getoption("--harness-upstream"), f" --harness-repeat={number + 1}" if number else ""
    command = f"pytest {quoted_nodeid(config, node.nodeid)}{repeat} --record-mode=rewrite"
    return TrafficPlan(
        cassette_path=path,
        mode=mode,
        cassette=_load_cassette_or_fail(path, mode, disabled, node, f"{command} --harness-upstream={upstream}"),
        blob_folder=recordings / BLOB_FOLDER if path.is_relative_to(recordings) else None,
        shares_parts=bool(scope.get_closest_marker("flag_matrix")) and combination not in ("", OFF_COMBINATION),
        is_test_gone=config.stash[CASSETTE_USE_TRACKER_KEY].is_test_gone,
        is_recorded_in_run=config.stash[CASSETTE_USE_TRACKER_KEY].has_recorded,
        max_age_limit=limit and limit.limit,
        cost_limit=config.stash[COST_LIMIT_KEY],
        paid_answers=config.stash[PAID_ANSWERS_KEY],
        find_flag_of_path=effects.make_explainer(combination),
        depends_on_flag=effects.depends_on_flag,
        never_records=disabled,
        upstream=upstream,
        scenario=scenario_path(scope, scenarios),
        case=case,
        combination=combination,
        record_command=command,
        scope=api_hosts_in_configuration(config),
        filters=filters,
        normalisers=collect_normalisers(request),
        headers_to_keep=config.stash[CONFIG_KEY].headers.get("keep", ()),
        disabled_checks=frozenset(name for name in _OPTIONAL_CHECKS if scope.get_closest_marker(f"harness_{name}")),
    )


def _load_cassette_or_fail(
    path: Path, mode: RecordMode, is_recording_off: bool, node: pytest.Item, command: str
) -> Cassette | None:
    try:
        return load_cassette(path, mode, is_recording_off)
    except CassetteError as error:
        is_shared = not path.name.startswith(FIXTURE_PREFIX) and path != default_cassette_path(node)
        shared = "\nOther tests may have recorded in it: record those anew, too." if is_shared else ""
        raise pytest.fail.Exception(f"{error}\nTo record it anew: {command}{shared}", pytrace=False) from None


def api_hosts_in_configuration(config: pytest.Config) -> ApiScope:
    """Return the configured hosts of the API, and the other hosts that tests may reach."""
    own, base_url = config.stash[CONFIG_KEY], os.environ.get(BASE_URL_VARIABLE, "")
    return ApiScope(own.hosts, own.allowed_hosts, own.ignore_hosts, base_url)


def _time_functions_to_make_virtual(node: pytest.Item) -> ImportedTimeFunctions | None:
    """Return the functions imported from `time` to make virtual, or None if the test's time stays real."""
    if node.config.stash[CONFIG_KEY].time == "real" or node.get_closest_marker("harness_real_time"):
        return None
    return node.config.stash.setdefault(_IMPORTED_TIME_FUNCTIONS_KEY, ImportedTimeFunctions(node.config.rootpath))
