"""Secrets: the filters of a test, and its reports and log records without what the filters name."""

import difflib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.config import FILTERS
from flag_harness.errors import ConfigError
from flag_harness.plugin.marks import CONFIG
from flag_harness.plugin.test.rows import of_subtest

if TYPE_CHECKING:
    from flag_harness.cassette import Filters

MARK = "harness_filters"
_OF_ANY_RECORD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""The attributes of a log record that has come with none of its own."""


@pytest.fixture(scope="session")
def harness_filters() -> "Filters":
    """Return more filters, added to `[tool.flag-harness.filters]`. Override it for what only code can find."""
    from flag_harness.cassette import Filters  # a run that uses no cassette does not pay for its import

    return Filters()


def configured_filters(config: pytest.Config) -> "Filters":
    """The filters of `[tool.flag-harness.filters]`. Raises `ConfigError` where a JSON path is none."""
    from flag_harness.cassette import Filters

    return Filters(**config.stash[CONFIG].filters)


def filters_of(request: pytest.FixtureRequest) -> "Filters":
    """All filters of a test: of the configuration, of the fixture, and of its marks. None takes another away."""
    from flag_harness.cassette import Filters

    node: pytest.Item = request.node
    total = configured_filters(request.config)
    fixture = request.getfixturevalue(MARK)
    if not isinstance(fixture, Filters):
        raise pytest.UsageError(
            f"{node.nodeid}: the fixture {MARK} must return flag_harness.cassette.Filters: {fixture!r}"
        )
    total += fixture
    for mark in node.iter_markers(MARK):
        if unknown := [name for name in mark.kwargs if name not in FILTERS] or list(mark.args):
            nearest = difflib.get_close_matches(str(unknown[0]), FILTERS, n=1, cutoff=0.0)[0]
            raise pytest.UsageError(
                f"{node.nodeid}: @pytest.mark.{MARK} takes {', '.join(FILTERS)}, not {unknown[0]!r}; "
                f"write {nearest}=[...]"
            )
        try:
            total += Filters(**mark.kwargs)
        except ConfigError as error:
            raise pytest.UsageError(f"{node.nodeid}: @pytest.mark.{MARK}: {error}") from None
    return total


class Hidden:
    """Takes what must not be shown out of what pytest tells of the test that runs, beside its reports."""

    def __init__(self) -> None:
        self._nodeid = ""
        self._shown: Callable[[str], str] = str

    def follow(self, nodeid: str, shown: Callable[[str], str]) -> None:
        """A test begins to send; `shown` gives a text as it may be shown."""
        self._nodeid, self._shown = nodeid, shown

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        """Warnings are told at the end of the run, where nobody knows the test's filters any more."""
        text = str(warning_message.message)
        if nodeid == self._nodeid and (hidden := self._shown(text)) != text:
            warning_message.message = hidden

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What a subtest printed is added to its report when that has been made."""
        if of_subtest(report) and report.nodeid == self._nodeid:
            hide_in_report(report, self._shown)


HIDDEN = pytest.StashKey[Hidden]()
"""The run's."""


def hide_in_report(report: pytest.TestReport, shown: Callable[[str], str]) -> None:
    """Take out of a report, of the output it captured and of what the test recorded, what must not be shown."""
    report.sections = [(title, shown(content)) for title, content in report.sections]
    report.user_properties = [(name, _hidden(value, shown)) for name, value in report.user_properties]
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, shown(reason))
    elif report.longrepr is not None and (hidden := shown(report.longreprtext)) != report.longreprtext:
        report.longrepr = hidden


@contextmanager
def hidden_in_logs(shown: Callable[[str], str]) -> Iterator[None]:
    """Take out of every log record, while the context lasts, what must not be shown, whoever logs and wherever to."""
    handle = logging.Logger.handle

    def handle_hidden(logger: logging.Logger, record: logging.LogRecord) -> None:
        hide_in_record(record, shown)
        handle(logger, record)

    logging.Logger.handle = handle_hidden  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        logging.Logger.handle = handle  # type: ignore[method-assign]


def hide_in_record(record: logging.LogRecord, shown: Callable[[str], str]) -> None:
    """Take out of a log record's message, of its exception and of what came with it, what must not be shown."""
    with suppress(TypeError, ValueError):  # of a message that cannot be made: its handler says what is wrong with it
        message = record.getMessage()
        if (text := shown(message)) != message:
            record.msg, record.args = text, None
    if record.exc_info:
        told = logging.Formatter().formatException(record.exc_info)
        if (text := shown(told)) != told:
            record.exc_info, record.exc_text = None, text
    if record.stack_info:
        record.stack_info = shown(record.stack_info)
    for name in record.__dict__.keys() - _OF_ANY_RECORD:
        record.__dict__[name] = _hidden(record.__dict__[name], shown)


def _hidden(value: Any, shown: Callable[[str], str]) -> Any:
    """A value, at any depth without what must not be shown: itself, where there is no such thing in it."""
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        return shown(value)
    hidden: Any = shown(text := repr(value))
    if hidden == text:
        return value
    if isinstance(value, Mapping):
        return {_hidden(key, shown): _hidden(one, shown) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(one, shown) for one in value]
    return hidden
