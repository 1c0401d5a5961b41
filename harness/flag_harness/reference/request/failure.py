"""Describe the exceptions of any SDK version as a `RequestFailure`: what has failed, and whether to try again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

RetryRule: TypeAlias = Literal["never", "policy", "once"]
"""How often to retry: `policy` means as often as the retry policy allows, `once` is for broken answers, `never` means
not at all.
"""

STATUS_BY_ERROR_TYPE: Mapping[str, int] = {
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
"""The HTTP status for each error type. Errors inside a stream need this table, since their response began with 200
(platform.claude.com/docs/en/api/errors).
"""

RETRIED_STATUSES_BELOW_500 = frozenset({408, 409, 429})
"""The statuses below 500 that are retried. All from 500 on are retried, too, as in the SDK (`_base_client.py`, 0.125 to
2.12).
"""

_FAILURE_KIND_BY_STATUS: Mapping[int, str] = {
    401: "credentials",
    402: "credentials",
    403: "credentials",
    429: "rate_limit",
    529: "overloaded",
}
_MAX_MESSAGE_LENGTH = 500
_HTML_CONTENT_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_HTML_TITLE_PATTERN = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HTTP_LIBRARIES = ("httpx", "httpcore")


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """A failed request attempt. `kind` is one of the kinds of `AgentError`.

    `status` is the HTTP status; for an error inside a stream, the status that belongs to its type. `headers` are empty
    for such an error, since the response began with 200. `message` is for the user, and `original_message` is that of
    the API or the SDK. `rejected_argument` is the name of an argument that the installed SDK does not accept.
    """

    kind: str
    message: str
    retry_rule: RetryRule = "never"
    status: int | None = None
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    original_message: str = ""
    rejected_argument: str | None = None

    @property
    def is_rejection(self) -> bool:
        """Whether the API or the SDK refused the request because of its content."""
        return self.kind == "request" and self.status in (400, None)


class TurnError(Exception):
    """The turn cannot be completed. `failure` says why."""

    def __init__(self, failure: RequestFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class BrokenAnswerError(Exception):
    """Raised if the answer is cut short or garbled, or violates the grammar of streams."""


class SilentAnswerError(BrokenAnswerError):
    """The API sent nothing, or only pings, for too long."""


def failure_before_answer(error: Exception) -> RequestFailure:
    """Return the failure that an exception means which was raised before the answer began."""
    if isinstance(getattr(error, "status_code", None), int):
        return _failure_with_status(error)
    name = type(error).__name__
    if isinstance(error, SilentAnswerError):
        return RequestFailure("connection", f"no answer from the API: {error}", "once")
    if _is_connection_error(error):
        cause = error.__cause__ or error
        return RequestFailure("connection", _describe_error_in_one_line("no answer from the API", cause), "policy")
    if _is_parsing_error(error):
        return RequestFailure("broken_answer", _describe_error_in_one_line("the answer cannot be read", error), "once")
    if isinstance(error, (TypeError, ValueError)):
        words = _shorten_to_line(str(error))
        kind = "credentials" if "authentication method" in words else "request"
        return RequestFailure(
            kind,
            f"the SDK refused the request: {words}",
            original_message=words,
            rejected_argument=_unexpected_argument_name(words),
        )
    return RequestFailure("unexpected", f"{name}: {_shorten_to_line(str(error))}")


def failure_during_answer(error: Exception) -> RequestFailure:
    """Return the failure that an exception means which was raised while the answer was read.

    The cause is an error event in the stream, or an answer that is cut off or invalid.
    """
    if isinstance(getattr(error, "status_code", None), int):
        return _failure_with_status(error)
    return RequestFailure("broken_answer", _describe_error_in_one_line("the answer broke off", error), "once")


def _failure_with_status(error: Any) -> RequestFailure:
    details = _error_object(error.body)
    in_stream = error.status_code < 400
    status = STATUS_BY_ERROR_TYPE.get(str(details.get("type")), 500) if in_stream else error.status_code
    if not in_stream and _is_answer_of_gateway(error, details):
        return _gateway_failure(error)
    words = _shorten_to_line(str(details.get("message") or "") or str(error))
    return RequestFailure(
        kind=_FAILURE_KIND_BY_STATUS.get(status) or ("server" if status >= 500 else "request"),
        message=f"{status} {details.get('type') or ''}".strip() + f": {words}",
        retry_rule="policy" if status in RETRIED_STATUSES_BELOW_500 or status >= 500 else "never",
        status=status,
        request_id=_request_id_of(error),
        headers={} if in_stream else {key.lower(): value for key, value in error.response.headers.items()},
        original_message=words,
    )


def _is_answer_of_gateway(error: Any, details: Mapping[str, Any]) -> bool:
    """Return whether a gateway or proxy answered instead of the API. Errors of the API are JSON.

    Return False for 413 and 429, for which it does not matter who answered.
    """
    if error.status_code in (413, 429):
        return False
    kind = str(error.response.headers.get("content-type", "")).partition(";")[0].strip().lower()
    return (
        kind in _HTML_CONTENT_TYPES or _body_text(error).startswith("<") or (error.status_code == 403 and not details)
    )


def _gateway_failure(error: Any) -> RequestFailure:
    status, headers = error.status_code, {key.lower(): value for key, value in error.response.headers.items()}
    page = _body_text(error)
    title = _HTML_TITLE_PATTERN.search(page)
    words = _shorten_to_line(title[1] if title else page)
    sender = f" ({headers['server']})" if headers.get("server") else ""
    return RequestFailure(
        kind="server" if status >= 500 else "connection",
        message=(
            f"{status}: a gateway or proxy{sender} answered in place of the API: {words!r}; check the network and "
            "ANTHROPIC_BASE_URL"
        ),
        retry_rule="policy" if status in RETRIED_STATUSES_BELOW_500 or status >= 500 else "never",
        status=status,
        headers=headers,
    )


def _body_text(error: Any) -> str:
    return error.body.lstrip() if isinstance(error.body, str) else str(error.message).lstrip()


def _error_object(body: Any) -> Mapping[str, Any]:
    details = body.get("error") if isinstance(body, Mapping) else None
    return details if isinstance(details, Mapping) else {}


def _request_id_of(error: Any) -> str | None:
    stated = error.body.get("request_id") if isinstance(error.body, Mapping) else None
    return stated or getattr(error, "request_id", None)


def _is_connection_error(error: Exception) -> bool:
    """Return whether the connection failed. The names of the error's classes decide, since HTTP libraries differ."""
    kinds = type(error).__mro__
    return any(kind.__name__ == "APIConnectionError" or kind.__module__.startswith(_HTTP_LIBRARIES) for kind in kinds)


def _is_parsing_error(error: Exception) -> bool:
    """Return whether an error means that an answer could not be parsed."""
    if isinstance(error, (BrokenAnswerError, UnicodeError, AssertionError)):
        return True
    return any(kind.__name__ in _PARSING_ERROR_NAMES for kind in type(error).__mro__)


_PARSING_ERROR_NAMES = frozenset({"JSONDecodeError", "ValidationError", "APIResponseValidationError"})


def _unexpected_argument_name(message: str) -> str | None:
    """Return the name in `got an unexpected keyword argument '...'`, or None if the message does not say that."""
    _, found, rest = message.partition("unexpected keyword argument '")
    return rest.partition("'")[0] if found else None


def _describe_error_in_one_line(introduction: str, error: BaseException) -> str:
    if isinstance(error, BrokenAnswerError):
        return f"{introduction}: {error}"
    words = _shorten_to_line(str(error))
    return f"{introduction}: {type(error).__name__}" + (f": {words}" if words else "")


def _shorten_to_line(text: str) -> str:
    """Return a text as one line, and cut off its end if it is long, since a gateway may send a whole HTML page."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_MESSAGE_LENGTH else line[: _MAX_MESSAGE_LENGTH - 1] + "…"
