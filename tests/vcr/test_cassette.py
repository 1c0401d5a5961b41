"""A cassette of vcrpy that is played."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import brotli
import pytest

from flag_harness.errors import CassetteError, CassetteMiss
from flag_harness.simulator.refusal import refusal_message
from flag_harness.vcr import VcrCassette, VcrRequest, parse_settings
from flag_harness.wire.timeline import Head, Request, body

URL = "https://api.anthropic.com/v1/messages"
JSON = (("content-type", "application/json"),)


def _row(sent: str = "{}", answer: str = "1", **response: Any) -> dict[str, Any]:
    return {
        "request": {"method": "POST", "uri": URL, "body": sent, "headers": {"Content-Type": ["application/json"]}},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": answer}, **response},
    }


def _played(folder: Path, *rows: dict[str, Any], advice: str = "", **options: Any) -> VcrCassette:
    path = folder / "it.yaml"
    path.write_text(json.dumps({"version": 1, "interactions": rows}))
    return VcrCassette(path, parse_settings(options, {}, "none"), advice=advice)


def _ask(cassette: VcrCassette, data: bytes = b"{}", url: str = URL, headers: Any = JSON) -> bytes:
    response = cassette(Request("POST", url, headers, data))
    assert response is not None
    return body(response)


def _bug_line() -> str:
    """Return the line of a miss that names the code that sends the request, which is `_ask`."""
    line = _ask.__code__.co_firstlineno + 1
    return f"If nobody meant this change, it is a bug: tests/vcr/test_cassette.py:{line} sends the request"


def test_equal_requests_are_answered_in_order_and_once(tmp_path: Path) -> None:
    """The third is a miss, kept too."""
    cassette = _played(tmp_path, _row(answer="1"), _row(answer="2"), advice="Do this.")
    assert [b"1", b"2"] == [_ask(cassette), _ask(cassette)]
    with pytest.raises(CassetteMiss) as raised:
        _ask(cassette)
    assert [raised.value] == cassette.misses
    assert str(raised.value) == (
        f"POST {URL} is not in {tmp_path}/it.yaml (2 interactions).\n"
        "It was recorded 2 times, and each answer has been played.\n"
        f"{_bug_line()}\nDo this."
    )
    assert (2, True) == (cassette.play_count, cassette.all_played)
    cassette.rewind()
    assert b"1" == _ask(cassette)


def test_a_cassette_can_be_asked_what_it_holds(tmp_path: Path) -> None:
    """As vcrpy's can."""
    cassette = _played(tmp_path, _row(), ignore_hosts=["other"])
    request = VcrRequest("POST", URL, b"", {})
    assert (1, True, "none") == (len(cassette), bool(cassette), cassette.record_mode)
    assert request in cassette
    assert VcrRequest("POST", "https://other/", b"", {}) not in cassette
    _ask(cassette)
    assert request not in cassette


