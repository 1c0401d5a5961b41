"""Filters: what they name is gone, and what is left is what it was."""

import base64
import gzip
import json
import re
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from flag_harness.cassette import NO_FILTERS, Cassette, CassetteMetadata, Filters, Interaction, Recorder, replay
from flag_harness.cassette.redact.body_texts import body_texts
from flag_harness.errors import CassetteMiss, ConfigError
from flag_harness.wire.sse import decode_events, encode_event
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response, body

SECRET = "hunter2-planted"
PATTERN = Filters(patterns=(r"hunter2-\w+",))


def _asked(value: Any, url: str = "/v1/messages", headers: tuple[tuple[str, str], ...] = ()) -> Request:
    return Request("POST", url, headers, value if isinstance(value, bytes) else json.dumps(value).encode())


def _filtered(filters: Filters, value: Any) -> Any:
    return json.loads(filters.filter_request(_asked(value)).body)


def _answer(*chunks: bytes, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    return (Head(0.1, 200, headers), *(Chunk(0.2 + at, data) for at, data in enumerate(chunks)), End(9.0))


def _events(*deltas: dict[str, Any], index: int = 0) -> bytes:
    events = [
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "content": []}},
        {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
        {"type": "message_stop"},
    ]
    return b"".join(encode_event(str(event["type"]), json.dumps(event)) for event in events)


def _texts(*parts: str) -> bytes:
    return _events(*({"type": "text_delta", "text": part} for part in parts))


def _inputs(*parts: str) -> bytes:
    return _events(*({"type": "input_json_delta", "partial_json": part} for part in parts))


def _deltas(stream: bytes, name: str) -> list[str]:
    data = (json.loads(event.data) for event in decode_events([stream]))
    return [event["delta"][name] for event in data if name in event.get("delta", {})]


def _body(filters: Filters, *chunks: bytes) -> bytes:
    return body(filters.filter_response(_answer(*chunks)))


def test_filters_are_only_ever_added() -> None:
    """A sum holds what each of them names; nothing takes a filter away."""
    total = Filters(headers=("a",), patterns=("x",)) + Filters(query=("q",), json=("a.b",), patterns=("y",))
    assert Filters(("a",), ("q",), ("a.b",), ("x", "y")) == total
    assert Filters(headers=["a"]) == Filters(headers=("a",))  # type: ignore[arg-type]
    assert total
    assert not NO_FILTERS


def test_without_filters_everything_is_as_it_was() -> None:
    """The very same values."""
    request, response = _asked({"a": 1}), _answer(b"x")
    interaction = Interaction(request, response)
    assert request is NO_FILTERS.filter_request(request)
    assert response is NO_FILTERS.filter_response(response)
    assert interaction is NO_FILTERS.filter_interaction(interaction)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patterns": "abc"}, "filters: patterns = 'abc' must be a list of strings"),
        ({"query": [1]}, "filters: query = [1] must be a list of strings"),
        (
            {"patterns": ["("]},
            "filters: the pattern '(' is not a regular expression: missing ), unterminated subpattern at position 0",
        ),
        *(
            (
                {"json": [path]},
                f"filters: {path!r} is not a JSON path; separate names by dots and use [0], [*], * or ** in between, "
                "as in 'messages[*].content' or '**.created_at'",
            )
            for path in ("", "a..b", ".a", "a[x]", "a.", "a**", "[0]b")
        ),
    ],
)
def test_what_is_no_filter_is_refused(options: Any, message: str) -> None:
    """With the words that are wrong, and what to write."""
    with pytest.raises(ConfigError) as refused:
        Filters(**options)
    assert message == str(refused.value)


