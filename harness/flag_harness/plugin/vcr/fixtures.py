"""The fixtures of pytest-recording that suites override. Where it is installed, its own are used: they are the same."""

from collections.abc import Sequence
from typing import Any

import pytest

from flag_harness.plugin.run.names import vcr_name


@pytest.fixture(scope="session")
def record_mode(request: pytest.FixtureRequest) -> str:
    """The record mode of the command line."""
    return str(request.config.getoption("--record-mode") or "none")


@pytest.fixture(scope="session")
def disable_recording(request: pytest.FixtureRequest) -> bool:
    """Whether cassettes are left alone."""
    return bool(request.config.getoption("--disable-recording"))


@pytest.fixture
def vcr_config() -> dict[str, Any]:
    """Settings of vcrpy for every test in reach. Override it."""
    return {}


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """Where the cassettes of a module lie: `cassettes/<module>` beside it. Override it to keep them elsewhere."""
    return str(request.path.parent / "cassettes" / request.path.stem)


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest) -> str:
    """The name of the test's own cassette: that of its `default_cassette` mark, else its own."""
    mark = request.node.get_closest_marker("default_cassette")
    if mark is None:
        return vcr_name(request.cls, request.node.name)
    if not mark.args:
        raise pytest.UsageError(f'{request.node.nodeid}: write @pytest.mark.default_cassette("NAME")')
    return str(mark.args[0])


@pytest.fixture
def allowed_hosts(request: pytest.FixtureRequest) -> Sequence[str] | None:
    """The hosts that may be reached while the network is blocked: of the mark, the command line, or `vcr_config`."""
    mark = request.node.get_closest_marker("block_network")
    hosts = (
        (mark.kwargs.get("allowed_hosts") if mark else None)
        or request.config.getoption("--allowed-hosts")
        or request.getfixturevalue("vcr_config").get("allowed_hosts")
    )
    return hosts.split(",") if isinstance(hosts, str) else hosts


@pytest.fixture
def vcr_markers(request: pytest.FixtureRequest) -> list[pytest.Mark]:
    """The `vcr` marks of the test, the nearest first."""
    return list(request.node.iter_markers("vcr"))
