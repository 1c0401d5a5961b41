"""Foreign cassettes as ours: each format, what is kept, what the metadata says, and what is refused."""

import base64
import gzip
import json
from typing import Any

import pytest
import yaml

from flag_harness.cassette import CassetteMetadata
from flag_harness.cassette.importers import ImportLimits, import_cassette, select_stored_match_parts
from flag_harness.wire.timeline import Chunk, End, Head, body

ASKED = b'{"model":"claude-haiku-4-5","messages":[]}'
ANSWER = b'{"type":"message","content":[]}'
STREAM = (
    b'event: message_start\ndata: {"type":"message_start"   }\n\n'
    b'event: ping\ndata: {"type": "ping"}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"     }\n\n'
)
HEADERS = {
    "Content-Type": ["application/json"],
    "request-id": ["req_1"],
    "Date": ["Thu, 12 Feb 2026 19:30:50 GMT"],
    "Set-Cookie": ["secret"],
}
EVENT_STREAM = {**HEADERS, "Content-Type": ["text/event-stream"]}


def _row(**changes: Any) -> dict[str, Any]:
    """One interaction as vcrpy writes it; `request_x` and `response_x` set a key, `None` takes it out."""
    row: dict[str, Any] = {
        "request": {
            "method": "POST",
            "uri": "https://api.anthropic.com/v1/messages?beta=true",
            "body": ASKED.decode(),
            "headers": {
                "Content-Type": ["application/json"],
                "X-Api-Key": ["secret"],
                "x-stainless-lang": ["python"],
                "x-stainless-package-version": ["0.73.0"],
            },
        },
        "response": {"status": {"code": 200}, "headers": HEADERS, "body": {"string": ANSWER.decode()}},
    }
    for name, value in changes.items():
        side, _, key = name.partition("_")
        row[side] = {key_: one for key_, one in {**row[side], key: value}.items() if one is not None}
    return row


def _file(*rows: Any) -> bytes:
    return json.dumps({"version": 1, "interactions": rows}).encode()


def _fidelity(*rows: Any) -> tuple[str, ...]:
    return import_cassette(_file(*rows)).cassette.metadata.fidelity


def test_an_interaction_becomes_ours() -> None:
    """Path for URL, headers by allow-list, one chunk, no times; the metadata says when and by which SDK."""
    found = import_cassette(_file(_row()))
    (one,) = found.cassette.interactions
    assert ("vcrpy", ()) == (found.format, found.skipped_requests)
    assert (
        CassetteMetadata(
            "imported",
            "2026-02-12T19:30:50Z",
            sdk="anthropic 0.73.0",
            fidelity=("timing-invented",),
            match_on=("method", "path", "query"),
        )
        == found.cassette.metadata
    )
    assert ("POST", "/v1/messages?beta=true", (("content-type", "application/json"),), ASKED) == (
        one.request.method,
        one.request.url,
        one.request.headers,
        one.request.body,
    )
    kept = (("content-type", "application/json"), ("request-id", "req_1"))
    assert (Head(0.0, 200, kept), Chunk(0.0, ANSWER), End(0.0)) == one.response