def test_a_header_is_left_out_in_any_case() -> None:
    """Of requests and of responses; others keep their order."""
    filters = Filters(headers=("Request-ID",), patterns=(r"hunter2-\w+",))
    headers = (("request-id", "r1"), ("content-type", "text/plain"), ("REQUEST-ID", "r2"), ("x", SECRET))
    left = (("content-type", "text/plain"), ("x", "REDACTED"))
    assert left == filters.filter_request(_asked({}, headers=headers)).headers
    assert _asked({"a": 1}) == Filters(headers=("x",)).filter_request(_asked({"a": 1}, headers=(("X", "y"),)))
    head = filters.filter_response(_answer(b"x", headers=headers))[0]
    assert isinstance(head, Head)
    assert left == head.headers


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/v1/models?token=a%20b&limit=2", "/v1/models?token=REDACTED&limit=2"),
        ("/v1/models?TOKEN=a&token=b", "/v1/models?TOKEN=REDACTED&token=REDACTED"),
        ("https://h/v1/files/hunter2-abc?x=1", "https://h/v1/files/REDACTED?x=1"),
        ("/v1?x=%68unter2%2Dabc+d", "/v1?x=REDACTED+d"),
        ("/v1?hunter2-abc=%20", "/v1?REDACTED=%20"),
        ("/v1/models?limit=2&x=a%2Fb", "/v1/models?limit=2&x=a%2Fb"),
    ],
)
def test_a_url_is_read_as_what_it_says(url: str, expected: str) -> None:
    """Query parameters by name, patterns in the path and in each parameter, however it is quoted."""
    assert expected == (Filters(query=("token",)) + PATTERN).filter_request(_asked({}, url)).url


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/v1/files/hunter2%2Dabc?token=a%20token", "/v1/files/REDACTED?token=REDACTED"),
        ("https://h/?x=hunter2-a", "https://h/?x=REDACTED"),
        ("https://[bad?x=hunter2-a", "https://[bad?x=REDACTED"),
    ],
)
def test_a_redirect_is_read_as_a_url_too(location: str, expected: str) -> None:
    """What its query held is known, to be taken out of reports."""
    filters = Filters(query=("token",)) + PATTERN
    response = _answer(headers=(("Location", location),))
    assert _answer(headers=(("Location", expected),)) == filters.filter_response(response)
    taken = {"a token"} if "token" in location else set()
    assert taken == Filters(query=("Token",)).secrets(_asked({}), response)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", {"a": {"b": ["R", {"c": "R"}], "n": 0, "t": True}, "ab": "4", "b": "5"}),
        ("a.b", {"a": {"b": ["R", {"c": "R"}], "n": 3, "t": True}, "ab": "4", "b": "5"}),
        ("a.b[*]", {"a": {"b": ["R", {"c": "R"}], "n": 3, "t": True}, "ab": "4", "b": "5"}),
        ("a.b[1].c", {"a": {"b": ["1", {"c": "R"}], "n": 3, "t": True}, "ab": "4", "b": "5"}),
        ("a.b[0]", {"a": {"b": ["R", {"c": "2"}], "n": 3, "t": True}, "ab": "4", "b": "5"}),
        ("*.n", {"a": {"b": ["1", {"c": "2"}], "n": 0, "t": True}, "ab": "4", "b": "5"}),
        ("**.c", {"a": {"b": ["1", {"c": "R"}], "n": 3, "t": True}, "ab": "4", "b": "5"}),
        ("**.b", {"a": {"b": ["R", {"c": "R"}], "n": 3, "t": True}, "ab": "4", "b": "R"}),
        ("a.**", {"a": {"b": ["R", {"c": "R"}], "n": 0, "t": True}, "ab": "4", "b": "5"}),
        ("a.**.c", {"a": {"b": ["1", {"c": "R"}], "n": 3, "t": True}, "ab": "4", "b": "5"}),
        ("nothing", {"a": {"b": ["1", {"c": "2"}], "n": 3, "t": True}, "ab": "4", "b": "5"}),
    ],
)
def test_a_json_path_hides_a_value_and_all_below(path: str, expected: Any) -> None:
    """Strings become the mark, numbers 0; names and what else is there stay."""
    value = {"a": {"b": ["1", {"c": "2"}], "n": 3, "t": True}, "ab": "4", "b": "5"}
    assert json.loads(json.dumps(expected).replace('"R"', '"REDACTED"')) == _filtered(Filters(json=(path,)), value)


def test_a_list_at_the_top_has_paths_too() -> None:
    """They begin with the position."""
    assert ["a", {"b": "REDACTED"}] == _filtered(Filters(json=("[1].b",)), ["a", {"b": "c"}])


