"""Secrets: the filters of a test, and its reports and log records without what the filters name."""

import difflib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from harness.config import FILTERS
from harness.errors import ConfigError
from harness.plugin.marks import CONFIG

if TYPE_CHECKING:
    from harness.cassette import Filters

MARK = "harness_filters"


@pytest.fixture(scope="session")
def harness_filters() -> "Filters":
    """More filters for every test in reach, beside `[tool.harness.filters]`. Override it to add what code must find."""
    from harness.cassette import Filters  # a run that uses no cassette does not pay for its import

    return Filters()


def configured_filters(config: pytest.Config) -> "Filters":
    """The filters of `[tool.harness.filters]`. Raises `ConfigError` where a JSON path is none."""
    from harness.cassette import Filters

    return Filters(**config.stash[CONFIG].filters)


def filters_of(request: pytest.FixtureRequest) -> "Filters":
    """All filters of a test: of the configuration, of the fixture, and of its marks. None takes another away."""
    from harness.cassette import Filters

    node: pytest.Item = request.node
    total = configured_filters(request.config)
    fixture = request.getfixturevalue(MARK)
    if not isinstance(fixture, Filters):
        raise pytest.UsageError(f"{node.nodeid}: the fixture {MARK} must return harness.cassette.Filters: {fixture!r}")
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


def hide_in_report(report: pytest.TestReport, shown: Callable[[str], str]) -> None:
    """Take out of a report, and of the output it captured, what must not be shown."""
    report.sections = [(title, shown(content)) for title, content in report.sections]
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, shown(reason))
    elif report.longrepr is not None and (hidden := shown(report.longreprtext)) != report.longreprtext:
        report.longrepr = hidden


@contextmanager
def hidden_in_logs(shown: Callable[[str], str]) -> Iterator[None]:
    """Take out of every log record, while the context lasts, what must not be shown, whoever logs and wherever to."""
    make = logging.getLogRecordFactory()

    def hidden(*arguments: Any, **options: Any) -> logging.LogRecord:
        record = make(*arguments, **options)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return record  # whoever handles it says what is wrong with it
        if (text := shown(message)) != message:
            record.msg, record.args = text, None
        return record

    logging.setLogRecordFactory(hidden)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)