def test_a_stream_is_cut_at_its_events() -> None:
    """The source keeps no chunks; each event becomes one, and the metadata says that it was so decided."""
    row = _row(response_headers=EVENT_STREAM, response_body={"string": STREAM.decode()})
    (one,) = import_cassette(_file(row)).cassette.interactions
    assert STREAM == body(one.response)
    assert 3 == sum(isinstance(piece, Chunk) for piece in one.response)
    assert ("timing-invented", "chunks-invented") == _fidelity(row)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"request_headers": {}}, "request-headers-dropped"),
        ({"request_body": ""}, "request-body-missing"),
        ({"request_parsed_body": {"a": 1}}, "request-reserialised"),
        ({"response_parsed_body": {"a": 1}}, "response-reserialised"),
        ({"response_body": {"parsed_body": {"a": 1}}}, "response-reserialised"),
        ({"response_headers": {**HEADERS, "request-id": []}}, "response-headers-dropped"),
        ({"response_headers": {**HEADERS, "Content-Type": []}}, "content-type-invented"),
        ({"response_headers": {**HEADERS, "Content-Encoding": "gzip"}}, "decompressed"),
        ({"response_body": {"base64_string": base64.b64encode(gzip.compress(ANSWER)).decode()}}, "decompressed"),
        ({"response_body": gzip.compress(ANSWER).decode("latin-1")}, "decompressed"),
        ({"response_body": gzip.compress(ANSWER)[:-9].decode("latin-1")}, "still-encoded"),
        (
            {"response_headers": {**HEADERS, "Content-Encoding": "compress"}, "response_body": "\x1f\x1d"},
            "still-encoded",
        ),
    ],
)
def test_what_is_not_the_apis_own_is_said(changes: dict[str, Any], word: str) -> None:
    """One word for each thing that the source lost or this import made up."""
    assert ("timing-invented", word) == _fidelity(_row(**changes))


def test_a_stream_without_the_apis_padding_is_reserialised() -> None:
    """Four events in a row without a space before the last brace: the API's own are not like that."""
    event = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    start = b'event: message_start\ndata: {"type":"message_start"}\n\n'

    def words(stream: bytes) -> tuple[str, ...]:
        return _fidelity(_row(response_headers=EVENT_STREAM, response_body=stream.decode()))

    assert "response-reserialised" in words(start + event * 3)
    assert "response-reserialised" not in words(start + event * 2)
    assert "response-reserialised" not in words(start + event * 2 + event.replace(b"}", b"  }"))


@pytest.mark.parametrize(
    ("content", "content_type"),
    [(ANSWER, "application/json"), (STREAM, "text/event-stream; charset=utf-8"), (b"plain", None), (b"", None)],
)
def test_a_missing_content_type_is_told_from_the_body(content: bytes, content_type: str | None) -> None:
    """Without one the SDK would take JSON for text; where the body says nothing, none is made up."""
    (one,) = import_cassette(_file(_row(response_headers={}, response_body=content.decode()))).cassette.interactions
    head = one.response[0]
    assert isinstance(head, Head)
    assert content_type == dict(head.headers).get("content-type")


def test_a_gzip_body_in_yaml_is_read() -> None:
    """`!!binary`, as vcrpy writes what is no text."""
    row = _row(
        response_headers={**HEADERS, "content-encoding": ["gzip"]}, response_body={"string": gzip.compress(ANSWER)}
    )
    (one,) = import_cassette(yaml.safe_dump({"interactions": [row]}).encode()).cassette.interactions
    assert ANSWER == body(one.response)


def test_requests_to_other_services_are_left_out_by_name() -> None:
    """Unless every path is asked for. Query, user and password are not repeated: they may hold a key."""
    data = _file(_row(), _row(request_uri="https://someone:secret@telemetry.example/batch?key=secret"))
    found = import_cassette(data)
    assert ("POST https://telemetry.example/batch",) == found.skipped_requests
    assert ("timing-invented", "interactions-left-out") == found.cassette.metadata.fidelity
    assert 2 == len(import_cassette(data, keep_other_services=True).cassette.interactions)


def test_the_oldest_vcrpy_files_are_read() -> None:
    """Before version 1: a list of pickled requests, headers as a frozenset, the address in parts."""
    text = f"""
- request: !!python/object:vcr.request.Request
    body: '{ASKED.decode()}'
    headers: !!python/object/apply:__builtin__.frozenset
    - - !!python/tuple [Content-Type, application/json]
    host: api.anthropic.com
    method: POST
    path: /v1/messages?beta=true
    port: 443
    protocol: https
  response:
    body: {{string: !!python/unicode '{ANSWER.decode()}'}}
    headers: ["Content-Type: application/json\\r\\n", "request-id: req_1\\r\\n"]
    status: {{code: 200, message: OK}}
"""
    found = import_cassette(text.encode())
    expected = import_cassette(_file(_row()))
    assert expected.cassette.interactions == found.cassette.interactions
    assert ("timing-invented",) == found.cassette.metadata.fidelity


