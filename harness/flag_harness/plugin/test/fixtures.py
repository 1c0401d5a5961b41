"""The fixtures: `flags` sets the environment, `cassette` answers what the test sends."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.errors import CassetteError
from flag_harness.matrix import Combination
from flag_harness.plugin.marks import CONFIG, declared_flags, pinned_combination
from flag_harness.plugin.modes import record_mode, recording_disabled
from flag_harness.plugin.redact.normalisers import normalisers_of
from flag_harness.plugin.redact.secrets import HIDDEN, filters_of, hidden_in_logs
from flag_harness.plugin.run.age import max_age
from flag_harness.plugin.run.claims import LIFE, default_path
from flag_harness.plugin.stash import COMBINATION, REFUSALS, SESSION
from flag_harness.plugin.test.faults import armed, marked

if TYPE_CHECKING:
    from flag_harness.plugin.test.plan import Plan
    from flag_harness.plugin.test.traffic import Session

OFFLINE_KEY = "offline"
"""What `ANTHROPIC_API_KEY` holds while a test plays recordings or the simulator: no key is used, and none can leak."""

_ALLOWANCES = ("no_request", "unplayed", "misses", "network")


@pytest.fixture
def harness_combination(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Combination:
    """The test's combination, set in the environment; the variables of flags that are off are unset.

    It is a parameter under `flag_matrix`, else what the `flags` marks pin.
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
    """The flags that the test runs under: `"streaming" in flags`, `flags.id`."""
    return harness_combination


@pytest.fixture
def harness_cassette_path(request: pytest.FixtureRequest) -> Path:
    """Where the test's cassette is: `<recordings>/<module>/<test>.json`. Override it to keep cassettes elsewhere.

    Tests that are given the same path share one file, in which each has what it recorded.
    """
    return default_path(request.node)


@pytest.fixture
def harness_scenarios(request: pytest.FixtureRequest) -> Path:
    """The folder of the simulator's scenarios: `<fixtures>/scenarios`. Override it to keep them elsewhere."""
    config: pytest.Config = request.config
    return config.rootpath / config.stash[CONFIG].fixtures / "scenarios"


@pytest.fixture
def harness_cassette(
    harness_combination: Combination,
    harness_cassette_path: Path,
    harness_scenarios: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> "Iterator[Session]":
    """The test's traffic: played from its cassette, recorded, simulated or live, as the options say."""
    from flag_harness.plugin.test.traffic import Session  # a run that uses no cassette does not pay for its import

    request.config.stash[LIFE].claim(request.node, harness_cassette_path)
    plan = _plan(request, harness_combination, harness_cassette_path, harness_scenarios)
    faults = marked(request.node, harness_combination.id)
    session = Session(plan, *faults, everywhere=armed(request.node, harness_combination.id))
    with hidden_in_logs(session.shown), session.open():
        request.node.stash[SESSION], request.node.stash[REFUSALS] = session, session.refusals
        request.config.stash[HIDDEN].follow(request.node.nodeid, session.shown)
        if plan.upstream == "simulator" or not (plan.records or plan.disabled):
            monkeypatch.setenv("ANTHROPIC_API_KEY", OFFLINE_KEY)
            monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
            monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
            monkeypatch.delenv("ANTHROPIC_CUSTOM_HEADERS", raising=False)  # the SDK sends them with every request
        yield session


@pytest.fixture
def cassette(harness_cassette: "Session") -> "Session":
    """The test's traffic: what its clients send is answered by its cassette, recorded, simulated or live."""
    return harness_cassette


def _plan(request: pytest.FixtureRequest, flags: Combination, path: Path, scenarios: Path) -> "Plan":
    from flag_harness.cassette.file.blobs import FOLDER
    from flag_harness.plugin.test.plan import Plan, cassette_of

    config: pytest.Config = request.config
    node: pytest.Item = request.node
    scenario = node.get_closest_marker("scenario")
    recordings, limit = config.rootpath / config.stash[CONFIG].recordings, max_age(config)
    mode, disabled = record_mode(config), recording_disabled(config)
    command = f"pytest {shlex.quote(node.nodeid)} --record-mode=rewrite"
    upstream = config.getoption("--harness-upstream")
    try:
        cassette = cassette_of(path, mode, disabled)
    except CassetteError as error:
        shared = "" if path == default_path(node) else "\nOther tests may have recorded in it: record those anew, too."
        message = f"{error}\nTo record it anew: {command} --harness-upstream={upstream}{shared}"
        raise pytest.fail.Exception(message, pytrace=False) from None
    return Plan(
        path=path,
        mode=mode,
        cassette=cassette,
        blobs=recordings / FOLDER if path.is_relative_to(recordings) else None,
        gone=config.stash[LIFE].is_gone,
        anew=config.stash[LIFE].is_recorded,
        most_age=limit and limit.most,
        disabled=disabled,
        upstream=upstream,
        scenario=scenarios / f"{scenario.args[0]}.toml" if scenario else None,
        case=node.nodeid,
        combination=flags.id,
        flags=declared_flags(config),
        command=command,
        filters=filters_of(request),
        normalisers=normalisers_of(request),
        allowed=frozenset(name for name in _ALLOWANCES if node.get_closest_marker(f"harness_{name}")),
    )
