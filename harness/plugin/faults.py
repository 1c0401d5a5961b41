"""`--harness-fault`: what goes wrong in every test of the run; one that never fired in all of it is an error."""

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.plugin.record import of_subtest

if TYPE_CHECKING:
    from harness.faults import Fault

FAULTS = pytest.StashKey[tuple["Fault", ...]]()
"""The faults of the command line."""
ARMED = pytest.StashKey[tuple["Fault", ...]]()
"""Those same faults as one test item has met them."""


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
    if not texts:
        return
    from harness.faults import FaultError, parse  # a run without faults does not pay for their import

    found = []
    for text in texts:
        try:
            found.append(parse(text))
        except FaultError as error:
            raise FaultError(f"--harness-fault={text}: {error}") from None
    config.stash[FAULTS] = tuple(found)
    config.pluginmanager.register(FaultRun(config.stash[FAULTS]), "harness-faults")


def armed(item: pytest.Item, combination: str) -> "tuple[Fault, ...]":
    """The command line's faults, counting from nothing for one test."""
    item.stash[ARMED] = tuple(fault.arm(combination) for fault in item.config.stash[FAULTS])
    return item.stash[ARMED]


class FaultRun:
    """Adds up what the faults have done in all tests, on whichever worker."""

    def __init__(self, faults: "tuple[Fault, ...]") -> None:
        self._faults = [fault.arm() for fault in faults]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the counts into the report."""
        report = yield
        if report.when == "call" and (met := item.stash.get(ARMED, ())):
            counts = [fault.count for fault in met]
            report.harness_faults = [  # type: ignore[attr-defined]
                [count.seen, count.due, count.fired, list(count.reasons)] for count in counts
            ]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the counts of one test."""
        counts = () if of_subtest(report) else getattr(report, "harness_faults", ())
        for fault, (seen, due, fired, reasons) in zip(self._faults, counts, strict=False):
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

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Say which faults never fired, and why."""
        if complaints := self._never_fired(config):
            terminalreporter.section("faults", red=True)
            for line in complaints:
                terminalreporter.write_line(f"--harness-fault: {line}", red=True)

    def _never_fired(self, config: pytest.Config) -> list[str]:
        from harness.faults import never_fired

        if hasattr(config, "workerinput") or config.getoption("collectonly"):
            return []
        return never_fired(replace(fault, armed_for=None) for fault in self._faults)