def test_a_pattern_is_sought_in_what_a_body_says() -> None:
    """In strings however they are escaped, in keys, in numbers; all else keeps its bytes."""
    data = b'{"a" : "x \\u0068unter2-p\\n", "hunter2-k":[12345, 7],  "u":"\\ud83d\\ude00 \\/"}'
    hidden = Filters(patterns=(r"hunter2-\w+", "234")).filter_request(_asked(data)).body
    assert b'{"a" : "x REDACTED\\n", "REDACTED":[0, 7],  "u":"\\ud83d\\ude00 \\/"}' == hidden


def test_the_words_of_the_api_stay() -> None:
    """Whatever a pattern finds, a response is still one."""
    stream = _body(Filters(patterns=(".+", r"\d")), _texts("Hello", "you"))
    assert [
        {"type": "message_start", "message": {"id": "REDACTED", "type": "message", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "REDACTED"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_stop"},
    ] == [json.loads(event.data) for event in decode_events([stream])]


def test_a_pattern_with_quotes_is_sought_in_the_json_as_written() -> None:
    """The values it stands over go whole, also where deltas make the value."""
    filters = Filters(patterns=(r'"pin":\s*"[^"]*"', r'"text": "It'))
    assert b'{"REDACTED": "REDACTED", "b": "1"}' == filters.filter_request(_asked({"pin": "1234", "b": "1"})).body
    assert ["REDACTED", ""] == _deltas(_body(filters, _texts("It is ", "12")), "text")
    parts = _deltas(_body(filters, _inputs('{"a": 1, "pi', 'n": "12', '34"}')), "partial_json")
    assert {"a": 1, "REDACTED": "REDACTED"} == json.loads("".join(parts))


def test_deltas_are_searched_as_one_text() -> None:
    """What is split over three is replaced in the first; the deltas before and after stay."""
    stream = _texts("It is ", "a hunt", "er2", "-planted", " word")
    assert ["It is ", "a REDACTED", "", "", " word"] == _deltas(_body(PATTERN, stream), "text")


@pytest.mark.parametrize("name", ["thinking", "signature"])
def test_thinking_and_signatures_are_texts_of_deltas_too(name: str) -> None:
    """Of each block, and each kind, one."""
    deltas = [{"type": f"{name}_delta", name: part} for part in ("hun", "ter2-a b")]
    assert ["REDACTED", " b"] == _deltas(_body(PATTERN, _events(*deltas)), name)


def test_a_tools_input_stays_json() -> None:
    """However it was cut, patterns and paths act on what it says."""
    parts = ['{"pw": "\\u006', "8unter2-x\\n", 'y", "pin', '": 12', '34, "ok": "a"}']
    filters = Filters(patterns=(r"hunter2-\w+\s",), json=("content[0].input.pin",))
    whole = "".join(_deltas(_body(filters, _inputs(*parts)), "partial_json"))
    assert {"pw": "REDACTEDy", "pin": 0, "ok": "a"} == json.loads(whole)


def test_an_input_that_was_cut_off_is_searched_as_far_as_it_came() -> None:
    """In the middle of a string, of an escape, of a word; or where it is no JSON at all."""
    for rest in ("", "\\", "\\u00", '", "a": tr', '", "a": -', '", "a": 1'):
        parts = _deltas(_body(PATTERN, _inputs('{"pw": "hunt', "er2-x" + rest)), "partial_json")
        assert '{"pw": "REDACTED' + rest == "".join(parts)
    assert ["{hidden REDACTED", " x"] == _deltas(_body(PATTERN, _inputs("{hidden hunter2", "-a x")), "partial_json")


def test_paths_name_the_message_that_a_stream_makes() -> None:
    """As in a response that is not streamed; the event's own paths name it too."""
    stream = _texts("a", "b")
    assert ["REDACTED", ""] == _deltas(_body(Filters(json=("content[*].text",)), stream), "text")
    assert ["REDACTED", ""] == _deltas(_body(Filters(json=("delta.text",)), stream), "text")
    assert ["a", "b"] == _deltas(_body(Filters(json=("content[1].text",)), stream), "text")
    for path in ("id", "message.id"):
        first = json.loads(next(decode_events([_body(Filters(json=(path,)), stream)])).data)
        assert "REDACTED" == first["message"]["id"]
    start = encode_event("content_block_start", '{"type":"content_block_start","index":2,"content_block":{"id":"t"}}')
    assert b'"id":"REDACTED"' in _body(Filters(json=("content[2].id",)), start)


def test_a_stream_keeps_its_padding_and_its_chunks() -> None:
    """Only what is hidden differs; what stood over several chunks is replaced in the first."""
    line = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
    stream = line + b'{"type":"text_delta","text":"a hunter2-planted z"}     }\n\n'
    cut = stream.index(b"er2")
    hidden = PATTERN.filter_response(_answer(stream[:cut], stream[cut : cut + 2], stream[cut + 2 :]))
    assert _answer(line + b'{"type":"text_delta","text":"a REDACTED', b"", b' z"}     }\n\n') == hidden


def test_a_stream_that_was_cut_inside_an_event_is_searched_too() -> None:
    """Half of the secret in the last whole event, the rest in one that never ended."""
    rest = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
    stream = _texts("hunter2") + rest + b'"text":"-planted and'
    hidden = PATTERN.filter_response((Head(0.0, 200, ()), Chunk(0.0, stream), Cut(1.0, "reset")))
    assert _texts("REDACTED") + rest + b'"text":" and' == body(hidden)


def test_lines_of_a_stream_that_hold_no_json_are_searched() -> None:
    """Comments, ids, unknown names, data that is none; events that hold no index count to the first block."""
    stream = b": hunter2-a\nid: hunter2-b\nretry: 1\nevent: hunter2-c\ndata: hunter2-d\nhunter2-e\n\ndata: {}\n\n"
    expected = b": REDACTED\nid: REDACTED\nretry: 1\nevent: REDACTED\ndata: REDACTED\nREDACTED\n\ndata: {}\n\n"
    assert expected == _body(PATTERN, stream)
    delta = b'data: {"type":"content_block_delta","index":-1,"delta":{"type":"text_delta","text":"hunter2-a"}}\n\n'
    assert delta.replace(b"hunter2-a", b"REDACTED") == _body(PATTERN, delta)


@pytest.mark.parametrize(
    "data", [b"\xff hunter2-a \xfe", "é hunter2-a ü".encode(), b"{not hunter2-a}", b'"a" hunter2-a']
)
def test_other_bodies_are_searched_as_they_stand(data: bytes) -> None:
    """Bytes that are no UTF-8 included, which stay what they are."""
    assert data.replace(b"hunter2-a", b"REDACTED") == _body(PATTERN, data)


def test_a_string_of_half_a_character_stays_one() -> None:
    """JSON may escape what UTF-8 cannot write."""
    assert b'{"a": "\\ud83d REDACTED"}' == PATTERN.filter_request(_asked(b'{"a": "\\ud83d hunter2-a"}')).body


@pytest.mark.parametrize("before", [b"a text with ", b"\xff\x00 a document with \xfe "])
def test_a_pattern_reaches_into_base64(before: bytes) -> None:
    """Into that of a text and of any other bytes, which stay what they are; short words are no base64."""
    value = {"data": base64.b64encode(before + b"hunter2-a inside").decode(), "role": "user" * 6}
    hidden = _filtered(PATTERN, value)
    assert (before + b"REDACTED inside", "user" * 6) == (base64.b64decode(hidden["data"]), hidden["role"])
    assert value == _filtered(Filters(patterns=("nothing",)), value)


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), ("zstd", zstandard.compress)],
)
def test_a_compressed_response_becomes_plain_where_something_is_hidden(
    encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    """In as many chunks; where nothing is hidden it stays as it came."""
    packed = pack(b'{"a": "hunter2-a"}')
    response = _answer(packed[:5], packed[5:], headers=(("content-encoding", encoding), ("x", "y")))
    hidden = PATTERN.filter_response(response)
    assert (Head(0.1, 200, (("x", "y"),)), b'{"a": "REDACTED"}', 4) == (hidden[0], body(hidden), len(hidden))
    assert response == Filters(patterns=("nothing",)).filter_response(response)


def test_a_response_that_is_not_compressed_as_it_says_is_searched_as_it_stands() -> None:
    """So is one whose encoding is not known here, one without a head, and an empty one."""
    for encoding in ("gzip", "br"):
        headers = (("content-encoding", encoding),)
        assert _answer(b"REDACTED", headers=headers) == PATTERN.filter_response(_answer(b"hunter2-a", headers=headers))
    assert (Cut(0.1, "refused"),) == PATTERN.filter_response((Cut(0.1, "refused"),))
    assert () == PATTERN.filter_response(())
    assert b"" == PATTERN.filter_request(_asked(b"")).body


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("GET /v1?a=1&Token=x%20y HTTP", "GET /v1?a=1&Token=REDACTED HTTP"),
        ("request-id: abc-1, x: 2", "request-id: REDACTED, x: 2"),
        ("[(b'request-id', b'abc'), (b'x', b'y')]", "[(b'request-id', REDACTED), (b'x', b'y')]"),
        ("{'user_id': 'a\\'b', 'x': 1}", "{'user_id': REDACTED, 'x': 1}"),
        ('{"user_id": "ab", "stop": ["x", "y"]}', '{"user_id": REDACTED, "stop": REDACTED}'),
        ('{\\"user_id\\": \\"ab\\"}', '{\\"user_id\\": REDACTED}'),
        ('{"user_id": 123}', '{"user_id": REDACTED}'),
        ("it is hunter2-abc.", "it is REDACTED."),
    ],
)
def test_a_text_to_be_shown_loses_what_stands_beside_a_name(said: str, shown: str) -> None:
    """In URLs, headers, JSON and what Python prints of them."""
    filters = Filters(("request-id",), ("token",), ("metadata.user_id", "stop[*]", "[*]"), PATTERN.patterns)
    assert shown == filters.filter_text(said)


