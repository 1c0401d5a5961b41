"""Keep secrets out of recordings, reports and logs: collect a test's filters, and mask what pytest prints."""

import difflib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.config import FILTER_KINDS
from flag_harness.errors import ConfigError
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.test.rows import is_subtest_report

if TYPE_CHECKING:
    from flag_harness.cassette import Filters

FILTERS_MARK = "harness_filters"
_STANDARD_LOG_RECORD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""The attributes that every log record has."""
_PROJECT_FILTERS_KEY = pytest.StashKey["Filters"]()
"""The stash key of the filters in the configuration, which are made once in a run."""


def filters_in_configuration(config: pytest.Config) -> "Filters":
    """Return the filters and detectors of `[tool.flag-harness]`.

    Raise `ConfigError` if a JSON path is invalid, or a detector's function cannot be imported.
    """
    if (filters := config.stash.get(_PROJECT_FILTERS_KEY, None)) is None:
        from flag_harness.cassette.redact.filters import project_filters

        filters = config.stash[_PROJECT_FILTERS_KEY] = project_filters(config.stash[CONFIG_KEY], config.rootpath)
    return filters


def collect_filters(request: pytest.FixtureRequest) -> "Filters":
    """Return all filters of a test: of the configuration, the fixture and the marks."""
    from flag_harness.cassette import Filters

    node: pytest.Item = request.node
    total = filters_in_configuration(request.config)
    fixture = request.getfixturevalue(FILTERS_MARK)
    if not isinstance(fixture, Filters):
        raise pytest.UsageError(
            f"{node.nodeid}: the fixture {FILTERS_MARK} must return flag_harness.Filters, not {fixture!r}"
        )
    total += fixture
    return total + filters_in_marks(node)


def filters_in_marks(node: pytest.Item) -> "Filters":
    """Return the filters in a test's marks. Raise `UsageError` if a mark is wrong."""
    from flag_harness.cassette import Filters

    total = Filters()
    for mark in node.iter_markers(FILTERS_MARK):
        if unknown := [name for name in mark.kwargs if name not in FILTER_KINDS] or list(mark.args):
            nearest = difflib.get_close_matches(str(unknown[0]), FILTER_KINDS, n=1, cutoff=0.0)[0]
            raise pytest.UsageError(
                f"{node.nodeid}: @pytest.mark.{FILTERS_MARK} takes {', '.join(FILTER_KINDS)}, not {unknown[0]!r}; "
                f"write {nearest}=[...]"
            )
        try:
            total += Filters(**mark.kwargs)
        except ConfigError as error:
            raise pytest.UsageError(f"{node.nodeid}: @pytest.mark.{FILTERS_MARK}: {error}") from None
    return total


class ReportMask:
    """Masks secrets of the current test in warnings and in the reports of subtests."""

    def __init__(self) -> None:
        self._nodeid = ""
        self._mask: Callable[[str], str] = str

    def set_mask(self, nodeid: str, mask: Callable[[str], str]) -> None:
        """Use `mask` for the test with this node id from now on."""
        self._nodeid, self._mask = nodeid, mask

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        """Mask a warning when it is recorded. pytest prints it when the test's filters are no longer known."""
        text = str(warning_message.message)
        if nodeid == self._nodeid and (masked := self._mask(text)) != text:
            warning_message.message = masked

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Mask the report of a subtest, to which pytest adds captured output only after `pytest_runtest_makereport`."""
        if is_subtest_report(report) and report.nodeid == self._nodeid:
            mask_report(report, self._mask)


REPORT_MASK_KEY = pytest.StashKey[ReportMask]()
"""The stash key of the run's `ReportMask`."""


def mask_report(report: pytest.TestReport, mask: Callable[[str], str]) -> None:
    """Mask secrets in a report, in the output that it captured, and in the properties that the test recorded."""
    report.sections = [(title, mask(content)) for title, content in report.sections]
    report.user_properties = [(name, _mask_value(value, mask)) for name, value in report.user_properties]
    if hasattr(report, "wasxfail"):
        report.wasxfail = mask(report.wasxfail)
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, mask(reason))
    elif report.longrepr is not None and (masked := mask(report.longreprtext)) != report.longreprtext:
        report.longrepr = masked


@contextmanager
def mask_logs(mask: Callable[[str], str]) -> Iterator[None]:
    """Mask secrets in every log record inside the context, whichever logger and handlers it passes."""
    handle = logging.Logger.handle

    def handle_with_mask(logger: logging.Logger, record: logging.LogRecord) -> None:
        mask_log_record(record, mask)
        handle(logger, record)

    logging.Logger.handle = handle_with_mask  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        logging.Logger.handle = handle  # type: ignore[method-assign]


def mask_log_record(record: logging.LogRecord, mask: Callable[[str], str]) -> None:
    """Hide secrets in a log record, in place: in its message, its exception and its extra attributes."""
    # a message whose arguments do not fit is left to its handler, which reports the mistake
    with suppress(TypeError, ValueError):
        message = record.getMessage()
        if (text := mask(message)) != message:
            record.msg, record.args = text, None
    if record.exc_info:
        traceback = logging.Formatter().formatException(record.exc_info)
        if (text := mask(traceback)) != traceback:
            record.exc_info, record.exc_text = None, text
    if record.stack_info:
        record.stack_info = mask(record.stack_info)
    for name in record.__dict__.keys() - _STANDARD_LOG_RECORD_ATTRIBUTES:
        record.__dict__[name] = _mask_value(record.__dict__[name], mask)


def _mask_value(value: Any, mask: Callable[[str], str]) -> Any:
    """Return the value with secrets masked at any depth, or the value itself if there are none."""
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        return mask(value)
    masked: Any = mask(text := repr(value))
    if masked == text:
        return value
    if isinstance(value, Mapping):
        return {_mask_value(key, mask): _mask_value(one, mask) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mask_value(one, mask) for one in value]
    return masked
