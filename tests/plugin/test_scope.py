"""Scope: only requests to the API are the harness's business."""

import pytest

PROJECT = "[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n[tool.flag-harness]\n"
RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")


def _run(pytester: pytest.Pytester, settings: str, test: str, *options: str) -> pytest.RunResult:
    pytester.makepyprojecttoml(PROJECT + settings)
    pytester.makepyfile(test)
    return pytester.runpytest(*options)


def test_a_local_service_is_reached_in_every_mode(pytester: pytest.Pytester) -> None:
    """Its answers are neither recorded nor simulated."""
    test = """
    import http.server, threading, anthropic, httpx
    class Service(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", "4")
            self.end_headers()
            self.wfile.write(b"mine")
        def log_message(self, *arguments): pass
    def test_service(cassette):
        body = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
        anthropic.Anthropic().messages.create(**body)
        with http.server.HTTPServer(("127.0.0.1", 0), Service) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            assert "mine" == httpx.get(f"http://127.0.0.1:{server.server_port}/data", trust_env=False).text
        assert 1 == len(cassette.exchanges)
    """
    for options in (RECORD, (), ("--disable-recording", "--harness-upstream=simulator")):
        _run(pytester, "", test, *options).assert_outcomes(passed=1)


def test_another_host_is_refused_while_replaying(pytester: pytest.Pytester) -> None:
    """The test fails although its code caught the refusal, unless the host is ignored."""
    test = """
    import httpx, pytest
    @pytest.mark.harness_no_request
    def test_prices(cassette):
        try:
            httpx.get("https://prices.example/list", trust_env=False)
        except httpx.ConnectError:
            pass
    """
    refused = _run(pytester, "", test)
    refused.assert_outcomes(failed=1)
    refused.stdout.fnmatch_lines(["*tried to reach prices.example:443*"])
    _run(pytester, 'ignore_hosts = ["prices.*"]\n', test).assert_outcomes(passed=1)


def test_an_allowed_host_is_looked_up(pytester: pytest.Pytester) -> None:
    """Nobody holds the name, so the lookup itself fails."""
    test = """
    import pytest, socket
    @pytest.mark.harness_no_request
    def test_look_up(cassette):
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("service.invalid", 443)
    """
    _run(pytester, 'allowed_hosts = ["*.invalid"]\n', test).assert_outcomes(passed=1)


def test_a_host_of_the_project_is_the_apis(pytester: pytest.Pytester) -> None:
    """Any path of it is recorded and played."""
    test = """
    import httpx
    def test_models(cassette):
        headers = {"x-api-key": "x"}
        assert httpx.get("https://gateway.example/v1/models", headers=headers).status_code == 400
    """
    for options in (RECORD, ()):
        _run(pytester, 'hosts = ["gateway.example"]\n', test, *options).assert_outcomes(passed=1)


def test_transports_of_a_project_are_answered_or_run(pytester: pytest.Pytester) -> None:
    """One that sends by other means is answered, one that wraps a real one runs, and a mock answers itself."""
    test = """
    import httpx, pytest
    BODY = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
    HEADERS = {"x-api-key": "x", "anthropic-version": "2023-06-01"}
    class Own(httpx.BaseTransport):
        def handle_request(self, request):
            raise AssertionError("it sends by other means")
    class Wrapping(httpx.BaseTransport):
        def __init__(self, inner): self.inner, self.count = inner, 0
        def handle_request(self, request):
            self.count += 1
            return self.inner.handle_request(request)
    def post(transport):
        with httpx.Client(transport=transport) as client:
            return client.post("https://api.anthropic.com/v1/messages", json=BODY, headers=HEADERS).json()
    def test_transports(cassette):
        assert "message" == post(Own())["type"]
        for inner in (httpx.HTTPTransport(), Own()):
            wrapping = Wrapping(inner)
            assert "message" == post(wrapping)["type"]
            assert 1 == wrapping.count
        assert "mock" == post(httpx.MockTransport(lambda request: httpx.Response(200, json={"type": "mock"})))["type"]
        assert 3 == len(cassette.exchanges)
    """
    for options in (RECORD, ()):
        _run(pytester, "", test, *options).assert_outcomes(passed=1)