def test_what_was_taken_out_is_known() -> None:
    """So that it can be taken out of reports; short values stand in too many words."""
    filters = Filters(("request-id",), ("token",), ("user",), PATTERN.patterns)
    request = _asked({"user": "somebody", "b": "hunter2-b"}, "/v1?token=a%20token&x=1", (("request-id", "abcdef"),))
    response = _answer(_texts("hunt", "er2-deltas"), headers=(("request-id", "short"), ("x", "another")))
    expected = {"a token", "abcdef", "somebody", "hunter2-b", "hunter2-deltas"}
    assert expected == filters.secrets(request, response)
    assert set() == Filters(query=("y",)).secrets(request, response)
    assert {"abcdef"} == Filters(headers=("REQUEST-ID",)).secrets(request, response)


def test_a_request_matches_with_and_without_the_secret() -> None:
    """Filters are applied before matching, to what is asked and to what was recorded before there was a filter."""
    recorder = Recorder(PATTERN)
    note = recorder(_asked({"a": SECRET}, "https://host/v1/messages"))
    for piece in _answer(b"REDACTED"):
        assert [piece] == list(note(piece))
    (kept,) = recorder.interactions
    assert b'{"a": "REDACTED"}' == kept.request.body
    for recorded in (kept, Interaction(_asked({"a": SECRET}), _answer(SECRET.encode()))):
        cassette = Cassette(CassetteMetadata("live", ""), (recorded,))
        played = replay(cassette, filters=PATTERN)
        assert _answer(b"REDACTED") == played(_asked({"a": "hunter2-other"}))
        assert () == played.indices_not_played
    with pytest.raises(CassetteMiss):
        replay(cassette)(_asked({"a": "hunter2-other"}))


