"""The fixture `harness_respx`: respx routes for the HTTP library of the installed SDK."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from respx import MockRouter


@pytest.fixture
def harness_respx(request: pytest.FixtureRequest) -> "Iterator[MockRouter]":
    """Return a respx router that answers the installed SDK, whether that uses httpx2 (since 1.0) or httpx.

    Use it instead of `respx_mock`, which does not know httpx2.
    `@pytest.mark.respx(base_url="https://api.anthropic.com")` sets the options of the router, as it does for
    `respx_mock`. The test is skipped if respx is not installed.
    """
    respx = pytest.importorskip("respx", reason="the fixture harness_respx needs respx: pip install respx")

    from flag_harness.transports import sdk_http_library
    from flag_harness.transports.respx_routes import respx_mocker_name

    mark = request.node.get_closest_marker("respx")
    options = {"using": respx_mocker_name(sdk_http_library().__name__), **(mark.kwargs if mark else {})}
    with respx.mock(**options) as router:
        yield router
