"""A suite written for pytest-recording: the client's library, a server on loopback, and a matcher of its own."""

import http.server
import importlib
import json
import os
import threading

import pytest


@pytest.fixture(scope="session")
def http_library():
    """The library whose clients send: httpx unless the environment names another with the same interface."""
    return importlib.import_module(os.environ.get("SUITE_HTTP_LIBRARY", "httpx"))


@pytest.fixture
def client(http_library):
    """A sync client, as any program makes one."""
    with http_library.Client() as client:
        yield client


@pytest.fixture
def local_url():
    """A server that answers every GET with `local`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"local")

        def log_message(self, *arguments):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def pytest_recording_configure(config, vcr):
    """A matcher that looks at the model only."""
    vcr.register_matcher("model", lambda sent, kept: json.loads(sent.body)["model"] == json.loads(kept.body)["model"])
