"""Classify the exception that ended a test function: its kind, its message, and the line that raised it."""

import traceback
from collections.abc import Iterable
from pathlib import Path

import pytest

from flag_harness.errors import HarnessError, Refusal
from flag_harness.imports import import_attribute
from flag_harness.plugin.sweep.tools.results import NotRecordedError
from flag_harness.sweep.judge import TestCallEnding, TestCallResult

_MAX_MESSAGE_LENGTH = 160
_TRACEBACK_START = "Traceback (most recent call last)"
_SDK_ERROR_CLASS = "AnthropicError"


class HangFailure(pytest.fail.Exception):  # type: ignore[misc,name-defined]
    """Fails a test function that does not end."""


class TooManyRequestsFailure(pytest.fail.Exception):  # type: ignore[misc,name-defined]
    """Fails a test function that sends far too many requests."""


def load_exceptions(names: Iterable[str], root: Path | None = None) -> tuple[type[BaseException], ...]:
    """Import exception classes by names such as `module.Class`, also from modules in `root`.

    Raise `HarnessError` if one cannot be found, or is not an exception class.
    """
    found = []
    for name in names:
        module, _, attribute = name.rpartition(".")
        kind = import_attribute(f"{module}:{attribute}", "exception", "myapp.errors:AgentError", root)
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise HarnessError(f"[tool.flag-harness.sweep] reported: {name!r} is not an exception class")
        found.append(kind)
    return tuple(found)


def result_of_failed_call(
    error: BaseException, seconds: float, item: pytest.Item, reported_exceptions: tuple[type[BaseException], ...]
) -> TestCallResult:
    """Return the result of a call of the test function that raised `error` after `seconds`.

    `reported_exceptions` are the exceptions with which the agent reports a failure to its user.
    """
    text = " ".join(str(error).split())
    message = f"{type(error).__name__}: {text}"[:_MAX_MESSAGE_LENGTH] if text else type(error).__name__
    path, line = _error_location(error, item)
    place = f"{_relative_path(path, item.config.rootpath)}:{line}" if path else ""
    return TestCallResult(_classify_ending(error, path, item, reported_exceptions), message, place, seconds)


def _classify_ending(
    error: BaseException, path: str, item: pytest.Item, reported_exceptions: tuple[type[BaseException], ...]
) -> TestCallEnding:
    if isinstance(error, BaseExceptionGroup):
        endings = [_classify_ending(one, path, item, reported_exceptions) for one in error.exceptions]
        return next((one for one in endings if one != "reported"), "reported")
    if isinstance(error, HangFailure):
        return "hung"
    if isinstance(error, TooManyRequestsFailure):
        return "flooded"
    if isinstance(error, (Refusal, NotRecordedError)):
        return "refused"
    if isinstance(error, reported_exceptions) or any(kind.__name__ == _SDK_ERROR_CLASS for kind in type(error).__mro__):
        return "reported"
    is_assertion = isinstance(error, (AssertionError, pytest.fail.Exception, pytest.skip.Exception))
    shows_traceback = _TRACEBACK_START in str(error)  # the traceback is that of a process that the test started
    return "assertion" if is_assertion and _is_test_code(path, item) and not shows_traceback else "raised"


def _is_test_code(path: str, item: pytest.Item) -> bool:
    name = Path(path).name
    return Path(path) == item.path or name.startswith("test") or name == "conftest.py"


def _error_location(error: BaseException, item: pytest.Item) -> tuple[str, int]:
    """Return file and line of the innermost traceback frame in the project, or of the innermost frame if none is
    there.
    """
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    root = str(item.config.rootpath)
    own = [one for one in frames if one[0].startswith(root) and "site-packages" not in one[0]]
    if isinstance(error, (pytest.fail.Exception, pytest.skip.Exception)) and own:
        return own[-1]
    return (own or frames or [("", 0)])[-1]


def _relative_path(path: str, root: Path) -> str:
    return Path(path).relative_to(root).as_posix() if Path(path).is_relative_to(root) else path
