"""A secret that was really sent, or really received, reaches no file, log or report; without its filter it does."""

import base64
import gzip
import json
import logging
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic  # noqa: F401 - imported once here, not by each of the runs in this process
import brotli
import pytest

import flag_harness.plugin.test.traffic  # noqa: F401 - as above
from flag_harness.plugin.redact.secrets import mask_log_record, mask_logs

SECRET = "hunter2-planted-5f1c9e"
API_KEY = "sk-ant-api03-notarealkeynotarealkey0000"
PATTERN = "hunter2-[a-z]+-[0-9a-f]+"
TEST = """
import os

import anthropic

def test_ask(cassette):
    secret = os.environ["PLANTED"]
    where = os.environ["PLANTED_IN"]
    client = anthropic.Anthropic(
        max_retries=0,
        default_query={"session": secret} if where == "query" else None,
        default_headers={"anthropic-beta": secret} if where == "request header" else None,
    )
    asked = dict(model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": "Hello."}])
    if where == "body":
        asked["metadata"] = {"user_id": secret}
    with client, client.messages.stream(**asked) as stream:
        text = stream.get_final_text()
    if not os.environ.get("PLAYED"):
        assert (secret in text) == (where in ("chunk", "chunks", "deltas", "gzip", "deflate", "br"))
"""
RECORD = (
    "--record-mode=rewrite",
    "-rA",
    "--junitxml=junit.xml",
    "-o",
    "log_file=run.log",
    "-o",
    "log_file_level=DEBUG",
)


def _event(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


def _stream(*texts: str) -> bytes:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}} for t in texts]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(map(_event, events))


@dataclass
class Server:
    """A real API on loopback: what it was sent, byte by byte, and what it sends."""

    chunks: list[bytes]
    headers: dict[str, str]
    url: str = ""
    received: list[str] = field(default_factory=list)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts a server that `ANTHROPIC_BASE_URL` names."""
    servers: list[ThreadingHTTPServer] = []

    def start(chunks: list[bytes], headers: dict[str, str]) -> Server:
        kept = Server(chunks, headers)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                kept.received.append(f"{self.path}\n{self.headers}\n{body.decode()}")
                self.send_response(200)
                sent = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **kept.headers}
                for name, value in sent.items():
                    self.send_header(name, value)
                self.end_headers()
                for chunk in (*kept.chunks, b""):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                    time.sleep(0.02)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kept.url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("ANTHROPIC_BASE_URL", kept.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", API_KEY)
        return kept

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _halves(data: bytes) -> list[bytes]:
    middle = data.index(SECRET.encode()) + len(SECRET) // 2
    return [data[:middle], data[middle:]]


PACKERS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gzip": (gzip.compress, gzip.decompress),
    "deflate": (zlib.compress, zlib.decompress),
    "br": (brotli.compress, brotli.decompress),
}
"""The encodings that the SDK's client reads: zstd needs more than is installed."""
PLACES: dict[str, tuple[dict[str, list[str]], list[bytes], dict[str, str]]] = {
    "header": ({"headers": ["request-id"]}, [_stream("Hi.")], {"request-id": SECRET}),
    "request header": ({"headers": ["anthropic-beta"]}, [_stream("Hi.")], {}),
    "query": ({"query": ["session"]}, [_stream("Hi.")], {}),
    "body": ({"json": ["metadata.user_id"]}, [_stream("Hi.")], {}),
    "chunk": ({"patterns": [PATTERN]}, [_stream(f"It is {SECRET}.")], {}),
    "chunks": ({"patterns": [PATTERN]}, _halves(_stream(f"It is {SECRET}.")), {}),
    "deltas": ({"patterns": [PATTERN]}, [_stream(f"It is {SECRET[:9]}", f"{SECRET[9:]}.")], {}),
    **{
        encoding: ({"patterns": [PATTERN]}, [packed[:40], packed[40:]], {"content-encoding": encoding})
        for encoding, (pack, _) in PACKERS.items()
        for packed in [pack(_stream(f"It is {SECRET}."))]
    },
}
"""Where the secret is planted: the filter against it, the chunks that the server sends, and its headers."""