def test_an_old_address_keeps_its_unusual_port_out() -> None:
    """Only the path is kept, whatever the port."""
    request = {"protocol": "http", "host": "localhost", "port": 8080, "path": "/v1/messages", "method": "POST"}
    (one,) = import_cassette(json.dumps([{**_row(), "request": request}]).encode()).cassette.interactions
    assert "/v1/messages" == one.request.url


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"mappings": []}, "a WireMock mapping"),
        ({"request": {"urlPath": "/v1/messages"}, "response": {"status": 200}}, "a WireMock mapping"),
        ({"request": {"method": "POST", "url": "/v1/messages"}, "response": {"status": 200}}, "a WireMock mapping"),
        ({"request": {"url": "https://a/v1/x"}, "response": {"status": {}}}, "a recording of ddapm-test-agent"),
        ({"when": {"path": "/v1/messages"}, "then": {"status": 200}}, "a recording of httpmock"),
        ([{"scope": "https://a:443", "method": "POST", "path": "/v1/messages"}], "a recording of nock"),
        ([{"request": {"url": "https://a"}, "response": {"status_code": 200, "type": "ok"}}], "a cassette of ExVCR"),
        ("httprr trace v1 11 22", "a trace of httprr"),
    ],
)
def test_other_formats_are_refused_by_name(document: Any, what: str) -> None:
    """So that nobody looks for a mistake in the file."""
    with pytest.raises(ValueError, match=r".") as caught:
        import_cassette(json.dumps(document).encode())
    assert f"neither vcrpy nor go-vcr: it is {what}, which is not read" == str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        {"request": {"url": "x"}},
        {"request": [], "response": {}},
        [{"request": {"url": "x"}, "response": {}}],
        [{"request": 1, "response": {}}],
        [[]],
        "text",
    ],
)
def test_what_is_like_no_format_is_given_no_name(document: Any) -> None:
    """It only lacks what a cassette has."""
    with pytest.raises(ValueError, match=r"neither vcrpy nor go-vcr: (?!it is )|interaction 0: "):
        import_cassette(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.anthropic.com/v1/models", True),
        ("https://API.anthropic.com/v1/files/x?beta=true", True),
        ("https://api.anthropic.com/api/event", False),
        ("https://anthropic.com.example/v1/models", False),
        ("https://xanthropic.com/v1/models", False),
        ("http://localhost:8080/v1/messages", True),
        ("https://gateway.example/anthropic/v1/messages/count_tokens", True),
        ("/v1/messages/batches?limit=1", True),
        ("https://api.openai.com/v1/chat/completions", False),
        ("https://api.openai.com/v1/responses", False),
        ("https://api.openai.com/v1/models", False),
        ("https://api.openai.com/v1/threads/thread_1/messages", False),
        ("https://x.example/v1/messages_of_others", False),
    ],
)
def test_requests_to_the_api_are_told_from_others(url: str, kept: bool) -> None:
    """By its own host, or by a path that nobody else has; what is left out is counted and named."""
    found = import_cassette(_file(_row(), _row(request_uri=url)))
    assert (1 + kept, 1 - kept) == (len(found.cassette.interactions), len(found.skipped_requests))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_may_be_in_any_of_unicodes_encodings(encoding: str) -> None:
    """JSON and YAML, with a mark at the start or without."""
    expected = import_cassette(_file(_row())).cassette
    assert expected == import_cassette(_file(_row()).decode().encode(encoding)).cassette
    yaml_text = yaml.safe_dump({"interactions": [_row()]})
    assert expected == import_cassette(yaml_text.encode(encoding)).cassette


