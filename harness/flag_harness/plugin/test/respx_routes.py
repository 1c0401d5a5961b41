"""The fixture `harness_respx`: respx routes for the HTTP library of the installed SDK."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def harness_respx(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A respx router whose routes answer clients of the installed SDK: httpx2 since anthropic 1.0, httpx before.

    It takes the arguments of respx's own mark: `@pytest.mark.respx(base_url="https://api.anthropic.com")`.
    """
    respx = pytest.importorskip("respx", reason="the fixture harness_respx needs respx: pip install respx")

    from flag_harness.transports import sdk_http_library
    from flag_harness.transports.respx_routes import mocker_of

    mark = request.node.get_closest_marker("respx")
    options = {"using": mocker_of(sdk_http_library().__name__), **(mark.kwargs if mark else {})}
    with respx.mock(**options) as router:
        yield router
