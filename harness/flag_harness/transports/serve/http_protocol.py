"""The connections of the loopback server: uvicorn's protocol, with buffered writes and connection resets."""

import asyncio
import logging
import socket
import struct
from http import HTTPStatus
from typing import Any

from flag_harness.errors import require_extra
from flag_harness.transports.serve.limits import TEXT_CONTENT_TYPE, ServerLimits, StatusTypeAndText

with require_extra("serve"):
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

logger = logging.getLogger(__name__)

SECONDS_TO_READ_REJECTION = 0.5
"""Seconds that a rejected client has to read the answer. Closing the connection at once could lose the answer."""
_LINGER_OPTION_FOR_RESET = struct.pack("ii", 1, 0)


class BufferedConnection:
    """An asyncio transport that sends all writes of one event-loop cycle together.

    asyncio would send the head and the body in two packets, and wake the client twice.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._buffer = transport, bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the data at the end of this event-loop cycle."""
        if not self._buffer:
            asyncio.get_running_loop().call_soon(self._flush)
        self._buffer += data

    def close(self) -> None:
        """Close the connection after sending all data."""
        self._flush()
        self._transport.close()

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        self._flush()
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OPTION_FOR_RESET
        )
        self._transport.abort()

    def _flush(self) -> None:
        if self._buffer:
            self._transport.write(bytes(self._buffer))
            self._buffer.clear()


class ConnectionProtocol(HttpToolsProtocol):
    """Parses HTTP for uvicorn, stores each client's connection in `connection_by_address`, and rejects requests over
    the limits.
    """

    connection_by_address: dict[Any, BufferedConnection]
    limits: ServerLimits
    url = b""
    _is_rejected = False
    _head_length = 0
    """The number of bytes received so far of an incomplete head."""
    _is_reading_head = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # asyncio sets this only if the listening socket names its protocol, and `create_server`'s does not
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = BufferedConnection(transport)
        super().connection_made(connection)  # type: ignore[arg-type]
        self.connection_by_address[self.client] = connection
        self._timer = self.loop.call_later(
            self.limits.max_head_seconds, lambda: self._reject(self.limits.head_timeout_rejection())
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.connection_by_address.pop(self.client, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_rejected:
            return
        if self._is_reading_head:
            self._head_length += len(data)
        super().data_received(data)
        if self._is_reading_head:
            self._reject(self.limits.head_rejection(len(self.url), self._head_length))

    def on_message_begin(self) -> None:
        self._is_reading_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_reading_head, self._head_length = False, 0
        self._stop_timer()
        length = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if rejection := self.limits.head_rejection(len(self.url), length):
            self._reject(rejection)
            raise ValueError(rejection[2])  # the parser stops
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_reading_head = True

    def send_400_response(self, msg: str) -> None:
        """Reject a request that is not valid HTTP, unless it has been rejected already."""
        self._reject((400, TEXT_CONTENT_TYPE, msg))

    def _reject(self, rejection: StatusTypeAndText | None) -> None:
        """Send the client an error message, and close the connection once the client has had time to read it."""
        if rejection is None or self._is_rejected or self.transport.is_closing():
            return
        self._is_rejected = True
        logger.error("%s %s", rejection[0], rejection[2])
        status, content_type, text = rejection
        body = text.encode()
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {content_type}\r\n"
        head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode("latin-1") + body)
        self.loop.call_later(SECONDS_TO_READ_REJECTION, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
