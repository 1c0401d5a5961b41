"""Record the answers to the HTTP requests of tools in the run without troubles, and replay them in the other runs."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from flag_harness.plugin.sweep.tools.results import BaselineToolResults, StoredToolResult, ToolCallKey
from flag_harness.transports.patch import replace_attribute
from flag_harness.transports.scope import ApiScope

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class _CompressedResponse:
    """An HTTP response whose body is still compressed as it was received."""

    status: int
    headers: tuple[tuple[Any, Any], ...]
    body: bytes
    reason: str | None = None


@contextmanager
def store_or_replay_responses(recording: BaselineToolResults, scope: ApiScope) -> Iterator[None]:
    """In the context, record or replay answers to requests of httpx, httpx2 and urllib3 to hosts outside the API.

    `requests` sends with urllib3.
    """
    with ExitStack() as patches:
        for name, patch in _PATCH_BY_LIBRARY:
            with suppress(ImportError):
                patches.enter_context(patch(importlib.import_module(name), recording, scope))
        yield


@contextmanager
def _store_request_error(recording: BaselineToolResults, key: ToolCallKey) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        recording.keep_result(key, StoredToolResult(error=error))
        raise


def _patch_sync_transport(http: Any, recording: BaselineToolResults, scope: ApiScope) -> Any:
    send = http.HTTPTransport.handle_request

    def handle_request(transport: Any, request: Any) -> Any:
        if scope.includes_request(request):
            return send(transport, request)
        key = _request_key(request.method, str(request.url), request.read())
        known = recording.find_next_result(key, "sent")
        if known is None:
            with _store_request_error(recording, key):
                response = send(transport, request)
                body = b"".join(response.stream)
                response.close()
            known = _store_response(recording, key, response, body)
        return _httpx_response(http, known.return_or_raise())

    return replace_attribute(http.HTTPTransport, "handle_request", handle_request)


def _patch_async_transport(http: Any, recording: BaselineToolResults, scope: ApiScope) -> Any:
    send = http.AsyncHTTPTransport.handle_async_request

    async def handle_async_request(transport: Any, request: Any) -> Any:
        if scope.includes_request(request):
            return await send(transport, request)
        key = _request_key(request.method, str(request.url), await request.aread())
        known = recording.find_next_result(key, "sent")
        if known is None:
            with _store_request_error(recording, key):
                response = await send(transport, request)
                body = b"".join([chunk async for chunk in response.stream])
                await response.aclose()
            known = _store_response(recording, key, response, body)
        return _httpx_response(http, known.return_or_raise())

    return replace_attribute(http.AsyncHTTPTransport, "handle_async_request", handle_async_request)


def _store_response(recording: BaselineToolResults, key: ToolCallKey, response: Any, body: bytes) -> StoredToolResult:
    result = StoredToolResult(_CompressedResponse(response.status_code, tuple(response.headers.raw), body))
    recording.keep_result(key, result)
    return result


def _httpx_response(http: Any, answer: _CompressedResponse) -> Any:
    return http.Response(answer.status, headers=[*answer.headers], stream=http.ByteStream(answer.body))


def _patch_urllib3(urllib3: Any, recording: BaselineToolResults, scope: ApiScope) -> Any:
    send: Callable[..., Any] = urllib3.HTTPConnectionPool.urlopen

    def urlopen(
        pool: Any, method: str, url: str, body: Any = None, headers: Any = None, *again: Any, **options: Any
    ) -> Any:
        address = url if "://" in url else f"{pool.scheme}://{pool.host}:{pool.port}{url}"
        is_retry = again and recording.is_baseline  # urllib3 passes more by position only if it sends a request again
        if is_retry or scope.includes_request(SimpleNamespace(url=address, headers=headers or {})):
            return send(pool, method, url, body, headers, *again, **options)
        data = _read_body(body)
        key = _request_key(method, address, data or b"")
        known = recording.find_next_result(key, "sent")
        if known is None:
            with _store_request_error(recording, key):
                response = send(pool, method, url, data, headers, **{**options, "preload_content": False})
                raw = response.read(decode_content=False)
            known = StoredToolResult(
                _CompressedResponse(response.status, tuple(response.headers.items()), raw, response.reason)
            )
            recording.keep_result(key, known)
        return _urllib3_response(urllib3, known.return_or_raise(), method, options)

    return replace_attribute(urllib3.HTTPConnectionPool, "urlopen", urlopen)


def _urllib3_response(urllib3: Any, answer: _CompressedResponse, method: str, options: dict[str, Any]) -> Any:
    return urllib3.HTTPResponse(
        body=BytesIO(answer.body),
        headers=urllib3.HTTPHeaderDict(answer.headers) if hasattr(urllib3, "HTTPHeaderDict") else dict(answer.headers),
        status=answer.status,
        reason=answer.reason,
        version=11,
        preload_content=options.get("preload_content", True),
        decode_content=options.get("decode_content", True),
        request_method=method,
    )


def _read_body(body: Any) -> bytes | None:
    """Return the body of a request that urllib3 sends: bytes, a text, a file, parts, or None."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    parts = [body.read()] if hasattr(body, "read") else body
    return b"".join(part.encode() if isinstance(part, str) else part for part in parts)


def _request_key(method: str, url: str, body: bytes) -> ToolCallKey:
    """Return the key that identifies a request. The port of a local server is left out, since it may differ from run to
    run.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = host if host in _LOOPBACK_HOSTS else parts.netloc
    query = f"?{parts.query}" if parts.query else ""
    return f"{method} {parts.scheme}://{address}{parts.path}{query}", body


_PATCH_BY_LIBRARY = (
    ("httpx", _patch_sync_transport),
    ("httpx", _patch_async_transport),
    ("httpx2", _patch_sync_transport),
    ("httpx2", _patch_async_transport),
    ("urllib3", _patch_urllib3),
)
"""The HTTP libraries, which may be missing, each with a function that patches it."""
