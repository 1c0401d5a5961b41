"""The mark `vcr` of pytest-vcr, and the fixtures that configure (`vcr`) and play (`vcr_cassette`) a cassette."""

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.redact.secrets import collect_filters
from flag_harness.plugin.vcr.config import (
    VcrStandIn,
    add_project_filters,
    convert_to_stand_in,
    refuse_cassette_fixture,
    vcr_cassette_path,
    vcr_settings_of_module,
)
from flag_harness.plugin.vcr.playing import load_vcr_cassette, play_cassette

if TYPE_CHECKING:
    from flag_harness.vcr import VcrCassette


@pytest.fixture(autouse=True)
def _vcr_marker(request: pytest.FixtureRequest) -> None:
    """Play a cassette if the test has the mark `vcr`."""
    if request.node.get_closest_marker("vcr"):
        request.getfixturevalue("vcr_cassette")


@pytest.fixture(name="vcr", scope="module")
def module_vcr(request: pytest.FixtureRequest, vcr_config: Mapping[str, Any], vcr_cassette_dir: str) -> VcrStandIn:
    """Return the settings of the module's cassettes. Override this fixture to register matchers or serializers."""
    if request.config.getoption("--vcr-record-mode"):
        warnings.warn("--vcr-record-mode is deprecated; use --vcr-record", DeprecationWarning, stacklevel=1)
    found = VcrStandIn()
    found.settings.update(
        {"cassette_library_dir": str(vcr_cassette_dir), **vcr_config, **_settings_in_mark_and_options(request)}
    )
    return found


@pytest.fixture
def vcr_cassette(request: pytest.FixtureRequest, vcr: Any, vcr_cassette_name: str) -> "Iterator[VcrCassette]":
    """Answer requests of httpx2 and httpx from a vcrpy cassette; yield the cassette."""
    refuse_cassette_fixture(request)
    vcr = convert_to_stand_in(vcr)
    options = {**vcr.settings, **_settings_in_mark_and_options(request)}
    settings = add_project_filters(vcr_settings_of_module(request.node, vcr, options, "once"), collect_filters(request))
    path = vcr_cassette_path(
        vcr_cassette_name,
        str(options.get("cassette_library_dir") or request.getfixturevalue("vcr_cassette_dir")),
        options,
    )
    cassette = load_vcr_cassette(request.node, path, settings, (), fixed_mode="")
    with play_cassette(request.node, cassette):
        yield cassette


def _settings_in_mark_and_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the settings in the nearest `vcr` mark and on the command line. The command line wins."""
    mark = request.node.get_closest_marker("vcr")
    options = dict(mark.kwargs) if mark else {}
    if mode := request.config.getoption("--vcr-record") or request.config.getoption("--vcr-record-mode"):
        options["record_mode"] = mode
    if request.config.getoption("--disable-vcr"):
        options.update(record_mode="new_episodes", before_record_response=_discard_response)
    return options


def _discard_response(response: Any) -> None:
    """Return None for every response, so that it is neither loaded nor recorded."""
