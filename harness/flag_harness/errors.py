"""The errors that the harness raises. Each message says what happened, what was nearest, and what to type next."""

from collections.abc import Iterator
from contextlib import contextmanager


class HarnessError(Exception):
    """A mistake that the user can fix: bad configuration, a bad flag, a file that cannot be read."""


class FlagError(HarnessError):
    """A flag or one of its values is invalid."""


class ConfigError(HarnessError):
    """A setting in `[tool.flag-harness]`, or an entry in a table of models, is invalid."""


class CassetteError(HarnessError):
    """A cassette cannot be read, or must not be written."""


class ScenarioError(HarnessError):
    """A scenario cannot be read, or is invalid."""


class ContextError(HarnessError):
    """A saved conversation of the agent cannot be restored. The agent's current conversation is unchanged."""


class RecordError(HarnessError):
    """A run record cannot be read, or several records cannot be merged."""


class GateError(HarnessError):
    """The gate, which copies files to production, cannot read or write a file, or is not configured."""


class GateRefusalError(GateError):
    """The gate refuses to copy files to production: a rule fails, or the files are not the expected ones."""


class DemoError(HarnessError):
    """The command `flag-harness demo` cannot run here."""


class UpgradeError(HarnessError):
    """The command `flag-harness upgrade` cannot write a file, and has left all files unchanged."""


class InitError(HarnessError):
    """The command `flag-harness init` cannot write its files."""


class MissingExtraError(HarnessError):
    """A library of an optional extra, such as `flag-harness[serve]`, is not installed."""


@contextmanager
def require_extra(extra: str) -> Iterator[None]:
    """Raise `MissingExtraError` if an import in the `with` block fails because a library is missing.

    The message says which extra to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "a library").partition(".")[0]
        raise MissingExtraError(f"{library} is not installed: pip install 'flag-harness[{extra}]'") from None


class Refusal(BaseException):
    """The harness refuses a request. The code under test must not mistake this for an error of the API.

    It derives from `BaseException` because the SDK retries every `Exception` and reports "Connection error.", and
    because agents catch `Exception`. The code that raises a refusal also stores it, so that the test's teardown can
    raise it again.
    """


class CassetteMiss(Refusal):
    """The cassette has no answer to a request."""


class ScenarioMiss(Refusal):
    """No turn of the scenario answers a request. `turn` is the TOML of a turn to add, which would answer the
    request.
    """

    def __init__(self, message: str, turn: str) -> None:
        super().__init__(message)
        self.turn = turn


class NetworkRefused(Refusal):
    """A test that plays a cassette or uses the simulator tried to reach the network."""


class CommandRefused(Refusal):
    """A recorded answer calls a tool with a command that the scenario does not allow."""


class LateRequest(Refusal):
    """A thread or task sent a request after the test or fixture that started it had ended."""
