"""A server on loopback, whose answers cassettes of vcrpy record."""

import http.server
import threading
from collections.abc import Iterator

import pytest


class LoopbackServer(http.server.ThreadingHTTPServer):
    """Answers each request with its number and its body, and keeps the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: LoopbackServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.received.append(self.path)
        if self.path == "/cut":
            self.connection.close()
            return
        if self.path == "/leak":
            body = b"sk-ant-" + b"api03-9f8e7d6c5b4a39281706"
        answer = b"\xff\xfe" if self.path == "/binary" else f"{len(self.server.received)}: {body.decode()}\nä".encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "text/plain")
        if self.path == "/login":
            self.send_header("Set-Cookie", "session=abcdef")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def loopback_server() -> Iterator[LoopbackServer]:
    """A server that answers each request with its number and its body."""
    with LoopbackServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