def test_a_method_may_be_written_small_and_a_status_as_a_line() -> None:
    """Both mean what they say."""
    row = _row(request_method="post", response_status="200 OK")
    assert import_cassette(_file(_row())).cassette == import_cassette(_file(row)).cassette


GO_VCR = f"""---
version: 1
interactions:
- request:
    body: '{ASKED.decode()}'
    form: {{}}
    headers: {{}}
    url: https://api.anthropic.com/v1/messages
    method: POST
  response:
    body: '{ANSWER.decode()}'
    headers: {{}}
    status: 200 OK
    code: 200
    duration: ""
"""


def test_go_vcr_files_are_read() -> None:
    """cagent's keep no headers at all, and the metadata says so."""
    found = import_cassette(GO_VCR.encode())
    (one,) = found.cassette.interactions
    assert ("go-vcr", "/v1/messages", ASKED, ANSWER) == (
        found.format,
        one.request.url,
        one.request.body,
        body(one.response),
    )
    assert (
        "timing-invented",
        "request-headers-dropped",
        "response-headers-dropped",
        "content-type-invented",
    ) == found.cassette.metadata.fidelity
    assert ("", "") == (found.cassette.metadata.recorded_at, found.cassette.metadata.sdk)


def test_a_go_vcr_status_may_stand_in_its_line_alone() -> None:
    """`429 Too Many Requests` where there is no code."""
    text = GO_VCR.replace("    code: 200\n", "").replace("200 OK", "429 Too Many Requests")
    head = import_cassette(text.encode()).cassette.interactions[0].response[0]
    assert isinstance(head, Head)
    assert 429 == head.status


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("Fri, 31 Dec 9999 23:59:59 -1400", ""),
        ("Mon, 01 Jan 10000 00:00:00 +2359", ""),
        ("Thu, 12 Feb 2026 19:30:50 -0100", "2026-02-12T20:30:50Z"),
        ("Thu, 12 Feb 2026 19:30:50", "2026-02-12T19:30:50Z"),
        ("yesterday", ""),
    ],
)
def test_a_date_is_a_moment_or_nothing(date: str, moment: str) -> None:
    """One that no calendar has is nothing."""
    row = _row(response_headers={**HEADERS, "Date": [date]})
    assert moment == import_cassette(_file(row)).cassette.metadata.recorded_at