def _traces(folder: Path, printed: str, secret: str = SECRET) -> set[str]:
    """Where the secret stands: the names of files, and `terminal`. Cassettes are read as what they say, too."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = {path.name for path in files if secret.encode() in path.read_bytes()}
    for path in folder.rglob("recordings/**/*.json"):
        body = "".join(_said(row["response"]) for row in json.loads(path.read_bytes())["interactions"])
        events = [json.loads(line[5:]) for line in body.split("\n") if line.startswith("data:")]
        if secret in body or secret in "".join(event.get("delta", {}).get("text", "") for event in events):
            found.add(path.name)
    return found | ({"terminal"} if secret in printed else set())


def _said(response: dict[str, Any]) -> str:
    """A recorded body, unpacked."""
    parts = (part for _, part in response["chunks"])
    data = b"".join(part.encode() if isinstance(part, str) else base64.b64decode(part["base64"]) for part in parts)
    _, unpack = PACKERS.get(dict(response["headers"]).get("content-encoding", ""), (bytes, bytes))
    return unpack(data).decode()


@pytest.mark.parametrize(
    ("where", "how"),
    [
        *((where, "configured") for where in PLACES),
        *((where, "none") for where in ("header", "body", "deltas", "gzip")),
        ("body", "marked"),
        ("deltas", "fixture"),
    ],
)
def test_a_planted_secret_reaches_nothing_but_the_server(
    where: str, how: str, serve: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its filter; without one it is in the cassette."""
    filters, chunks, headers = PLACES[where]
    server = serve(chunks, headers)
    project = "[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\nlog_level = 'DEBUG'\n"
    source = TEST
    if how == "configured":
        ((name, values),) = filters.items()
        project += f"[tool.flag-harness.filters]\n{name} = {values}\n"
    if how == "marked":
        source = source.replace(
            "def test_ask", f"import pytest\n@pytest.mark.harness_filters(**{filters})\ndef test_ask"
        )
    if how == "fixture":
        body = f"from flag_harness.cassette import Filters\n    return Filters(**{filters})"
        fixture = f"@pytest.fixture(scope='session')\ndef harness_filters():\n    {body}"
        pytester.makeconftest(f"import pytest\n\n{fixture}")
    pytester.makepyprojecttoml(project)
    pytester.makepyfile(test_ask=source)
    monkeypatch.setenv("PLANTED", SECRET)
    monkeypatch.setenv("PLANTED_IN", where)

    recorded = pytester.runpytest_inprocess(*RECORD)

    recorded.assert_outcomes(passed=1)
    assert 1 == len(server.received)
    assert (where in ("query", "body", "request header")) == (SECRET in server.received[0])
    assert API_KEY in server.received[0]
    printed = "\n".join([*recorded.outlines, *recorded.errlines])
    assert set() == _traces(pytester.path, printed, API_KEY)
    traces = _traces(pytester.path, printed)
    if how == "none":
        assert "test_ask.json" in traces
        return
    assert set() == traces

    monkeypatch.setenv("PLAYED", "1")
    played = pytester.runpytest_inprocess("-rA")
    played.assert_outcomes(passed=1)
    assert 1 == len(server.received)
    assert set() == _traces(pytester.path, "\n".join([*played.outlines, *played.errlines]))


def _ask(pytester: pytest.Pytester, extra: str, *options: str, filters: str = "") -> pytest.RunResult:
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n{filters}")
    pytester.makepyfile(test_ask=TEST + extra)
    return pytester.runpytest_inprocess(*options)


FILTERS = f"[tool.flag-harness.filters]\npatterns = ['{PATTERN}']\njson = ['metadata.user_id']\n"


