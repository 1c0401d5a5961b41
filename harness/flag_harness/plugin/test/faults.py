"""Inject the faults of the `faults` mark into the marked test, and those of `--harness-fault` into all tests.

A test fails if a fault of its marks never fires. The run fails if a fault of the command line never fires in any test.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from flag_harness.errors import HarnessError
from flag_harness.plugin.combinations import combinations_of_item
from flag_harness.plugin.marks import all_flags
from flag_harness.plugin.stash import TRAFFIC_KEY
from flag_harness.plugin.test.rows import attach_row, attached_row, is_subtest_report

if TYPE_CHECKING:
    from flag_harness.cassette import Replay
    from flag_harness.faults import Fault
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.sweep.probe import TrafficProbe
    from flag_harness.wire.timeline import Edit, Layer, Piece, Request, Response

COMMAND_LINE_FAULTS_KEY = pytest.StashKey[tuple["Fault", ...]]()
"""The stash key of the faults of the command line."""
COMMAND_LINE_FAULTS_OF_TEST_KEY = pytest.StashKey[tuple["Fault", ...]]()
"""The stash key of a test item's own copies of the command line's faults, which count only the item's requests."""
MARKED_FAULTS_OF_TEST_KEY = pytest.StashKey[tuple["Fault", ...]]()
"""The stash key of a test item's own copies of the faults in its marks, which count only the item's requests."""
_FAULTS_MARK = "@pytest.mark.faults"


def configure_faults(config: pytest.Config) -> None:
    """Read `--harness-fault`. Raise a `FaultError` that names the wrong option, fault and argument."""
    texts = config.getoption("harness_faults")
    config.stash[COMMAND_LINE_FAULTS_KEY] = ()
    config.pluginmanager.register(FaultMarkChecker(), "flag-harness-fault-marks")
    if not texts:
        return
    from flag_harness.faults import FaultError, parse_fault  # imported here: a run without faults does not need it

    found = []
    for text in texts:
        try:
            found.append(_require_fault_can_fire(parse_fault(text), config))
        except FaultError as error:
            raise FaultError(f"--harness-fault={text}: {error}") from None
    config.stash[COMMAND_LINE_FAULTS_KEY] = tuple(found)
    if config.getoption("--harness-sweep") is None:
        config.pluginmanager.register(FaultTotals(config.stash[COMMAND_LINE_FAULTS_KEY]), "flag-harness-faults")


def _require_fault_can_fire(fault: "Fault", config: pytest.Config) -> "Fault":
    """Return the fault. Raise `FaultError` if it can never fire with the project's flags and the installed SDK."""
    from flag_harness.faults import patch_refused_keywords, require_known_flags_in_combination
    from flag_harness.matrix import flag_and_value_by_id_part

    require_known_flags_in_combination(fault, flag_and_value_by_id_part(all_flags(config)))
    # the default keyword is unknown to every SDK release, so only an explicit one is checked
    if "keyword" in dict(fault.arguments):
        with patch_refused_keywords(fault):
            pass
    return fault


def active_faults(traffic: "CassetteTraffic") -> list[str]:
    """Return the faults that can fire under the combination of a test, written as on the command line."""
    return [str(fault) for fault in traffic.faults if fault.can_fire]


def copy_command_line_faults(item: pytest.Item, combination: str) -> "tuple[Fault, ...]":
    """Return copies of the command line's faults that count the requests of this test alone."""
    item.stash[COMMAND_LINE_FAULTS_OF_TEST_KEY] = tuple(
        fault.arm(combination) for fault in item.config.stash[COMMAND_LINE_FAULTS_KEY]
    )
    return item.stash[COMMAND_LINE_FAULTS_OF_TEST_KEY]


def copy_marked_faults(item: pytest.Item, combination: str) -> "tuple[Fault, ...]":
    """Return copies of the faults in a test's marks that count its requests. Fail the test if a mark is wrong."""
    try:
        item.stash[MARKED_FAULTS_OF_TEST_KEY] = tuple(fault.arm(combination) for fault in _faults_of_marks(item))
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    return item.stash[MARKED_FAULTS_OF_TEST_KEY]


def _faults_of_marks(node: pytest.Item) -> "Iterator[Fault]":
    """Yield the faults of a test's marks, nearest mark first. Raise a `HarnessError` that names test and mark."""
    for mark in node.iter_markers("faults"):
        try:
            yield from [_parse_mark_argument(node, given) for given in _mark_arguments(mark)]
        except HarnessError as error:
            raise HarnessError(f"{node.nodeid}: {_FAULTS_MARK}: {error}") from None


def _mark_arguments(mark: pytest.Mark) -> tuple[object, ...]:
    if not mark.args or mark.kwargs:
        raise HarnessError(f"it takes at least one fault: {_FAULTS_MARK}(overloaded(on=2))")
    return mark.args


def _parse_mark_argument(node: pytest.Item, argument: object) -> "Fault":
    """Return the fault in one argument of a mark, which is a `Fault` or a text such as `overloaded:on=2`."""
    from flag_harness.faults import Fault, FaultError, parse_fault

    fault = parse_fault(argument) if isinstance(argument, str) else argument
    if not isinstance(fault, Fault):
        raise FaultError(f"{argument!r} is not a fault; call one, overloaded(on=2), or spell it, 'overloaded:on=2'")
    _require_fault_can_fire(fault, node.config)
    ids = [combination.id for combination in combinations_of_item(node)]
    if not any(map(fault.condition.allows_combination, ids)):
        raise FaultError(f"{fault} can never fire here: the test runs under {', '.join(ids)}")
    return fault