def test_the_sdk_of_other_languages_is_named() -> None:
    """From its own headers; a value that is no version is not repeated."""

    def sdk(language: str, version: str) -> str:
        headers = {"x-stainless-lang": language, "x-stainless-package-version": version}
        return import_cassette(_file(_row(request_headers=headers))).cassette.metadata.sdk

    assert ("anthropic-js 0.33.0", "") == (sdk("js", "0.33.0"), sdk("js", "0.33 sk-secret"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x: 1", "neither vcrpy nor go-vcr: it has no list of interactions"),
        (b"just text", "neither vcrpy nor go-vcr: it holds str, no interactions"),
        (b"[]", "it has no interactions"),
        (b'{"interactions": []}', "it has no interactions"),
        (b'{"interactions": [1]}', "neither vcrpy nor go-vcr: interaction 0 has no request with uri or url"),
        (
            b'{"envelope": {}, "interactions": {}}',
            "neither vcrpy nor go-vcr: it is a cassette of this harness already, which is not read",
        ),
        (
            b"http_interactions: []",
            "neither vcrpy nor go-vcr: it is a cassette of Ruby's or R's VCR, which is not read",
        ),
        (b'{"log": {}}', "neither vcrpy nor go-vcr: it is a HAR file, which is not read"),
        (b'{"interactions": ', "not JSON: Input data was truncated"),
        (b"[" * 100_000, "not JSON: too many levels of nesting"),
        (_file(_row(request_method="POST /")), "interaction 0: method 'POST /' is invalid"),
        (_file(_row(request_method=None)), "interaction 0: method must be text, not None"),
        (_file(_row(request_uri="https://[x/v1/messages")), "interaction 0: url: Invalid IPv6 URL"),
        (b'{"envelope": {}, "interactions": []}', "it has no interactions"),
        (
            b'{"envelope": {}, "interactions": [{"request": {"path": "/"}}]}',
            "neither vcrpy nor go-vcr: it is a cassette of this harness already, which is not read",
        ),
        (_file(_row(response_status={"code": 101})), "interaction 0: status 101 is not a final answer (200 to 599)"),
        (
            _file(_row(response_headers={"request-id": "a✓"})),
            "interaction 0: the header request-id has an invalid value: 'a✓'",
        ),
        (
            _file(_row(), _row(request_headers={"anthropic-beta": "a\nb"})),
            r"interaction 1: the header anthropic-beta has an invalid value: 'a\nb'",
        ),
        (b"\xff\xfe{\x00\x00", "not text: it begins like UTF-16, and is not"),
        (b"a: 1\n---\na: 2", "more than one YAML document; httpmock writes such, and they are not read"),
        (_file(_row(), 1), "interaction 1: it must be a mapping, not 1"),
        (_file(_row(response_status=None)), "interaction 0: status must be a number from 100 to 599, not None"),
        (
            _file(_row(request_uri="https://x.example/y")),
            "it contains no request to the API (--every-path keeps the others): POST https://x.example/y",
        ),
        (GO_VCR.replace("POST", "[]").encode(), "interaction 0: method must be text, not a list of 0"),
        (
            _file(_row(request_body={"a": 1})),
            "interaction 0: body must be text, bytes, or a mapping with string, not a mapping of 1",
        ),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, message: str) -> None:
    """In one line that says where."""
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        import_cassette(data)
    assert message == str(caught.value)


def test_too_much_is_refused() -> None:
    """Files and decompressed bodies beyond the limits, the latter counted over the whole file."""
    with pytest.raises(ValueError, match=r"\Alarger than 10 bytes\Z"):
        import_cassette(_file(_row()), limits=ImportLimits(max_file_bytes=10))
    bomb = base64.b64encode(gzip.compress(bytes(5000))).decode()
    row = _row(response_headers={**HEADERS, "content-encoding": "gzip"}, response_body={"base64_string": bomb})
    with pytest.raises(ValueError, match=r"\Ainteraction 1: its bodies have more than 9,000 bytes once decompressed\Z"):
        import_cassette(_file(row, row), limits=ImportLimits(max_decoded_bytes=9000))


def test_a_deep_body_of_lists_is_refused_and_not_followed() -> None:
    """JSON that the parser still takes, but nobody can walk."""
    deep = b"[" * 900 + b"]" * 900
    with pytest.raises(ValueError, match=r"too many levels of nesting"):
        import_cassette(_file(_row(response_body=None)).replace(b'"headers"', b'"body": ' + deep + b', "headers"'))


def test_yaml_that_begins_with_a_brace_is_read() -> None:
    """Not all that looks like JSON is."""
    data = yaml.safe_dump({"interactions": [_row()]}, default_flow_style=True).encode()
    assert data.startswith(b"{interactions")
    assert 1 == len(import_cassette(data).cassette.interactions)


def test_match_on_is_kept_in_vcrpys_words() -> None:
    """Less those of the host, which is not stored."""
    assert ("method", "path", "body") == select_stored_match_parts(
        ["body", "host", "path", "scheme", "port", "method", "path"]
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["method", "cookies"],
            "match_on 'cookies' is not known; known are method, path, query, uri, headers, body, raw_body, host, port, "
            "scheme",
        ),
        (["host"], "match_on names no part that a cassette keeps: add method or path"),
    ],
)
def test_other_words_are_refused(names: list[str], message: str) -> None:
    """Custom matchers cannot come along."""
    with pytest.raises(ValueError, match=r".") as caught:
        select_stored_match_parts(names)
    assert message == str(caught.value)