def test_no_file_is_a_cassette_that_holds_nothing(tmp_path: Path) -> None:
    """Nor is an empty one."""
    (tmp_path / "empty.yaml").write_text("\n")
    cassette = VcrCassette(tmp_path / "none.yaml", parse_settings({}, {}, "none"), [tmp_path / "empty.yaml"])
    assert cassette
    with pytest.raises(CassetteMiss) as raised:
        _ask(cassette)
    assert f"POST {URL} is not in {tmp_path}/none.yaml (0 interactions)." == str(raised.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1", "it has no list of interactions"),
        ("- 3", "interaction 0: it must be a mapping, not 3"),
        ("interactions:\n- request: {method: GET, uri: x}", "interaction 0: response must be a mapping, not None"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str, why: str) -> None:
    """With what is wrong."""
    path = tmp_path / "it.yaml"
    path.write_text(text)
    with pytest.raises(CassetteError) as raised:
        VcrCassette(path, parse_settings({}, {}, "none"))
    assert f"{path}: cannot be read as a cassette of vcrpy: {why}" == str(raised.value)


def _miss(cassette: VcrCassette, *arguments: Any) -> list[str]:
    with pytest.raises(CassetteMiss) as raised:
        _ask(cassette, *arguments)
    *differences, bug = str(raised.value).splitlines()[1:]
    assert bug == _bug_line()
    return differences


def test_a_miss_shows_where_bodies_differ(tmp_path: Path) -> None:
    """Of the nearest that is left, up to eight places."""
    cassette = _played(tmp_path, _row('{"a": 1}'), _row('{"b": 1}'), match_on=["path", "body"])
    _ask(cassette, b'{"a": 1}')
    assert ["The nearest is interaction 1; it differs in:", "  b: recorded 1, sent 2"] == _miss(cassette, b'{"b": 2}')
    many = json.dumps(dict.fromkeys("abcdefghij", 1)).encode()
    lines = _miss(cassette, many)
    assert (10, "  ... and 1 more") == (len(lines), lines[-1])


def test_a_miss_shows_which_part_differs(tmp_path: Path) -> None:
    """Of headers the names alone."""
    settings = parse_settings({"match_on": ["raw_body", "headers", "host", "mine"]}, {"mine": lambda *_: False}, "none")
    (tmp_path / "it.yaml").write_text(json.dumps([_row("{}")]))
    cassette = VcrCassette(tmp_path / "it.yaml", settings)
    assert [
        "The nearest is interaction 0; it differs in:",
        "  raw_body: the bytes differ, the decoded values do not",
        "  headers: authorization, content-type",
        "  host: recorded 'api.anthropic.com', sent 'other.example'",
        "  what the matcher 'mine' compares",
    ] == _miss(cassette, b"{ }", "https://other.example/", (("authorization", "secret"),))


def test_no_key_is_shown(tmp_path: Path) -> None:
    """Not where it stands in the URL either."""
    key = "sk-ant-api03-" + "Ab1-" * 20
    cassette = _played(tmp_path)
    with pytest.raises(CassetteMiss) as raised:
        _ask(cassette, b"{}", f"{URL}?key={key}")
    assert key not in str(raised.value)
    assert "REDACTED" in str(raised.value)


def test_no_short_secret_of_a_query_is_shown(tmp_path: Path) -> None:
    """It is known by the name of its parameter, in the URL and where two queries differ; other values are shown."""
    row = _row("{}")
    row["request"]["uri"] = f"{URL}?client_secret=swordfish&token=hunter1&page=1"
    cassette = _played(tmp_path, row, match_on=["query", "uri"])
    with pytest.raises(CassetteMiss) as raised:
        _ask(cassette, b"{}", f"{URL}?token=hunter2&password=a1&page=2&page_token=next")
    shown = str(raised.value)
    assert not [one for one in ("hunter1", "hunter2", "swordfish", "a1") if one in shown]
    assert "?token=REDACTED&password=REDACTED&page=2&page_token=next is not in" in shown
    assert "('page', '1'), ('token', 'REDACTED')" in shown


def test_what_filters_leave_out_passes_on(tmp_path: Path) -> None:
    """Sent or recorded: an interaction whose request or response is left out is none."""
    cassette = _played(tmp_path, _row(), ignore_hosts=["api.anthropic.com"], before_record_request=len)
    assert not len(cassette)
    assert not cassette.passed_on_requests
    assert cassette(Request("POST", URL, (), b"")) is None
    assert cassette.passed_on_requests
    assert not len(_played(tmp_path, _row(), before_record_response=[lambda response: None, len]))


def test_headers_that_stand_twice(tmp_path: Path) -> None:
    """Of a recorded request the first is compared, as in vcrpy; of a sent one both are."""
    row = _row()
    row["request"]["headers"] = {"x": ["1", "2"]}
    cassette = _played(tmp_path, row, match_on=["headers"])
    assert {"x": "1"} == dict(cassette.requests[0].headers)
    assert {"x": "1, 2"} == dict(VcrRequest.from_request(Request("GET", URL, (("x", "1"), ("x", "2")), b"")).headers)


def test_a_compressed_answer_is_made_plain_where_asked(tmp_path: Path) -> None:
    """With the length of what is played; others are left as they are."""
    data = gzip.compress(b"plain text")
    row = _row(
        headers={"Content-Encoding": ["gzip"], "content-length": ["9"], "x": ["1"]},
        body={"base64_string": base64.b64encode(data).decode()},
    )
    assert data == _ask(_played(tmp_path, row))
    cassette = _played(tmp_path, row, _row(headers={}), decode_compressed_response=True)
    response = cassette(Request("POST", URL, (), b""))
    assert response is not None
    assert Head(0.0, 200, (("content-length", "10"), ("x", "1"))) == response[0]
    assert b"plain text" == body(response)
    assert b"1" == _ask(cassette)


def test_a_compressed_answer_without_its_header_is_made_plain_too(tmp_path: Path) -> None:
    """It is known by its first bytes."""
    row = _row(headers={}, body={"base64_string": base64.b64encode(gzip.compress(b"plain text")).decode()})
    assert b"plain text" == _ask(_played(tmp_path, row, decode_compressed_response=True))


def test_a_function_may_set_plain_values(tmp_path: Path) -> None:
    """Text for the body, a string for a header, a body of nothing."""

    def changed(response: dict[str, Any]) -> dict[str, Any]:
        return {"status": {"code": 599}, "headers": {"x": "1"}, "body": {"string": "text"}}

    response = _played(tmp_path, _row(), before_record_response=changed)(Request("POST", URL, (), b""))
    assert response is not None
    assert (Head(0.0, 599, (("x", "1"),)), b"text") == (response[0], body(response))
    assert b"" == _ask(_played(tmp_path, _row(answer="", status={"code": 599})))


def test_a_filter_may_change_all_of_a_request(tmp_path: Path) -> None:
    """Its headers as a mapping, its body as text or nothing."""

    def changed(request: VcrRequest) -> VcrRequest:
        request.headers = {"a": "1"}
        request.headers["A"] = "2"
        request.body = "text" if request.body else None
        return request

    cassette = _played(tmp_path, _row(), before_record_request=changed)
    assert "{'a': '2'}" == repr(cassette.requests[0].headers)
    assert b"text" == cassette.requests[0].body
    assert {"a": "2"} == cassette.requests[0].headers
    assert 3 != cassette.requests[0].headers


def test_a_hook_may_drop_what_is_loaded(tmp_path: Path) -> None:
    """It may take the cassette as its third argument, and a later hook is then not called."""
    seen: list[int] = []

    def drop(request: VcrRequest, response: dict[str, Any], cassette: VcrCassette) -> Any:
        seen.append(response["status"]["code"])
        return None if response["status"]["code"] == 500 else (request, response)

    rows = _row(answer="1"), _row(status={"code": 500, "message": "Broken"})
    cassette = _played(tmp_path, *rows, after_load_interaction=[drop, lambda request, response: (request, response)])
    assert ([200, 500], 1) == (seen, len(cassette))


def test_a_placeholder_without_a_value_replaces_nothing(tmp_path: Path) -> None:
    """The variable that holds the value is unset, for example."""
    cassette = _played(tmp_path, _row(answer="<KEY> <ID>"), filter_sensitive_data={"<KEY>": None, "<ID>": "7"})
    assert b"<KEY> 7" == _ask(cassette)


def test_an_answer_that_cannot_be_decompressed_names_the_file_and_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets it as it is, and fails in words of its own; nothing is said if the package is there."""
    content = {"base64_string": base64.b64encode(brotli.compress("é".encode() * 9)).decode()}
    row = _row(headers={"content-encoding": ["br"]}, body=content)
    cassette = _played(tmp_path, row, allow_playback_repeats=True)
    _ask(cassette)
    monkeypatch.setattr("flag_harness.wire.compression.responses.decoder_factories", lambda encoding: ())
    with pytest.warns(UserWarning, match=r"it\.yaml: .* pip install brotli"):
        _ask(cassette)


def test_a_miss_that_the_api_would_refuse_says_so(tmp_path: Path) -> None:
    """In place of the advice to record it: the recording would hold only the error."""
    path = tmp_path / "it.yaml"
    sent = Request("POST", URL, (), b'{"model": "claude-haiku-4-5", "max_tokens": 0.5, "messages": []}')
    settings = parse_settings({}, {}, "none")
    cassette = VcrCassette(path, settings, advice="Record it.", find_refusal=refusal_message)
    with pytest.raises(CassetteMiss) as raised:
        cassette(sent)
    *_, note, advice = str(raised.value).splitlines()
    assert note.startswith("The API would refuse this request (as the simulator does): max_tokens: ")
    assert advice.startswith("Change what the code sends: ")
