"""respx, taught httpx2: a user's own routes answer clients of `anthropic` 1.0 and later too."""

from functools import cache
from typing import Any

NAME = "httpcore2"
"""The name under which respx knows this mocker: `respx.mock(using="httpcore2")`."""


@cache
def register_httpcore2_mocker() -> type[Any]:
    """Register with respx a mocker of httpx2's transport, once, and return it.

    Routes go on taking httpx responses; an error that a route raises reaches the client as it is, so raise httpx2's.
    Raises `ImportError` where respx, httpcore or httpcore2 is not installed.
    """
    import httpcore2
    from respx.mocks import HTTPCoreMocker

    class HTTPCore2Mocker(HTTPCoreMocker):
        name = NAME
        targets = [target.replace("httpcore.", f"{NAME}.", 1) for target in HTTPCoreMocker.targets]  # noqa: RUF012

        @classmethod
        def from_sync_httpx_response(cls, httpx_response: Any, target: Any, **kwargs: Any) -> Any:
            """The answer of a route, as httpx2's transport takes it."""
            return httpcore2.Response(
                status=httpx_response.status_code,
                headers=httpx_response.headers.raw,
                content=httpx_response.stream,
                extensions=httpx_response.extensions,
            )

    return HTTPCore2Mocker


def mocker_name(http_library: str) -> str:
    """The name of respx's mocker for `httpx` or `httpx2`."""
    return register_httpcore2_mocker().name if http_library == "httpx2" else "httpcore"
