"""The fixtures of pytest-recording that suites override. If pytest-recording is installed, its own fixtures are
used.
"""

from collections.abc import Sequence
from typing import Any

import pytest

from flag_harness.plugin.run.names import vcr_name


@pytest.fixture(scope="session")
def record_mode(request: pytest.FixtureRequest) -> str:
    """Return the record mode of the command line."""
    return str(request.config.getoption("--record-mode") or "none")


@pytest.fixture(scope="session")
def disable_recording(request: pytest.FixtureRequest) -> bool:
    """Return True if the command line has `--disable-recording`."""
    return bool(request.config.getoption("--disable-recording"))


@pytest.fixture
def vcr_config() -> dict[str, Any]:
    """Return settings for vcrpy's cassettes. Override this fixture to change them."""
    return {}


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """Return the folder of a module's cassettes, `cassettes/<module>`. Override it to keep them elsewhere."""
    return str(request.path.parent / "cassettes" / request.path.stem)


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest) -> str:
    """Return the name in the test's `default_cassette` mark, or else the test's own name."""
    mark = request.node.get_closest_marker("default_cassette")
    if mark is None:
        return vcr_name(request.cls, request.node.name)
    if not mark.args:
        raise pytest.UsageError(f'{request.node.nodeid}: write @pytest.mark.default_cassette("NAME")')
    return str(mark.args[0])


@pytest.fixture
def allowed_hosts(request: pytest.FixtureRequest) -> Sequence[str] | None:
    """Return the hosts that tests may reach, from the mark, the command line or `vcr_config`, or None if none of them
    says.
    """
    mark = request.node.get_closest_marker("block_network")
    hosts = (
        (mark.kwargs.get("allowed_hosts") if mark else None)
        or request.config.getoption("--allowed-hosts")
        or request.getfixturevalue("vcr_config").get("allowed_hosts")
    )
    return hosts.split(",") if isinstance(hosts, str) else hosts


@pytest.fixture
def vcr_markers(request: pytest.FixtureRequest) -> list[pytest.Mark]:
    """Return the `vcr` marks of the test, nearest first."""
    return list(request.node.iter_markers("vcr"))