@pytest.fixture
def planted(serve: Any, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that sends the secret in one chunk."""
    monkeypatch.setenv("PLANTED", SECRET)
    monkeypatch.setenv("PLANTED_IN", "chunk")
    server: Server = serve([_stream(f"It is {SECRET}.")], {})
    return server


def test_a_failing_test_does_not_show_it(planted: Server, pytester: pytest.Pytester) -> None:
    """Nor does what the test printed, or why it was skipped."""
    extra = "    print(text)\n    assert text == 'nothing'\n"
    extra += "\ndef test_skip(cassette):\n    import pytest\n    pytest.skip(os.environ['PLANTED'])\n"
    run = _ask(pytester, extra, *RECORD, "-l", filters=FILTERS)
    run.assert_outcomes(failed=1, skipped=1)
    assert set() == _traces(pytester.path, "\n".join(run.outlines))
    run.stdout.fnmatch_lines(["It is REDACTED."])


def test_without_its_filter_a_failing_test_shows_it(planted: Server, pytester: pytest.Pytester) -> None:
    """The twin of the test before."""
    run = _ask(pytester, "    assert text == 'nothing'\n", *RECORD)
    run.assert_outcomes(failed=1)
    assert {"junit.xml", "terminal"} <= _traces(pytester.path, "\n".join(run.outlines))


def test_a_miss_does_not_show_it(planted: Server, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of the request that was sent, nor of those that were recorded before there was a filter."""
    monkeypatch.setenv("PLANTED_IN", "body")
    planted.chunks[:] = [_stream("Hi.")]
    _ask(pytester, "", "--record-mode=rewrite").assert_outcomes(passed=1)
    assert {"test_ask.json"} == _traces(pytester.path, "")
    monkeypatch.setenv("PLAYED", "1")
    project = f"[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n{FILTERS}"
    pytester.makepyprojecttoml(project)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    monkeypatch.setenv("PLANTED", "hunter2-other-77")
    (pytester.path / "test_ask.py").write_text(TEST.replace('"Hello."', 'secret + "?"'))
    run = pytester.runpytest_inprocess()
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["  messages[[]0].content: recorded 'Hello.', sent 'REDACTED?'"])
    run.stdout.no_fnmatch_line("*hunter2*")


def test_what_looks_like_a_key_is_not_written(planted: Server, pytester: pytest.Pytester) -> None:
    """No filter is needed for that. The test fails, and says where it stands and what to type."""
    key = "sk-ant-api03-" + "Zm9vYmFy" * 4
    planted.chunks[:] = [_stream(f"It is {SECRET} {key[:20]}", key[20:])]
    run = _ask(pytester, "", *RECORD)
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "*test_ask.json was not written, because this still looks like a key:",
            "  interaction 0, response delta 0-1 of block 0: an Anthropic key (sk-ant…)",
            "Take it out with a filter, in pyproject.toml for all tests:",
            "  [[]tool.flag-harness.filters]",
            "  patterns = [[]'sk-ant-[[]A-Za-z0-9_-]{12,}']",
            "or on one test: @pytest.mark.harness_filters(patterns=[[]...]); and withdraw the key if it was a real *",
        ]
    )
    assert [] == [one for one in (pytester.path / "recordings").rglob("*") if one.is_file()]


@pytest.mark.parametrize(
    ("filters", "extra", "message"),
    [
        ("[tool.flag-harness.filters]\njson = ['a..b']\n", "", "*filters: 'a..b' is not a JSON path; *"),
        (
            "",
            "@pytest.mark.harness_filters(pattern=['x'])",
            "*test_a: @pytest.mark.harness_filters takes headers, query, json, patterns, not 'pattern'; "
            "write patterns=[[]...]",
        ),
        (
            "",
            "@pytest.mark.harness_filters(patterns=['('])",
            "*test_a: @pytest.mark.harness_filters: filters: the pattern '(' is not a regular expression: *",
        ),
        (
            "",
            "@pytest.fixture(scope='session')\ndef harness_filters(): return ['x']\n",
            "*test_a: the fixture harness_filters must return flag_harness.Filters, not [[]'x']",
        ),
    ],
)
def test_a_filter_that_is_none_is_a_usage_error(
    filters: str, extra: str, message: str, pytester: pytest.Pytester
) -> None:
    """In the configuration, a mark or the fixture: nothing is recorded under half of the filters."""
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n{filters}")
    pytester.makepyfile(f"import pytest\n\n{extra}\ndef test_a(cassette): pass\n")
    run = pytester.runpytest_inprocess()
    assert 0 != run.ret
    (run.stderr if filters else run.stdout).fnmatch_lines([message])