def test_what_a_pattern_finds_in_its_own_mark_matches_all_the_same() -> None:
    """Filtered twice, a body may differ from the one filtered once; each is played once."""
    filters = Filters(patterns=(".{3}",))
    recorded = filters.filter_interaction(Interaction(_asked({"content": "abcdefg"}), _answer(b"{}")))
    played = replay(Cassette(CassetteMetadata("live", ""), (recorded, recorded)), filters=filters)
    played(_asked({"content": "abcdefg"}))
    played(_asked({"content": "abcdefg"}))
    assert () == played.indices_not_played
    with pytest.raises(CassetteMiss):
        played(_asked({"content": "abcdefg"}))


def test_every_text_says_where_it_stands() -> None:
    """The JSON path, or the event; of deltas, which of which block."""
    found = {text.value: text for text in body_texts(_texts("ab", "cd", "ef").decode())}
    assert "event 0 message.id" == found["msg_1"].describe_location(0, 5)
    assert "delta 0-1 of block 0" == found["abcdef"].describe_location(1, 3)
    assert "delta 2 of block 0" == found["abcdef"].describe_location(4, 6)
    assert ["a", "a[0].b", "a[0].b", "body"] == [
        *(text.describe_location(0, 1) for text in body_texts('{"a": [{"b": "c"}]}')),
        *(text.describe_location(0, 1) for text in body_texts("plain")),
    ]


