"""The marks of pytest-recording: `vcr` plays and records a cassette of vcrpy, `block_network` blocks the network."""

import os
import shlex
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.clock import VirtualClock
from flag_harness.errors import CassetteError, CassetteMiss, NetworkRefused
from flag_harness.plugin.marks import CONFIG
from flag_harness.plugin.redact.secrets import collect_filters
from flag_harness.plugin.stash import REFUSALS
from flag_harness.plugin.test.refusals import MissFailure, NetworkFailure
from flag_harness.plugin.test.rows import is_subtest_report
from flag_harness.plugin.vcr.config import (
    add_project_filters,
    extra_paths,
    merge_settings,
    vcr_cassette_path,
    vcr_settings,
)

if TYPE_CHECKING:
    from flag_harness.vcr import VcrCassette

VCR_CASSETTE = pytest.StashKey["VcrCassette"]()
"""The cassette that a test plays."""
_HAS_PASSED = pytest.StashKey[bool]()
"""Whether the test's own code has passed."""


@pytest.fixture(name="block_network", autouse=True)
def block_network_if_marked(
    request: pytest.FixtureRequest, record_mode: str, vcr_markers: list[pytest.Mark]
) -> Iterator[None]:
    """Block the network if the mark or the command line says so, unless the test records."""
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
        yield None
        return
    cassette = _load_vcr_cassette(request, record_mode, vcr_markers)
    blocked = _is_network_blocked(request, record_mode, vcr_markers)
    request.node.stash[VCR_CASSETTE] = cassette
    with _answer(request.node, cassette, guarded=not blocked and not cassette.can_record):
        yield cassette
    if request.node.stash.get(_HAS_PASSED, False):
        _save(request.node, cassette)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach to the reports how many answers were played, and what was recorded."""
    report = yield
    if (cassette := item.stash.get(VCR_CASSETTE, None)) is None or is_subtest_report(report):
        return report
    if report.when == "call":
        item.stash[_HAS_PASSED] = report.passed
        report.flag_harness_vcr = cassette.play_count  # type: ignore[attr-defined]
    elif report.when == "teardown" and report.passed and cassette.is_saved:
        path = os.path.relpath(cassette.path, item.config.rootpath)
        report.flag_harness_vcr_file = path, cassette.recorded_count  # type: ignore[attr-defined]
    return report


class VcrSummary:
    """Prints how many tests have played cassettes of vcrpy, and which files were recorded."""

    def __init__(self) -> None:
        self._play_counts: list[int] = []
        self._recorded: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test, on whichever worker it ran."""
        if (recorded := getattr(report, "flag_harness_vcr_file", None)) is not None:
            self._recorded[recorded[0]] += recorded[1]
        if (count := getattr(report, "flag_harness_vcr", None)) is not None and not is_subtest_report(report):
            self._play_counts.append(count)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the lines."""
        for path, count in sorted(self._recorded.items()):
            terminalreporter.write_line(f"vcr_marks: recorded {count} answer{'s' if count != 1 else ''} in {path}")
        if tests := len(self._play_counts):
            answers = sum(self._play_counts)
            terminalreporter.write_line(
                f"vcr_marks: {tests} test{'s' if tests != 1 else ''} played {answers} "
                f"answer{'s' if answers != 1 else ''} from vcrpy's cassettes, matched as loosely as vcrpy does"
            )


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


def _load_vcr_cassette(request: pytest.FixtureRequest, record_mode: str, marks: list[pytest.Mark]) -> "VcrCassette":
    from flag_harness.vcr import VcrCassette  # imported here: a run that plays none does not need it

    node: pytest.Item = request.node
    if "harness_cassette" in request.fixturenames:
        raise pytest.UsageError(f"{node.nodeid}: use either @pytest.mark.vcr or the cassette fixture, not both")
    options = merge_settings(request.getfixturevalue("vcr_config"), marks)
    chosen = add_project_filters(vcr_settings(node, options, record_mode), collect_filters(request))
    folder = str(request.getfixturevalue("vcr_cassette_dir"))
    path = vcr_cassette_path(request.getfixturevalue("default_cassette_name"), folder, options)
    try:
        advice = _recording_advice(node, path, options)
        return VcrCassette(path, chosen, extra_paths(marks, folder), advice, MissFailure)
    except CassetteError as error:
        raise pytest.UsageError(f"{node.nodeid}: {error}") from None


def _save(node: pytest.Item, cassette: "VcrCassette") -> None:
    try:
        cassette.save()
    except CassetteError as error:
        raise pytest.fail.Exception(f"{node.nodeid}: {error}", pytrace=False) from None


def _recording_advice(node: pytest.Item, path: Path, options: Mapping[str, Any]) -> str:
    test, cassette = shlex.quote(node.nodeid), shlex.quote(os.path.relpath(path, node.config.rootpath))
    recordings = node.config.stash[CONFIG].recordings
    is_fixed = "record_mode" in options
    command = f"To record it: pytest {test}" + ("" if is_fixed else " --record-mode=new_episodes")
    fixed = f", once vcr_config or the mark no longer says record_mode = {str(options.get('record_mode'))!r}"
    return (
        f"{command}{fixed if is_fixed else ''}\n"
        f"To match it strictly from now on: flag-harness cassette import {cassette} --to {recordings}, "
        "and use the cassette fixture instead of the mark"
    )


@contextmanager
def _answer(node: pytest.Item, cassette: "VcrCassette", guarded: bool) -> Iterator[None]:
    """Answer clients of httpx2 and httpx; if `guarded`, refuse the network to all others."""
    from flag_harness.transports import SystemClock, guard_connections, intercept_clients, load_http_libraries

    load_http_libraries()
    refused: list[NetworkRefused] = []
    misses: list[CassetteMiss] = [] if node.get_closest_marker("harness_misses") else cassette.misses
    node.stash[REFUSALS] = lambda: [*misses, *refused]
    with ExitStack() as stack:
        if guarded and not node.get_closest_marker("harness_network"):
            stack.enter_context(guard_connections(_make_guard(cassette, refused)))
        clock = SystemClock() if cassette.can_record else VirtualClock()
        stack.enter_context(intercept_clients(None, cassette, clock=clock))
        yield


def _make_guard(cassette: "VcrCassette", refused: list[NetworkRefused]) -> Callable[[str], None]:
    from flag_harness.transports import is_loopback

    def refuse(host: str) -> None:
        if cassette.passed_on or is_loopback(host) or Path(host).is_absolute():
            return
        refused.append(
            NetworkFailure(
                f"this test plays a cassette, but reached for {host} by another way than a client of httpx2 or httpx, "
                "which are all that vcr_marks answers; let it through with @pytest.mark.harness_network"
            )
        )
        raise refused[-1]

    return refuse
