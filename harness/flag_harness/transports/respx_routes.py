"""Add httpx2 to respx, so that respx routes also answer clients of `anthropic` 1.0 and later."""

from functools import cache
from typing import Any

HTTPCORE2_MOCKER_NAME = "httpcore2"
"""The name under which respx knows the added mocker: `respx.mock(using="httpcore2")`."""


@cache
def register_httpcore2_mocker() -> type[Any]:
    """Return the respx mocker (the class that patches transports) for httpx2. Register one if respx has none.

    Routes still return httpx responses. An error that a route raises reaches the client unchanged, so raise httpx2
    errors. Raise `ImportError` if respx, httpcore or httpcore2 is not installed.
    """
    import httpcore2
    from respx.mocks import HTTPCoreMocker

    class HTTPCore2Mocker(HTTPCoreMocker):
        name = HTTPCORE2_MOCKER_NAME
        targets = [target.replace("httpcore.", f"{HTTPCORE2_MOCKER_NAME}.", 1) for target in HTTPCoreMocker.targets]  # noqa: RUF012

        @classmethod
        def from_sync_httpx_response(cls, httpx_response: Any, target: Any, **kwargs: Any) -> Any:
            """Convert a route's answer for httpx2's transport."""
            return httpcore2.Response(
                status=httpx_response.status_code,
                headers=httpx_response.headers.raw,
                content=httpx_response.stream,
                extensions=httpx_response.extensions,
            )

    return HTTPCore2Mocker


def respx_mocker_name(http_library: str) -> str:
    """Return the name of respx's mocker for `httpx` or `httpx2`."""
    return register_httpcore2_mocker().name if http_library == "httpx2" else "httpcore"
