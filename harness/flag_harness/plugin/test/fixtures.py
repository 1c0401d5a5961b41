"""The fixtures: `flags` sets the environment, `cassette` answers what the test sends."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.errors import CassetteError
from flag_harness.matrix import Combination
from flag_harness.plugin.combinations import pinned_combination
from flag_harness.plugin.marks import CONFIG, declared_flags
from flag_harness.plugin.modes import is_recording_disabled, selected_record_mode
from flag_harness.plugin.redact.normalisers import collect_normalisers
from flag_harness.plugin.redact.secrets import REPORT_MASK, collect_filters, mask_logs
from flag_harness.plugin.run.age import max_age
from flag_harness.plugin.run.claims import CLAIM_TRACKER, default_cassette_path
from flag_harness.plugin.run.cost_limit import COST_LIMIT
from flag_harness.plugin.run.log_counts import count_logs
from flag_harness.plugin.stash import COMBINATION, EXTRA_ROW, LOG_COUNTER, REFUSALS, TRAFFIC
from flag_harness.plugin.test.faults import arm_command_line_faults, arm_marked_faults

if TYPE_CHECKING:
    from flag_harness.plugin.test.plan import TrafficPlan
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.transports import ApiScope
    from flag_harness.transports.virtual_time import ProjectNames

_PROJECT_NAMES: "pytest.StashKey[ProjectNames]" = pytest.StashKey()
"""What the modules of the project have imported from `time`."""

OFFLINE_KEY = "offline"
"""The value of `ANTHROPIC_API_KEY` while a test plays recordings or the simulator: no real key is used or can leak."""

_ALLOWANCES = ("no_request", "unplayed", "misses", "network")
"""The checks that a mark `harness_<name>` switches off."""


@pytest.fixture
def harness_combination(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Combination:
    """Set the variables of this test's flags, unset those of flags that are off, and return the combination.

    The combination is the parameter of `flag_matrix`, or else the one that the `flags` marks pin.
    """
    declared = declared_flags(request.config)
    parameter = getattr(request, "param", None)
    combination = parameter if isinstance(parameter, Combination) else pinned_combination(request.node, declared)
    request.node.stash[COMBINATION] = combination
    unset = dict.fromkeys(flag.env for flag in declared)
    for variable, value in {**unset, **combination.environ}.items():
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)
    return combination


@pytest.fixture
def flags(harness_combination: Combination) -> Combination:
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
    return config.rootpath / config.stash[CONFIG].fixtures / "scenarios"


@pytest.fixture
def harness_cassette(
    harness_combination: Combination,
    harness_cassette_path: Path,
    harness_scenarios: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> "Iterator[CassetteTraffic]":
    """Answer the test's requests from its cassette, the simulator or the live API, as the options say.

    Use the fixture `cassette`, which returns the same object; use this one if another plugin defines `cassette`.
    """
    # imported here: a run that uses no cassette does not need it
    from flag_harness.plugin.test.plan import extra_row_plan
    from flag_harness.plugin.test.traffic import CassetteTraffic

    source = request.node.stash.get(EXTRA_ROW, None)
    if source is None:
        request.config.stash[CLAIM_TRACKER].claim(request.node, harness_cassette_path)
    plan = _make_plan(request, harness_combination, harness_cassette_path, harness_scenarios)
    plan = plan if source is None else extra_row_plan(plan, source)
    faults = arm_marked_faults(request.node, harness_combination.id)
    traffic = CassetteTraffic(plan, *faults, everywhere=arm_command_line_faults(request.node, harness_combination.id))
    with mask_logs(traffic.mask), count_logs() as counter, traffic.open():
        request.node.stash[LOG_COUNTER] = counter
        request.node.stash[TRAFFIC], request.node.stash[REFUSALS] = traffic, traffic.refusals
        request.config.stash[REPORT_MASK].follow(request.node.nodeid, traffic.mask)
        if plan.upstream == "simulator" or not (plan.is_recording or plan.disabled):
            monkeypatch.setenv("ANTHROPIC_API_KEY", OFFLINE_KEY)
            monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
            monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
            monkeypatch.delenv("ANTHROPIC_CUSTOM_HEADERS", raising=False)  # the SDK adds them to every request
        yield traffic


@pytest.fixture
def cassette(harness_cassette: "CassetteTraffic") -> "CassetteTraffic":
    """Answer the test's requests from its cassette, the simulator or the live API, and return a `CassetteTraffic`.

    The most useful attributes: `bodies` (decoded request bodies), `exchanges` (requests with responses), `usage`,
    `cost`, `played`, `clock`, `http_client()`, `async_http_client()`.
    """
    return harness_cassette


def _make_plan(request: pytest.FixtureRequest, flags: Combination, path: Path, scenarios: Path) -> "TrafficPlan":
    from flag_harness.cassette.file.blobs import BLOB_FOLDER
    from flag_harness.plugin.test.plan import TrafficPlan, load_cassette
    from flag_harness.plugin.test.recorded_effects import recorded_effects

    config: pytest.Config = request.config
    node: pytest.Item = request.node
    scenario = node.get_closest_marker("scenario")
    recordings, limit = config.rootpath / config.stash[CONFIG].recordings, max_age(config)
    mode, disabled = selected_record_mode(config), is_recording_disabled(config)
    command = f"pytest {shlex.quote(node.nodeid)} --record-mode=rewrite"
    upstream = config.getoption("--harness-upstream")
    try:
        cassette = load_cassette(path, mode, disabled)
    except CassetteError as error:
        is_shared = path != default_cassette_path(node)
        shared = "\nOther tests may have recorded in it: record those anew, too." if is_shared else ""
        message = f"{error}\nTo record it anew: {command} --harness-upstream={upstream}{shared}"
        raise pytest.fail.Exception(message, pytrace=False) from None
    return TrafficPlan(
        path=path,
        mode=mode,
        cassette=cassette,
        blobs=recordings / BLOB_FOLDER if path.is_relative_to(recordings) else None,
        is_gone=config.stash[CLAIM_TRACKER].is_gone,
        is_recorded_now=config.stash[CLAIM_TRACKER].is_recorded,
        max_age_limit=limit and limit.limit,
        cost_limit=config.stash[COST_LIMIT],
        explain=recorded_effects(config, path.parent).flag_that_changes,
        disabled=disabled,
        upstream=upstream,
        scenario=scenarios / f"{scenario.args[0]}.toml" if scenario else None,
        case=node.nodeid,
        combination=flags.id,
        command=command,
        scope=_make_scope(config),
        project_names=_project_names(node),
        filters=collect_filters(request),
        normalisers=collect_normalisers(request),
        kept_headers=config.stash[CONFIG].headers.get("keep", ()),
        allowed=frozenset(name for name in _ALLOWANCES if node.get_closest_marker(f"harness_{name}")),
    )


def _make_scope(config: pytest.Config) -> "ApiScope":
    from flag_harness.transports.scope import BASE_URL, ApiScope

    settings = config.stash[CONFIG]
    return ApiScope(settings.hosts, settings.allowed_hosts, settings.ignore_hosts, os.environ.get(BASE_URL, ""))


def _project_names(node: pytest.Item) -> "ProjectNames | None":
    """Return the names to make virtual, or None if time is real for the code under test."""
    if node.config.stash[CONFIG].time == "real" or node.get_closest_marker("harness_real_time"):
        return None
    from flag_harness.transports.virtual_time import ProjectNames

    return node.config.stash.setdefault(_PROJECT_NAMES, ProjectNames(node.config.rootpath))
