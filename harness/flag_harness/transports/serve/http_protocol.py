"""The connections of the loopback server: uvicorn's httptools protocol, with buffered writes and connection resets."""

import asyncio
import socket
import struct
from typing import Any

from flag_harness.errors import require_extra

with require_extra("serve"):
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_ABORT_WITH_RESET = struct.pack("ii", 1, 0)


class BufferedConnection:
    """An asyncio transport that sends all writes of one turn of the event loop together: head and body in one packet.

    asyncio would send each write at once, and each would wake the client.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._buffer = transport, bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the data at the end of this turn of the event loop."""
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
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_WITH_RESET)
        self._transport.abort()

    def _flush(self) -> None:
        if self._buffer:
            self._transport.write(bytes(self._buffer))
            self._buffer.clear()


class ConnectionProtocol(HttpToolsProtocol):
    """Keeps each connection in `connections_of` by its client's address, so that a cut can find it."""

    connections_of: dict[Any, BufferedConnection]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # asyncio sets this only if the listening socket names its protocol, and `create_server`'s does not
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = BufferedConnection(transport)
        super().connection_made(connection)  # type: ignore[arg-type]
        self.connections_of[self.client] = connection

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of.pop(self.client, None)
        super().connection_lost(exc)