PATTERNS = (".", r"\w+", '"', '[^"]*', r'"text": "[^"]*"', "[a-z]", r"\S+", "^", "$", "")
WORDS = st.text(min_size=0, max_size=12)
SECRETS = st.text(st.characters(exclude_categories=("Cs",)), min_size=3, max_size=10).map("§".__add__)


@st.composite
def _cut(draw: st.DrawFn, whole: Any) -> list[Any]:
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    return [whole[start:stop] for start, stop in zip([0, *places], [*places, len(whole)], strict=True)]


def _as_chunks(data: st.DataObject, stream: bytes) -> Response:
    return _answer(*data.draw(_cut(stream)))


@settings(deadline=None)
@given(WORDS, SECRETS, WORDS, st.data())
def test_no_secret_survives_in_any_text_in_any_deltas_in_any_chunks(
    before: str, secret: str, after: str, data: st.DataObject
) -> None:
    """The stream can be read and keeps its events and chunks; the texts around the secret are what they were."""
    response = _as_chunks(data, _texts(*data.draw(_cut(before + secret + after))))
    hidden = Filters(patterns=(re.escape(secret),)).filter_response(response)
    assert [piece.at for piece in response] == [piece.at for piece in hidden]
    events, old = list(decode_events([body(hidden)])), list(decode_events([body(response)]))
    assert [(event.event, json.loads(event.data).keys()) for event in old] == [
        (event.event, json.loads(event.data).keys()) for event in events
    ]
    text = "".join(_deltas(body(hidden), "text"))
    assert secret not in text
    assert re.sub(f"(?:{re.escape(secret)})+", "REDACTED", before + secret + after) == text
    assert secret not in body(hidden).decode()


@settings(deadline=None)
@given(st.text(max_size=20), st.sampled_from(PATTERNS), st.data())
def test_whatever_the_pattern_the_stream_stays_one(text: str, pattern: str, data: st.DataObject) -> None:
    """Every event is read as JSON, under the same name, and the tool's input is JSON."""
    source = json.dumps({"command": text, "n": len(text)}, ensure_ascii=data.draw(st.booleans()))
    for stream in (_inputs(*data.draw(_cut(source))), _texts(*data.draw(_cut(text)))):
        hidden = Filters(patterns=(pattern,), json=("**.command",)).filter_response(_as_chunks(data, stream))
        names = [event.event for event in decode_events([stream])]
        assert names == [json.loads(event.data)["type"] for event in decode_events([body(hidden)])]
        if parts := _deltas(body(hidden), "partial_json"):
            assert text not in json.loads("".join(parts)).get("command", "") or text in ("", *"REDACTED")


@settings(deadline=None)
@given(st.binary(max_size=60), st.data())
def test_bytes_in_which_nothing_is_found_stay(content: bytes, data: st.DataObject) -> None:
    """Also where they look like JSON or a stream."""
    begin = data.draw(st.sampled_from([b"", b"{", b'data: {"a', b'["\\u', b'"']))
    response = _as_chunks(data, begin + content)
    assert response == Filters(patterns=("§§§§",), json=("zz.y",)).filter_response(response)


@settings(deadline=None)
@given(st.binary(max_size=30), st.binary(max_size=30), st.data())
def test_no_secret_survives_among_any_bytes(before: bytes, after: bytes, data: st.DataObject) -> None:
    """Whatever they look like."""
    response = _as_chunks(data, before + b" hunter2-planted " + after)
    assert b"hunter2-planted" not in body(Filters(patterns=("hunter2-planted",)).filter_response(response))