class FaultMarkChecker:
    """Checks that the `faults` marks of each test are valid."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Report a wrong `faults` mark as a collection error."""
        try:
            for _ in _faults_of_marks(metafunc.definition):
                pass
        except HarnessError as error:
            raise pytest.Collector.CollectError(str(error)) from None


class FaultReporter:
    """Reports the faults of a test that fired, and fails a test whose faults cannot fire."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Fail a test that has faults and does not use the `cassette` fixture, without which no fault can fire."""
        yield
        if item.stash.get(TRAFFIC_KEY, None) is None and (mark := item.get_closest_marker("faults")):
            named = ", ".join(map(str, mark.args))
            pytest.fail(
                f"{_FAULTS_MARK}({named}): no fault can fire, since the test does not use the `cassette` fixture; "
                "add the fixture to its arguments",
                pytrace=False,
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Name the faults that fired in the test's row of the run record and in its failure."""
        report = yield
        met = (*item.stash.get(MARKED_FAULTS_OF_TEST_KEY, ()), *item.stash.get(COMMAND_LINE_FAULTS_OF_TEST_KEY, ()))
        if report.when != "call" or not (fired := [fault for fault in met if fault.fired]):
            return report
        if (row := attached_row(report)) is not None:
            import msgspec

            attach_row(report, msgspec.structs.replace(row, faults=tuple(map(str, fired))))
        if report.failed:
            times = (f"{fault}: {fault.fired} time{'s' if fault.fired > 1 else ''}" for fault in fired)
            report.sections.append(("faults that fired", "\n".join(times)))
        return report


class FaultTotals:
    """Adds up how often each fault of the command line fired, over all tests and workers."""

    def __init__(self, faults: "tuple[Fault, ...]") -> None:
        self._faults = [fault.arm(min(fault.condition.combination or (), default=None)) for fault in faults]
        self._could_fire = [fault.condition.combination is None for fault in faults]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach to a report how often each fault fired in the test."""
        report = yield
        if report.when == "call" and (met := item.stash.get(COMMAND_LINE_FAULTS_OF_TEST_KEY, ())):
            report.flag_harness_faults = [  # type: ignore[attr-defined]
                [
                    fault.can_fire,
                    count.request_count,
                    count.due_count,
                    count.fired_count,
                    list(count.reasons_for_not_firing),
                ]
                for fault in met
                for count in (fault.counter,)
            ]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the counts of a test's faults, which the report carries, to the totals."""
        counts = () if is_subtest_report(report) else getattr(report, "flag_harness_faults", ())
        for number, (awaited, seen, due, fired, reasons) in enumerate(counts):
            fault = self._faults[number]
            self._could_fire[number] |= awaited
            fault.counter.request_count += seen
            fault.counter.due_count += due
            fault.counter.fired_count += fired
            for reason in reasons:
                fault.counter.add_reason_for_not_firing(reason)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail a run that passed although a fault never fired."""
        if self._unfired_fault_messages(session.config) and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
        """Print which faults never fired, and why."""
        if problems := self._unfired_fault_messages(config):
            terminalreporter.section("faults", red=True)
            for line in problems:
                terminalreporter.write_line(f"--harness-fault: {line}", red=True)

    def _unfired_fault_messages(self, config: pytest.Config) -> list[str]:
        """Return a message for each fault that never fired in any test. Return an empty list in workers and under
        `--collect-only`.
        """
        from flag_harness.faults import explain_faults_that_never_fired

        if hasattr(config, "workerinput") or config.getoption("collectonly"):
            return []
        return [
            why if awaited else f"fault {fault} never fired: no test ran under the combination that it needs"
            for fault, awaited in zip(self._faults, self._could_fire, strict=True)
            for why in explain_faults_that_never_fired([fault])
        ]


def fault_layers(
    faults: Sequence["Fault"], replay: "Replay | None", probe: "TrafficProbe | None" = None
) -> "list[Layer]":
    """Return the layers that apply the faults and, in a sweep, the layers of `probe`.

    `replay` plays the recording that answers the test, or is None. When a fault changes a recorded answer, `replay`
    gives that answer again to a retry.
    """
    own: list[Layer] = [make_fault_layer(fault, replay) if replay else fault for fault in faults]
    if probe is None:
        return own
    troubles = probe.trouble_layers
    if replay is not None:
        troubles = tuple(
            _make_layer_that_requeues_answers(one, replay, lambda: probe.changed_answer_count) for one in troubles
        )
    return [*own, *probe.make_layers(troubles)]


def make_fault_layer(fault: "Fault", replay: "Replay") -> "Layer":
    """Return a layer that applies the fault and, each time it changes an answer, makes `replay` give that answer again
    to a retry.
    """
    return _make_layer_that_requeues_answers(fault, replay, lambda: fault.fired)


def _make_layer_that_requeues_answers(trouble: "Layer", replay: "Replay", count_fired: Callable[[], int]) -> "Layer":
    """Return a layer that applies `trouble` and, each time it changes an answer, makes `replay` give that answer again
    to a retry.

    Without this, the agent's retry would find no recording, since the changed answer has used it up. `count_fired`
    returns how many answers `trouble` has changed.
    """

    def apply_trouble(request: "Request") -> "Response | Edit | None":
        found = trouble(request)
        if found is None or isinstance(found, tuple):
            return found
        replay.remember_answer_of_request(request)

        def edit_and_requeue_answer(piece: "Piece") -> "Iterable[Piece]":
            before = count_fired()
            pieces = list(found(piece))
            if count_fired() > before:
                replay.requeue_answer(request)
            return pieces

        return edit_and_requeue_answer

    return apply_trouble
