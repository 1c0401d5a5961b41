"""The errors that the harness raises. Each message says what happened, what was nearest, and what to type next."""

from collections.abc import Iterator
from contextlib import contextmanager


class HarnessError(Exception):
    """A mistake that the user can fix: bad configuration, a bad flag, a file that cannot be read."""


class FlagError(HarnessError):
    """A flag, or the value of one, is invalid."""


class ConfigError(HarnessError):
    """A setting in `[tool.flag-harness]` or a table of models is invalid."""


class CassetteError(HarnessError):
    """A cassette cannot be read, or may not be written."""


class ScenarioError(HarnessError):
    """A scenario cannot be read, or is invalid."""


class ContextError(HarnessError):
    """A saved context cannot be restored; the session is unchanged."""


class RecordError(HarnessError):
    """A run record cannot be read, or records cannot be merged."""


class MissingExtraError(HarnessError):
    """A library is not installed that an extra of this package brings."""


@contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Raise `MissingExtraError`, with what to install, if an import in the `with` block finds no module."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "a library").partition(".")[0]
        raise MissingExtraError(f"{library} is not installed: pip install 'flag-harness[{extra}]'") from None


class Refusal(BaseException):
    """The harness refuses a request, and the code under test must not take that for an answer of the API.

    It derives from `BaseException` because the SDK retries every `Exception` and reports "Connection error.", and
    because agents catch `Exception`. The code that raises a refusal also keeps it, so that the test's teardown can
    raise it again.
    """


class CassetteMiss(Refusal):
    """The cassette has no answer for a request."""


class ScenarioMiss(Refusal):
    """A request was made that no turn of the scenario answers."""


class NetworkRefused(Refusal):
    """A test tried to reach the network while it played a cassette or used the simulator."""


class CommandRefused(Refusal):
    """A recorded answer calls a tool with a command that the scenario does not declare."""


class LateRequest(Refusal):
    """A thread or task sent a request after the test, or the fixture, that started it had ended."""
