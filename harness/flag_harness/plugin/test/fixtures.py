"""All fixtures of the harness. What they need is imported when a test requests one."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.start.deferred_start import configure_harness_now

if TYPE_CHECKING:
    from respx import MockRouter

    from flag_harness.cassette import Filters, Normalisers
    from flag_harness.matrix import Combination
    from flag_harness.plugin.test.plan import TrafficPlan
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.plugin.verdicts.scores import Scorer
    from flag_harness.sources import SetFlagsFunction
    from flag_harness.transports.serve.server import LoopbackServer


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
    configure_harness_now(request)
    from flag_harness.matrix import Combination
    from flag_harness.plugin.combinations import combination_in_flags_marks
    from flag_harness.plugin.marks import declared_flags
    from flag_harness.plugin.parts import register_plugin_parts
    from flag_harness.plugin.stash import COMBINATION_KEY
    from flag_harness.plugin.test.flag_sources import set_flags_outside_environment

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
    with set_flags_outside_environment(request, combination, declared):
        yield combination


@pytest.fixture(name="flags")
def flags_fixture(harness_combination: "Combination") -> "Combination":
    """Return the flags that the test runs under.

    `"streaming" in flags` is True if that flag is on, `flags["model"]` is the value of a flag, and `flags.id` the id of
    the combination.
    """
    return harness_combination


@pytest.fixture
def harness_cassette_path(request: pytest.FixtureRequest) -> Path:
    """Return the path of the test's cassette. Override it to keep cassettes elsewhere.

    The default is `<recordings>/<module>/<test>.json`. Tests with the same path share a file; each plays its own part.
    """
    configure_harness_now(request)
    from flag_harness.plugin.run.cassette_paths import default_cassette_path

    return default_cassette_path(request.node)


@pytest.fixture
def harness_scenarios(request: pytest.FixtureRequest) -> Path:
    """Return the folder of the simulator's scenarios, `<fixtures>/scenarios`. Override it to keep them elsewhere."""
    configure_harness_now(request)
    from flag_harness.plugin.marks import CONFIG_KEY

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
    from flag_harness.plugin.border.border import BORDER_KEY
    from flag_harness.plugin.redact.secrets import REPORT_MASK_KEY, mask_logs
    from flag_harness.plugin.refusals import hide_refusals_in_threads
    from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY
    from flag_harness.plugin.run.log_counts import count_logs
    from flag_harness.plugin.stash import ANSWER_SOURCE_KEY, LOG_COUNTER_KEY, PROBE_KEY, REFUSALS_KEY, TRAFFIC_KEY
    from flag_harness.plugin.test.plan import make_plan_for_extra_combination, make_plan_for_sweep, make_traffic_plan

    source = request.node.stash.get(ANSWER_SOURCE_KEY, None)
    if source is None and PROBE_KEY not in request.node.stash:
        request.config.stash[CASSETTE_USE_TRACKER_KEY].register_cassette(request.node, harness_cassette_path)
    plan = make_traffic_plan(request, harness_combination, harness_cassette_path, harness_scenarios)
    plan = plan if source is None else make_plan_for_extra_combination(plan, source)
    plan = make_plan_for_sweep(plan) if PROBE_KEY in request.node.stash else plan
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


@pytest.fixture
def harness_cassette_server(
    harness_cassette: "CassetteTraffic", request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[LoopbackServer]":
    """Serve the test's cassette on loopback, and set `ANTHROPIC_BASE_URL` to its address.

    Use the fixture `cassette_server`, which returns the same server; use this one if another plugin defines that name.
    """
    from flag_harness.plugin.test.server import serve_cassette

    with serve_cassette(harness_cassette, request.node) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


@pytest.fixture
def cassette_server(harness_cassette_server: "LoopbackServer") -> "LoopbackServer":
    """Serve the test's cassette on loopback, and set `ANTHROPIC_BASE_URL` to its address.

    Programs in any language that the test starts are answered there, under the same checks as clients of the test, and
    can read OpenFeature flags there (OFREP). Answers come at once, or in the recorded rhythm if the test has the mark
    `harness_real_time`. If the test records from the live API, requests are forwarded one at a time, and each answer
    arrives in one piece.
    """
    return harness_cassette_server


@pytest.fixture(scope="session")
def harness_filters() -> "Filters":
    """Return filters to use besides `[tool.flag-harness.filters]`. Override this fixture for filters that need code."""
    from flag_harness.cassette import Filters

    return Filters()


@pytest.fixture(scope="session")
def harness_normalisers() -> "Normalisers":
    """Return normalisers to use besides `[tool.flag-harness.normalise]`. Override this fixture to add some."""
    from flag_harness.cassette import Normalisers

    return Normalisers()


@pytest.fixture
def harness_respx(request: pytest.FixtureRequest) -> "Iterator[MockRouter]":
    """Return a respx router that answers the installed SDK, whether that uses httpx2 (since 1.0) or httpx.

    Use it instead of `respx_mock`, which does not know httpx2.
    `@pytest.mark.respx(base_url="https://api.anthropic.com")` sets the options of the router, as it does for
    `respx_mock`. The test is skipped if respx is not installed.
    """
    respx = pytest.importorskip("respx", reason="the fixture harness_respx needs respx: pip install respx")

    from flag_harness.transports import sdk_http_library
    from flag_harness.transports.respx_routes import respx_mocker_name

    mark = request.node.get_closest_marker("respx")
    options = {"using": respx_mocker_name(sdk_http_library().__name__), **(mark.kwargs if mark else {})}
    with respx.mock(**options) as router:
        yield router


@pytest.fixture
def harness_score(request: pytest.FixtureRequest) -> "Scorer":
    """Return a function that grades the run: `harness_score("politeness", 0.8)`, or with `equals`, `matches` or `by`.

    Scores are from 0 to 1. `--harness-verdict` judges each of them like the test itself.
    """
    from flag_harness.plugin.verdicts.scores import Scorer

    return Scorer(request.node)


def _make_traffic(request: pytest.FixtureRequest, plan: "TrafficPlan", combination: str) -> "CassetteTraffic":
    from flag_harness.plugin.border.border import BORDER_KEY
    from flag_harness.plugin.evidence.kept_cassettes import make_evidence_recorder
    from flag_harness.plugin.stash import PROBE_KEY
    from flag_harness.plugin.test.faults import copy_command_line_faults, copy_marked_faults
    from flag_harness.plugin.test.traffic import CassetteTraffic

    border, probe = request.config.stash[BORDER_KEY], request.node.stash.get(PROBE_KEY, None)
    return CassetteTraffic(
        plan,
        *copy_marked_faults(request.node, combination),
        command_line_faults=copy_command_line_faults(request.node, combination) if probe is None else (),
        refuse_if_late=border.refuse_request_if_late,
        evidence=make_evidence_recorder(plan, request.config),
        make_network_failure=border.make_network_failure,
        probe=probe,
    )
