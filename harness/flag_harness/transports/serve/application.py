"""An upstream as a raw ASGI application: pieces as they stand, refusals as numbers, cuts as cut connections."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from flag_harness.clock import Clock
from flag_harness.errors import Refusal
from flag_harness.transports.serve.http_protocol import BufferedConnection
from flag_harness.wire.head_rules import head_problem
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request, Response, Upstream
from flag_harness.wire.timeline import response_body as body_of

logger = logging.getLogger(__name__)

_FRAMING = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers that belong to one connection; the server writes its own: every body is chunked, a piece a chunk."""
_REFUSED_STATUS, _BROKEN_STATUS = 404, 500
_HEADS = 1024
"""Heads that are kept rendered: a recorded one is played many times."""
LEAVING_SECONDS = 0.5
"""How long a client may take to hang up where the recorded one did; who is still there then reads on."""


class UpstreamApplication:
    """The upstream as a raw ASGI application; `joined` bodies are sent in one piece.

    What is refused is kept in `refusals`; `connections_of` holds the open connections by their clients' addresses.
    """

    def __init__(self, upstream: Upstream, clock: Clock, *, joined: bool) -> None:
        self._upstream, self._clock, self._joined = upstream, clock, joined
        self._rendered = lru_cache(_HEADS)(_rendered)
        self.connections_of: dict[Any, BufferedConnection] = {}
        self.refusals: list[Refusal] = []

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        request = await _read(scope, receive)
        if request is None:
            return  # whoever asked has gone before all was said: nothing is answered, and no interaction used up
        response = self._answer(request)
        if (
            self._joined
            and isinstance(response[0], Head)
            and isinstance(response[-1], End)
            and not response[-1].make_refusal
        ):
            await send(self._rendered(response[0]))
            await send({"type": "http.response.body", "body": body_of(response)})
        else:
            await self._play(response, scope, receive, send)

    async def _play(self, response: Response, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        start = self._clock.now()
        for piece in response:
            if not self._clock.has_reached(start + piece.at):
                await self._clock.async_sleep(start + piece.at - self._clock.now())
            if scope["client"] not in self.connections_of:
                return  # whoever asked has gone: nobody is kept waiting for the rest
            if isinstance(piece, Cut):
                await self._cut(piece, scope, receive)
                return
            if isinstance(piece, End) and piece.make_refusal is not None:
                await self._abandoned(piece.make_refusal, scope, receive)
                return
            await send(self._rendered(piece) if isinstance(piece, Head) else _body_message(piece))

    async def _abandoned(self, refuse: Callable[[], BaseException], scope: Mapping[str, Any], receive: Any) -> None:
        """Let the client go where its recorded one went; one that stays reads on, past all that is known."""
        try:
            await asyncio.wait_for(receive(), LEAVING_SECONDS)
        except TimeoutError:
            self._note(refuse())
            await self._cut(Cut(0.0, "eof"), scope, receive)

    def _answer(self, request: Request) -> Response:
        """What the upstream says, where HTTP can carry it."""
        try:
            response = self._upstream(request)
            if isinstance(response[0], Head):
                self._rendered(response[0])
        except Refusal as refusal:
            return _told(_REFUSED_STATUS, self._note(refusal))
        except Exception:
            logger.exception("%s %s: the upstream is broken", request.method, request.path)
            return _told(_BROKEN_STATUS, "broken")
        return response

    def _note(self, refusal: Any) -> str:
        """Keep and log a refusal; its name in the log."""
        self.refusals.append(refusal)
        miss = f"miss-{len(self.refusals)}"
        logger.error("%s: %s", miss, refusal)
        return miss

    async def _cut(self, cut: Cut, scope: Mapping[str, Any], receive: Any) -> None:
        connection = self.connections_of[scope["client"]]
        if cut.how == "read_timeout":
            await receive()  # the request is read, so what comes next is that the client has gone
        elif cut.how == "eof":
            connection.close()
        else:
            connection.reset()


async def _read(scope: Mapping[str, Any], receive: Any) -> Request | None:
    """The whole request; `None` where the client went before it had sent all of it."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    query = scope["query_string"].decode("latin-1")
    host = next((value for name, value in headers if name == "host"), "")
    url = f"http://{host}{scope['raw_path'].decode('latin-1')}" + (f"?{query}" if query else "")
    return Request(scope["method"], url, headers, bytes(body))


def _rendered(head: Head) -> dict[str, Any]:
    """The ASGI message for a head. Raises `ValueError` for what HTTP cannot carry."""
    if reason := head_problem(head.status, head.headers):
        raise ValueError(reason)
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in head.headers
        if name.lower() not in _FRAMING
    ]
    return {"type": "http.response.start", "status": head.status, "headers": headers}


def _body_message(piece: Piece) -> dict[str, Any]:
    """The ASGI message for a chunk, or for the end."""
    data = piece.data if isinstance(piece, Chunk) else b""
    return {"type": "http.response.body", "body": data, "more_body": isinstance(piece, Chunk)}


def _told(status: int, words: str) -> Response:
    """An answer that is none of the API: plain words, and no reason to ask again."""
    headers = (("content-type", "text/plain"), ("x-should-retry", "false"))
    return Head(0.0, status, headers), Chunk(0.0, words.encode()), End(0.0)
