"""What went wrong with a request, as a value: exceptions of any version of the SDK, understood by their status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Retry: TypeAlias = Literal["never", "policy", "once"]
"""`policy`: as the retry policy allows; `once`: an answer that broke on its way may break again for the same reason."""

STATUS_OF_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that stands for an error's type, for errors inside a stream: their response began with 200
(platform.claude.com/docs/en/api/errors)."""

RETRIED_STATUSES = frozenset({408, 409, 429})
"""Retried beside every status from 500 on, as the SDK does (`_base_client.py`, 0.125 to 2.12)."""

_KINDS: Mapping[int, str] = {
    401: "credentials",
    402: "credentials",
    403: "credentials",
    429: "rate_limit",
    529: "overloaded",
}
_LONGEST_MESSAGE = 500
_HTTP_LIBRARIES = ("httpx", "httpcore")


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that came to nothing.

    `status` is the one that counts: for an error inside a stream, that of the error's type. `headers` are empty there
    too, since those of the 200 say nothing about the error. `words` are the API's or the SDK's own. `keyword` is an
    argument that the SDK's signature lacks.
    """

    kind: str
    message: str
    retry: Retry = "never"
    status: int | None = None
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    keyword: str | None = None

    @property
    def is_rejection(self) -> bool:
        """Whether the request was refused for what it says, by the API or by the SDK."""
        return self.kind == "request" and self.status in (400, None)


class TurnError(Exception):
    """The turn cannot be completed, for the reason that `failure` says."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class BrokenAnswerError(Exception):
    """An answer that is not one: cut short, garbled, or against the grammar of streams."""


class SilentAnswerError(BrokenAnswerError):
    """Nothing, or nothing but pings, came for too long."""


def of_asking(error: Exception) -> Failure:
    """What an exception means that came instead of an answer, before any of it could be read."""
    if isinstance(getattr(error, "status_code", None), int):
        return _of_status(error)
    name = type(error).__name__
    if isinstance(error, SilentAnswerError):
        return Failure("connection", f"no answer from the API: {error}", "once")
    if _is_connection(error):
        cause = error.__cause__ or error
        return Failure("connection", _sentence("no answer from the API", cause), "policy")
    if _is_garbled(error):
        return Failure("broken_answer", _sentence("the answer cannot be read", error), "once")
    if isinstance(error, (TypeError, ValueError)):
        words = _shortened(str(error))
        kind = "credentials" if "authentication method" in words else "request"
        return Failure(kind, f"the SDK refused the request: {words}", words=words, keyword=_keyword(words))
    return Failure("unexpected", f"{name}: {_shortened(str(error))}")


def of_reading(error: Exception) -> Failure:
    """What an exception means that came while an answer was read: an error event, or an answer that broke."""
    if isinstance(getattr(error, "status_code", None), int):
        return _of_status(error)
    return Failure("broken_answer", _sentence("the answer broke off", error), "once")


def _of_status(error: Any) -> Failure:
    details = _details(error.body)
    in_stream = error.status_code < 400
    status = STATUS_OF_TYPE.get(str(details.get("type")), 500) if in_stream else error.status_code
    words = _shortened(str(details.get("message") or "") or str(error))
    return Failure(
        kind=_KINDS.get(status) or ("server" if status >= 500 else "request"),
        message=f"{status} {details.get('type') or ''}".strip() + f": {words}",
        retry="policy" if status in RETRIED_STATUSES or status >= 500 else "never",
        status=status,
        request_id=_request_id(error),
        headers={} if in_stream else {key.lower(): value for key, value in error.response.headers.items()},
        words=words,
    )


def _details(body: Any) -> Mapping[str, Any]:
    details = body.get("error") if isinstance(body, Mapping) else None
    return details if isinstance(details, Mapping) else {}


def _request_id(error: Any) -> str | None:
    stated = error.body.get("request_id") if isinstance(error.body, Mapping) else None
    return stated or getattr(error, "request_id", None)


def _is_connection(error: Exception) -> bool:
    """By names, since the SDK is not imported and its HTTP library differs between versions."""
    kinds = type(error).__mro__
    return any(kind.__name__ == "APIConnectionError" or kind.__module__.startswith(_HTTP_LIBRARIES) for kind in kinds)


def _is_garbled(error: Exception) -> bool:
    """JSON and Unicode errors are ValueErrors, and pydantic's validation error is one too."""
    if isinstance(error, (BrokenAnswerError, UnicodeError, AssertionError)):
        return True
    return any(kind.__name__ in _GARBLED for kind in type(error).__mro__)


_GARBLED = frozenset({"JSONDecodeError", "ValidationError", "APIResponseValidationError"})


def _keyword(message: str) -> str | None:
    """`Messages.create() got an unexpected keyword argument 'beta'` names `beta`."""
    _, found, rest = message.partition("unexpected keyword argument '")
    return rest.partition("'")[0] if found else None


def _sentence(what: str, error: BaseException) -> str:
    if isinstance(error, BrokenAnswerError):
        return f"{what}: {error}"
    words = _shortened(str(error))
    return f"{what}: {type(error).__name__}" + (f": {words}" if words else "")


def _shortened(text: str) -> str:
    """One line: an HTML page from a gateway is no message."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
