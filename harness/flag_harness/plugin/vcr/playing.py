"""Play and record vcrpy cassettes for the fixtures of pytest-recording and pytest-vcr, and print how many were
played.
"""

import os
import shlex
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.clock import VirtualClock
from flag_harness.errors import CassetteError, CassetteMiss, NetworkRefused
from flag_harness.matrix import node_id_without_combination
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.modes import quoted_nodeid
from flag_harness.plugin.refusals import MissFailure, NetworkFailure, VcrFailure
from flag_harness.plugin.run.recorded_files import shorten_file_list
from flag_harness.plugin.stash import COMBINATION_KEY, REFUSALS_KEY, VCR_CASSETTE_KEY
from flag_harness.plugin.test.rows import is_subtest_report
from flag_harness.plugin.test.scenarios import find_api_refusal
from flag_harness.plugin.vcr.combination_paths import (
    advice_about_cassette_without_combination,
    cassette_path_to_play,
)

if TYPE_CHECKING:
    from flag_harness.vcr import VcrCassette, VcrSettings

_HAS_PASSED_KEY = pytest.StashKey[bool]()
"""The stash key of a value that is True once the test function has passed."""
_NETWORK_ERROR_PARTS = (
    "plays a cassette of vcrpy",
    "vcr_marks answers clients of httpx2 and httpx only; list the host in allowed_hosts of [tool.flag-harness]",
)
"""Two parts of a network error's message: what the test does, and what to do if it needs the network."""
_STRICT_MATCH_ON_SETTING = "match_on = ['method', 'scheme', 'host', 'port', 'path', 'query', 'body']"
"""The setting that makes vcrpy's matching compare bodies too."""


def load_vcr_cassette(
    node: pytest.Item, path: Path, settings: "VcrSettings", extra: Sequence[Path], fixed_mode: str
) -> "VcrCassette":
    """Load a test's vcrpy cassette. Raise `VcrFailure` if it cannot be read.

    Requests are also answered from the cassettes in `extra`. `fixed_mode` is a record mode that the command line cannot
    change, or an empty string.
    """
    from flag_harness.vcr import VcrCassette  # imported here: a run that plays none does not need it

    path = cassette_path_to_play(node, path)
    try:
        cassette = VcrCassette(
            path, settings, extra, _recording_advice(node, path, fixed_mode), MissFailure, find_api_refusal
        )
    except CassetteError as error:
        raise VcrFailure(f"{node.nodeid}: {error}") from None
    if cassette.can_record:
        refuse_simulator(node)
    return cassette


def refuse_simulator(node: pytest.Item) -> None:
    """Raise `VcrFailure` if the run asks for the simulator, since tests with the mark `vcr` would send to the live API
    instead.
    """
    if node.config.getoption("--harness-upstream") == "simulator":
        raise VcrFailure(
            "--harness-upstream=simulator: tests with vcr marks are recorded from the live API only, so nothing was "
            "sent. Leave them out with -m 'not vcr'; or use the fixture `cassette` instead of the mark, which can be "
            "recorded from the simulator (docs/moving-in-flags.md)."
        )


