"""The types that `http_client` and `async_http_client` return, for annotations only.

They are the types of httpx2, which the SDK uses since anthropic 1.0. If only httpx is installed, type checkers treat
them as `Any`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Client

    __all__ = ["AsyncClient", "Client"]
