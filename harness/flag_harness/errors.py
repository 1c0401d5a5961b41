"""What the harness raises. Every message says what happened, what was nearest, and what to type next."""

from collections.abc import Iterator
from contextlib import contextmanager


class HarnessError(Exception):
    """A mistake that the user can mend: bad configuration, a bad flag, a file that cannot be read."""


class FlagError(HarnessError):
    """An environment variable holds a value that its flag does not take."""


class ConfigError(HarnessError):
    """`[tool.flag-harness]` says something that the harness does not understand."""


class CassetteError(HarnessError):
    """A cassette cannot be read, or must not be written."""


class ScenarioError(HarnessError):
    """A scenario cannot be read, or holds a key that scenarios do not have."""


class ContextError(HarnessError):
    """A saved context cannot be restored. The session that asked for it is as it was."""


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
    """Something that must not pass for an answer of the API.

    It derives from `BaseException` because the SDK retries every `Exception` raised below it and reports "Connection
    error.", and because agents say `except Exception`. Whoever raises one also keeps it, so that the test's teardown
    can raise it again.
    """


class CassetteMiss(Refusal):
    """A request was made that the cassette holds no answer for."""


class ScenarioMiss(Refusal):
    """A request was made that no turn of the scenario answers."""


class NetworkRefused(Refusal):
    """A test that plays a cassette tried to reach the network."""


class CommandRefused(Refusal):
    """A recording asked a tool to run a command that its scenario does not declare."""