TOLD = """
    import logging
    import warnings

    log = logging.getLogger("mine")
    log.warning("asked", extra={"event": "asked", "fields": {"answer": [text], "size": 3}})
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed", stack_info=True)
    log.warning("it stands in the stack", stack_info=bool(str(secret)))
    warnings.warn(f"the answer: {text}")
    warnings.warn("nothing to hide")
    record_property("answer", text)
    record_property("size", 3)

def test_part(cassette, subtests):
    import anthropic
    with subtests.test("one"):
        asked = dict(model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": "Hello."}])
        with anthropic.Anthropic(max_retries=0) as client, client.messages.stream(**asked) as stream:
            print(stream.get_final_text())
"""
LOGS = """
import logging
from pathlib import Path
import pytest
from flag_harness.reference.logs import json_lines_handler

@pytest.fixture(autouse=True)
def json_log():
    handler = json_lines_handler(Path("logs", "mine.jsonl"))
    logging.getLogger("mine").addHandler(handler)
    yield
    logging.getLogger("mine").removeHandler(handler)
    handler.close()
"""


@pytest.mark.parametrize("filters", [FILTERS, ""], ids=["filtered", "not filtered"])
def test_what_a_passing_test_tells_of_it_does_not_show_it(
    filters: str, planted: Server, pytester: pytest.Pytester
) -> None:
    """In fields of log records, their exceptions and stacks, warnings, properties, and what subtests print."""
    pytest.importorskip("_pytest.subtests")
    pytester.makeconftest(LOGS)
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n{filters}")
    pytester.makepyfile(test_ask=TEST.replace("(cassette)", "(cassette, record_property)") + TOLD)
    shown = ("-Wdefault", "-Wignore::pytest.PytestAssertRewriteWarning")  # what ran before may have imported `cases`
    run = pytester.runpytest_inprocess(*RECORD, *shown, "-o", "junit_family=xunit1")
    run.assert_outcomes(passed=2, warnings=2)
    traces = _traces(pytester.path, "\n".join(run.outlines))
    if not filters:
        assert {"mine.jsonl", "run.log", "junit.xml", "terminal"} <= traces
        return
    assert set() == traces
    run.stdout.fnmatch_lines(["*UserWarning: the answer: It is REDACTED.", "*UserWarning: nothing to hide"])
    first, second, third = map(json.loads, (pytester.path / "logs" / "mine.jsonl").read_text().splitlines())
    assert {"answer": ["It is REDACTED."], "size": 3} == first["fields"]
    assert second["exception"].endswith("ValueError: It is REDACTED.")
    assert "it stands in the stack" == third["event"]
    junit = (pytester.path / "junit.xml").read_text()
    assert '<property name="answer" value="It is REDACTED." /><property name="size" value="3" />' in junit


def test_log_records_that_have_nothing_to_hide_are_left_as_they_are() -> None:
    """Every value is the one that was given; what is hidden is hidden in keys, and in what is no text, too."""

    def shown(text: str) -> str:
        return text.replace("hunter2", "REDACTED")

    class Named:
        def __repr__(self) -> str:
            return "<hunter2>"

    given = {"plain": {"a": (1, "b")}, "number": 2.5, "nothing": None}
    hidden = {"keyed": {"hunter2": ("hunter2", 1)}, "named": Named()}
    record = logging.makeLogRecord({**given, **hidden, "msg": "%s", "args": ("fine",)})
    mask_log_record(record, shown)
    assert ("%s", ("fine",)) == (record.msg, record.args)
    assert all(value is record.__dict__[name] for name, value in given.items())
    assert ({"REDACTED": ["REDACTED", 1]}, "<REDACTED>") == (record.__dict__["keyed"], record.__dict__["named"])


def test_a_log_record_that_cannot_be_formatted_is_left_to_its_handler(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever logs it wrongly hears of it as ever; records after the context are made as before."""
    logger = logging.getLogger("test")
    with mask_logs(lambda text: text.replace("hunter2", "REDACTED")):
        logger.warning("%s hunter2", "a")
        logger.warning("nothing %s", "here")
        record = logger.makeRecord("test", logging.WARNING, "", 0, "%d hunter2", ("x",), None)
        mask_log_record(record, lambda text: text.replace("hunter2", "REDACTED"))
    logger.warning("%s hunter2", "b")
    assert ("%d hunter2", ("x",)) == (record.msg, record.args)
    assert ["a REDACTED", "nothing here", "b hunter2"] == caplog.messages
