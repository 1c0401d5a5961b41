"""What goes wrong: in one test, by its `faults` mark; in all, by `--harness-fault`. What never fired is an error."""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from flag_harness.errors import HarnessError
from flag_harness.plugin.marks import all_flags, combinations_of
from flag_harness.plugin.stash import SESSION
from flag_harness.plugin.test.rows import of_subtest

if TYPE_CHECKING:
    from flag_harness.faults import Fault

FAULTS = pytest.StashKey[tuple["Fault", ...]]()
"""The faults of the command line."""
ARMED = pytest.StashKey[tuple["Fault", ...]]()
"""Those same faults as one test item has met them."""
MARKED = pytest.StashKey[tuple["Fault", ...]]()
"""The faults of a test item's marks, as it has met them."""
_MARK = "@pytest.mark.faults"


def add_options(group: pytest.OptionGroup) -> None:
    """Add `--harness-fault`."""
    group.addoption(
        "--harness-fault",
        action="append",
        default=[],
        dest="harness_faults",
        metavar="NAME:ARGUMENTS",
        help="what goes wrong in each test that uses the cassette fixture (repeatable): overloaded:on=2, "
        "stream_error:kind=api_error,at=mid_partial_json",
    )


def configure(config: pytest.Config) -> None:
    """Read the faults. Raises `FaultError`, which names the option, the fault and the argument."""
    texts = config.getoption("harness_faults")
    config.stash[FAULTS] = ()
    config.pluginmanager.register(FaultMarks(), "flag-harness-fault-marks")
    if not texts:
        return
    from flag_harness.faults import FaultError, parse  # a run without faults does not pay for their import

    found = []
    for text in texts:
        try:
            found.append(_possible(parse(text), config))
        except FaultError as error:
            raise FaultError(f"--harness-fault={text}: {error}") from None
    config.stash[FAULTS] = tuple(found)
    if config.getoption("--harness-sweep") is None:
        config.pluginmanager.register(FaultRun(config.stash[FAULTS]), "flag-harness-faults")


def _possible(fault: "Fault", config: pytest.Config) -> "Fault":
    """The fault, where the project's flags and the installed SDK let it fire. Raises `FaultError` where they do not."""
    from flag_harness.faults import check_combinations, misleading

    check_combinations(fault, [flag.name for flag in all_flags(config)])
    if "keyword" in dict(fault.arguments):  # the one that stands where none is given is one that no SDK has taken
        with misleading(fault):
            pass
    return fault


def armed(item: pytest.Item, combination: str) -> "tuple[Fault, ...]":
    """The command line's faults, counting from nothing for one test."""
    item.stash[ARMED] = tuple(fault.arm(combination) for fault in item.config.stash[FAULTS])
    return item.stash[ARMED]


def marked(item: pytest.Item, combination: str) -> "tuple[Fault, ...]":
    """The faults of a test's marks, counting from nothing. A mark that is wrong fails the test."""
    try:
        item.stash[MARKED] = tuple(fault.arm(combination) for fault in _marked(item))
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    return item.stash[MARKED]


def _marked(node: pytest.Item) -> "Iterator[Fault]":
    """What the marks name, nearest first. Raises `HarnessError` that begins with the test and the mark."""
    for mark in node.iter_markers("faults"):
        try:
            yield from [_checked(node, given) for given in _given(mark)]
        except HarnessError as error:
            raise HarnessError(f"{node.nodeid}: {_MARK}: {error}") from None


def _given(mark: pytest.Mark) -> tuple[object, ...]:
    if not mark.args or mark.kwargs:
        raise HarnessError(f"it takes faults, one at least: {_MARK}(overloaded(on=2))")
    return mark.args


def _checked(node: pytest.Item, given: object) -> "Fault":
    from flag_harness.faults import Fault, FaultError, parse

    fault = parse(given) if isinstance(given, str) else given
    if not isinstance(fault, Fault):
        raise FaultError(f"{given!r} is no fault; call one, overloaded(on=2), or spell it, 'overloaded:on=2'")
    _possible(fault, node.config)
    ids = [combination.id for combination in combinations_of(node)]
    if not any(map(fault.when.under, ids)):
        raise FaultError(f"{fault} can never fire here: the test runs under {', '.join(ids)}")
    return fault


class FaultMarks:
    """Holds each test to its `faults` marks: they are right, and there is traffic for them to spoil."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Refuse a mark that is wrong before anything runs."""
        try:
            for _ in _marked(metafunc.definition):
                pass
        except HarnessError as error:
            raise pytest.Collector.CollectError(str(error)) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Fail a test that has passed without traffic that its faults could have spoiled."""
        yield
        if item.stash.get(SESSION, None) is None and (mark := item.get_closest_marker("faults")):
            named = ", ".join(map(str, mark.args))
            pytest.fail(
                f"{_MARK}({named}): nothing could go wrong, since the test does not use the `cassette` fixture; "
                "let the test take it",
                pytrace=False,
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Name the faults that fired: in the test's row of the run's record, and with its failure."""
        report = yield
        met = (*item.stash.get(MARKED, ()), *item.stash.get(ARMED, ()))
        if report.when != "call" or not (fired := [fault for fault in met if fault.fired]):
            return report
        if (row := getattr(report, "flag_harness", None)) is not None:
            row["faults"] = [str(fault) for fault in fired]
        if report.failed:
            times = (f"{fault}: {fault.fired} time{'s' if fault.fired > 1 else ''}" for fault in fired)
            report.sections.append(("faults that fired", "\n".join(times)))
        return report


class FaultRun:
    """Adds up what the faults have done in all tests, on whichever worker."""

    def __init__(self, faults: "tuple[Fault, ...]") -> None:
        self._faults = [fault.arm(min(fault.when.combination or (), default=None)) for fault in faults]
        self._awaited = [fault.when.combination is None for fault in faults]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the counts into the report."""
        report = yield
        if report.when == "call" and (met := item.stash.get(ARMED, ())):
            report.flag_harness_faults = [  # type: ignore[attr-defined]
                [fault.awaited, count.seen, count.due, count.fired, list(count.reasons)]
                for fault in met
                for count in (fault.count,)
            ]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the counts of one test."""
        counts = () if of_subtest(report) else getattr(report, "flag_harness_faults", ())
        for number, (awaited, seen, due, fired, reasons) in enumerate(counts):
            fault = self._faults[number]
            self._awaited[number] |= awaited
            fault.count.seen += seen
            fault.count.due += due
            fault.count.fired += fired
            for reason in reasons:
                fault.count.note_missed(reason)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """A run that only seems to have passed has failed."""
        if self._never_fired(session.config) and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
        """Say which faults never fired, and why."""
        if complaints := self._never_fired(config):
            terminalreporter.section("faults", red=True)
            for line in complaints:
                terminalreporter.write_line(f"--harness-fault: {line}", red=True)

    def _never_fired(self, config: pytest.Config) -> list[str]:
        from flag_harness.faults import never_fired

        if hasattr(config, "workerinput") or config.getoption("collectonly"):
            return []
        return [
            why if awaited else f"fault {fault} never fired: no test ran under the combination that it is bound to"
            for fault, awaited in zip(self._faults, self._awaited, strict=True)
            for why in never_fired([fault])
        ]