@contextmanager
def play_cassette(node: pytest.Item, cassette: "VcrCassette", refuses_network: bool = True) -> Iterator[None]:
    """Answer the test's requests from a cassette inside the context, and save new recordings if the test passed.

    If `refuses_network` is true, clients other than those of httpx2 and httpx cannot reach the network.
    """
    node.stash[VCR_CASSETTE_KEY], node.stash[_HAS_PASSED_KEY] = cassette, False
    with _answer_clients(node, cassette, refuses_network and not cassette.can_record):
        yield
    if node.stash[_HAS_PASSED_KEY]:
        try:
            cassette.save()
        except CassetteError as error:
            raise pytest.fail.Exception(f"{node.nodeid}: {error}", pytrace=False) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach to the reports how many answers were played, and the file that was recorded."""
    report = yield
    if (cassette := item.stash.get(VCR_CASSETTE_KEY, None)) is None or is_subtest_report(report):
        return report
    if report.when == "call":
        item.stash[_HAS_PASSED_KEY] = report.passed
        report.flag_harness_vcr = cassette.play_count  # type: ignore[attr-defined]
        if item.get_closest_marker("flag_matrix") and COMBINATION_KEY in item.stash and cassette.has_ignored_body:
            report.flag_harness_vcr_loose = node_id_without_combination(  # type: ignore[attr-defined]
                item.nodeid, item.stash[COMBINATION_KEY].id
            )
    elif report.when == "teardown" and report.passed and cassette.is_saved:
        path = os.path.relpath(cassette.path, item.config.rootpath)
        report.flag_harness_vcr_file = path, cassette.new_interaction_count  # type: ignore[attr-defined]
    return report


class VcrSummary:
    """Prints how many tests have played cassettes of vcrpy, and which files were recorded."""

    def __init__(self) -> None:
        self._play_counts: list[int] = []
        self._recorded: Counter[str] = Counter()
        self._loose_tests: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the answers that a test played or recorded, which the report carries."""
        if (recorded := getattr(report, "flag_harness_vcr_file", None)) is not None:
            self._recorded[recorded[0]] += recorded[1]
        if (count := getattr(report, "flag_harness_vcr", None)) is not None and not is_subtest_report(report):
            self._play_counts.append(count)
        if (test := getattr(report, "flag_harness_vcr_loose", None)) is not None:
            self._loose_tests.add(test)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the recorded files, and the number of tests and played answers."""
        verbosity = terminalreporter.config.get_verbosity()
        recorded = [
            f"recorded {count} answer{'s' if count != 1 else ''} in {path}"
            for path, count in sorted(self._recorded.items())
        ]
        for line in shorten_file_list(recorded, verbosity) if verbosity >= 0 else ():
            terminalreporter.write_line(f"vcr_marks: {line}")
        if tests := len(self._play_counts):
            answers = sum(self._play_counts)
            terminalreporter.write_line(
                f"vcr_marks: {tests} test{'s' if tests != 1 else ''} played {answers} "
                f"answer{'s' if answers != 1 else ''} from vcrpy's cassettes, matched as loosely as vcrpy does"
            )
        if count := len(self._loose_tests):
            subject = "1 test with flag_matrix does" if count == 1 else f"{count} tests with flag_matrix do"
            terminalreporter.write_line(
                f"vcr_marks: {subject} not compare the body, so that no cassette checks what flags change there: "
                f"{', '.join(shorten_file_list(sorted(self._loose_tests), verbosity))}; "
                f"add to vcr_config: {_STRICT_MATCH_ON_SETTING}"
            )


def _recording_advice(node: pytest.Item, path: Path, fixed_mode: str) -> str:
    test, cassette = quoted_nodeid(node.config, node.nodeid), shlex.quote(os.path.relpath(path, node.config.rootpath))
    recordings = node.config.stash[CONFIG_KEY].recordings
    option = "--vcr-record" if node.config.stash[CONFIG_KEY].vcr_marks == "pytest-vcr" else "--record-mode"
    command = f"To record it: pytest {test}" + ("" if fixed_mode else f" {option}=new_episodes")
    fixed = f", once vcr_config or the mark no longer says record_mode = {fixed_mode!r}" if fixed_mode else ""
    if not path.exists():
        return f"{command}{fixed}{advice_about_cassette_without_combination(node, path)}"
    return (
        f"{command}{fixed}\n"
        f"To match it strictly from now on: flag-harness cassette import {cassette} --to {recordings}, "
        "and use the cassette fixture instead of the mark"
    )


@contextmanager
def _answer_clients(node: pytest.Item, cassette: "VcrCassette", refuses_network: bool) -> Iterator[None]:
    """In the context, answer clients of httpx2 and httpx. If `refuses_network`, refuse connections of other clients."""
    from flag_harness.transports import ApiScope, SystemClock, intercept_clients, load_http_libraries, refuse_network

    load_http_libraries()
    refused: list[NetworkRefused] = []
    misses: list[CassetteMiss] = [] if node.get_closest_marker("harness_misses") else cassette.misses
    node.stash[REFUSALS_KEY] = lambda: [*misses, *refused]
    with ExitStack() as stack:
        if refuses_network and not node.get_closest_marker("harness_network"):
            config = node.config.stash[CONFIG_KEY]
            scope = ApiScope(allowed_hosts=config.allowed_hosts, ignored_hosts=config.ignore_hosts)
            refused = stack.enter_context(
                refuse_network(_NETWORK_ERROR_PARTS, NetworkFailure, scope, lambda host: cassette.passed_on_requests)
            )
        clock = SystemClock() if cassette.can_record else VirtualClock()
        stack.enter_context(intercept_clients(None, cassette, clock=clock))
        yield
