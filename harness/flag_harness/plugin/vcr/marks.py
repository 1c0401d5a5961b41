"""The marks of pytest-recording: `vcr` plays and records a cassette of vcrpy, `block_network` blocks the network."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.redact.secrets import collect_filters
from flag_harness.plugin.vcr.config import (
    add_project_filters,
    extra_cassette_paths,
    merge_settings,
    refuse_cassette_fixture,
    vcr_cassette_path,
    vcr_settings,
)
from flag_harness.plugin.vcr.playing import load_vcr_cassette, play_cassette, refuse_simulator

if TYPE_CHECKING:
    from flag_harness.vcr import VcrCassette


@pytest.fixture(name="block_network", autouse=True)
def block_network_if_marked(
    request: pytest.FixtureRequest, record_mode: str, vcr_markers: list[pytest.Mark]
) -> Iterator[None]:
    """Block the network if the test has the mark `block_network` or the run has `--block-network`, unless the test
    records.
    """
    if not _is_network_blocked(request, record_mode, vcr_markers):
        yield
        return
    from flag_harness.transports import block_network_except

    with block_network_except(request.getfixturevalue("allowed_hosts") or ()):
        yield


@pytest.fixture(autouse=True)
def vcr(
    request: pytest.FixtureRequest, record_mode: str, disable_recording: bool, vcr_markers: list[pytest.Mark]
) -> "Iterator[VcrCassette | None]":
    """Answer requests of httpx2 and httpx from a vcrpy cassette if the test has the mark `vcr`; yield the cassette."""
    if disable_recording or not vcr_markers:
        if vcr_markers:
            refuse_simulator(request.node)
        yield None
        return
    cassette = _load_marked_cassette(request, record_mode, vcr_markers)
    blocked = _is_network_blocked(request, record_mode, vcr_markers)
    with play_cassette(request.node, cassette, refuses_network=not blocked):
        yield cassette


@pytest.fixture(autouse=True)
def _vcr_marker() -> None:
    """Do nothing.

    This overrides pytest-vcr's fixture of the same name, which would also play a cassette for tests marked `vcr`.
    """


def _is_network_blocked(request: pytest.FixtureRequest, record_mode: str, marks: list[pytest.Mark]) -> bool:
    """Return True if the mark or the option blocks the network and the test does not record."""
    mark = request.node.get_closest_marker("block_network")
    if mark is not None and (mark.args or list(mark.kwargs) not in ([], ["allowed_hosts"])):
        raise pytest.UsageError(f"{request.node.nodeid}: @pytest.mark.block_network takes allowed_hosts=[...] only")
    if mark is None and not request.config.getoption("--block-network"):
        return False
    if marks and request.config.getoption("--record-mode") is None:
        record_mode = merge_settings(request.getfixturevalue("vcr_config"), marks).get("record_mode", "none")
    return not marks or record_mode == "none"


def _load_marked_cassette(request: pytest.FixtureRequest, record_mode: str, marks: list[pytest.Mark]) -> "VcrCassette":
    node: pytest.Item = request.node
    refuse_cassette_fixture(request)
    options = merge_settings(request.getfixturevalue("vcr_config"), marks)
    settings = add_project_filters(vcr_settings(node, options, record_mode), collect_filters(request))
    folder = str(request.getfixturevalue("vcr_cassette_dir"))
    path = vcr_cassette_path(request.getfixturevalue("default_cassette_name"), folder, options)
    fixed_mode = settings.record_mode if "record_mode" in options else ""
    return load_vcr_cassette(node, path, settings, extra_cassette_paths(marks, folder), fixed_mode)
