"""The connections of the loopback server: uvicorn's protocol on httptools, which can be cut and writes in one piece."""

import asyncio
import socket
import struct
from typing import Any

from flag_harness.errors import require_extra

with require_extra("serve"):
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_ABORT_WITH_RESET = struct.pack("ii", 1, 0)


class BufferedConnection:
    """A transport whose writes of one turn of the event loop leave together: a head and its body are one packet.

    asyncio would send each write at once, and each costs the client a wake-up.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._held = transport, bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send the data once whoever writes has written all that can be written now."""
        if not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held += data

    def close(self) -> None:
        """Close the connection behind all that was written."""
        self._flush()
        self._transport.close()

    def reset(self) -> None:
        """Break the connection off with a TCP reset."""
        self._flush()
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_WITH_RESET)
        self._transport.abort()

    def _flush(self) -> None:
        if self._held:
            self._transport.write(bytes(self._held))
            self._held.clear()


class ConnectionProtocol(HttpToolsProtocol):
    """Keeps each connection by its client's address in `connections_of`, so that a cut can reach it."""

    connections_of: dict[Any, BufferedConnection]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # asyncio does so only where the listening socket names its protocol, which `create_server`'s does not
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = BufferedConnection(transport)
        super().connection_made(connection)  # type: ignore[arg-type]
        self.connections_of[self.client] = connection

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of.pop(self.client, None)
        super().connection_lost(exc)
