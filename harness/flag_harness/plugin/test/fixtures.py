"""The fixtures `flags`, which sets environment variables, and `cassette`, which answers a test's requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.combinations import combination_in_flags_marks
from flag_harness.plugin.marks import CONFIG_KEY, declared_flags
from flag_harness.plugin.run.cassette_paths import default_cassette_path
from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY
from flag_harness.plugin.stash import (
    ANSWER_SOURCE_KEY,
    COMBINATION_KEY,
    LOG_COUNTER_KEY,
    PROBE_KEY,
    REFUSALS_KEY,
    TRAFFIC_KEY,
)
from flag_harness.plugin.test.faults import make_command_line_faults_of_test, make_marked_faults_of_test

if TYPE_CHECKING:
    from flag_harness.matrix import Combination
    from flag_harness.plugin.test.plan import TrafficPlan
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.sources import SetFlagsFunction


@pytest.fixture
def harness_set_flags() -> "SetFlagsFunction | None":
    """Return a function that sets flags declared with `set = "harness_set_flags"`, or None. Override it.

    The function gets a `Combination` of these flags, and may return a context manager, which is left after the test.
    """
    return None


@pytest.fixture
def harness_combination(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> "Iterator[Combination]":
    """Set the test's flags at their sources, and other declared flags to their defaults. Yield the combination.

    The combination comes from the test's `flag_matrix` mark or, without that mark, from its `flags` marks.
    """
    from flag_harness.matrix import Combination
    from flag_harness.plugin.parts import register_plugin_parts  # imported here: most runs do not need it

    register_plugin_parts(request.config)  # a test may request this fixture only while it runs
    declared = declared_flags(request.config)
    parameter = getattr(request, "param", None)
    combination = (
        parameter if isinstance(parameter, Combination) else combination_in_flags_marks(request.node, declared)
    )
    request.node.stash[COMBINATION_KEY] = combination
    unset = dict.fromkeys(flag.env for flag in declared if flag.env)
    for variable, value in {**unset, **combination.environ}.items():
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)
    from flag_harness.plugin.test.flag_sources import set_flags_outside_environment

    with set_flags_outside_environment(request, combination, declared):
        yield combination


@pytest.fixture(name="flags")
def flags_fixture(harness_combination: "Combination") -> "Combination":
    """Return the flags that the test runs under: `"streaming" in flags`, `flags.id`."""
    return harness_combination


@pytest.fixture
def harness_cassette_path(request: pytest.FixtureRequest) -> Path:
    """Return the path of the test's cassette. Override it to keep cassettes elsewhere.

    The default is `<recordings>/<module>/<test>.json`. Tests with the same path share a file; each plays its own part.
    """
    return default_cassette_path(request.node)


@pytest.fixture
def harness_scenarios(request: pytest.FixtureRequest) -> Path:
    """Return the folder of the simulator's scenarios, `<fixtures>/scenarios`. Override it to keep them elsewhere."""
    config: pytest.Config = request.config
    return config.rootpath / config.stash[CONFIG_KEY].fixtures / "scenarios"


@pytest.fixture
def harness_cassette(
    harness_combination: "Combination",
    harness_cassette_path: Path,
    harness_scenarios: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> "Iterator[CassetteTraffic]":
    """Answer the test's requests from its cassette, the simulator or the live API, as the options say.

    Use the fixture `cassette`, which returns the same object; use this one if another plugin defines `cassette`.
    """
    # imported here: a run that uses no cassette does not need them
    from flag_harness.plugin.border.border import BORDER_KEY
    from flag_harness.plugin.redact.secrets import REPORT_MASK_KEY, mask_logs
    from flag_harness.plugin.refusals import hide_refusals_in_threads
    from flag_harness.plugin.run.log_counts import count_logs
    from flag_harness.plugin.test.plan import make_plan_of_extra_combination, make_plan_of_sweep, make_traffic_plan

    source = request.node.stash.get(ANSWER_SOURCE_KEY, None)
    if source is None and PROBE_KEY not in request.node.stash:
        request.config.stash[CASSETTE_USE_TRACKER_KEY].register_cassette(request.node, harness_cassette_path)
    plan = make_traffic_plan(request, harness_combination, harness_cassette_path, harness_scenarios)
    plan = plan if source is None else make_plan_of_extra_combination(plan, source)
    plan = make_plan_of_sweep(plan) if PROBE_KEY in request.node.stash else plan
    border = request.config.stash[BORDER_KEY]
    owner, traffic = border.owner_of_test(request.node), _make_traffic(request, plan, harness_combination.id)
    with (
        mask_logs(traffic.mask),
        count_logs() as counter,
        hide_refusals_in_threads(),
        traffic.open(lambda http_request: border.request_belongs_to(owner, http_request)),
    ):
        request.node.stash[LOG_COUNTER_KEY] = counter
        request.node.stash[TRAFFIC_KEY], request.node.stash[REFUSALS_KEY] = traffic, traffic.refusals
        request.config.stash[REPORT_MASK_KEY].set_mask(request.node.nodeid, traffic.mask)
        if plan.upstream == "simulator" or not (plan.is_recording or plan.never_records):
            _set_offline_environment(monkeypatch)
        yield traffic


def _set_offline_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's API key and addresses from a test that must not reach the network."""
    from flag_harness.plugin.border.offline import OFFLINE_ENVIRONMENT

    for variable, value in OFFLINE_ENVIRONMENT.items():
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)


@pytest.fixture
def cassette(harness_cassette: "CassetteTraffic") -> "CassetteTraffic":
    """Answer the test's requests from its cassette, the simulator or the live API, and return a `CassetteTraffic`.

    The most useful attributes: `bodies` (decoded request bodies), `exchanges` (requests with responses), `usage`,
    `cost`, `played`, `clock`, `http_client()`, `async_http_client()`.
    """
    return harness_cassette


def _make_traffic(request: pytest.FixtureRequest, plan: "TrafficPlan", combination: str) -> "CassetteTraffic":
    from flag_harness.plugin.border.border import BORDER_KEY
    from flag_harness.plugin.evidence.kept_cassettes import make_evidence_recorder
    from flag_harness.plugin.test.traffic import CassetteTraffic

    border, probe = request.config.stash[BORDER_KEY], request.node.stash.get(PROBE_KEY, None)
    return CassetteTraffic(
        plan,
        *make_marked_faults_of_test(request.node, combination),
        everywhere=make_command_line_faults_of_test(request.node, combination) if probe is None else (),
        check=border.refuse_request_if_late,
        evidence=make_evidence_recorder(plan, request.config),
        make_network_failure=border.make_network_failure,
        probe=probe,
    )
