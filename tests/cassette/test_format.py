"""The cassette's file."""

import json
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette.file.format import decode_metadata_and_interactions, encode_cassette_in_one_file
from flag_harness.cassette.interaction import CassetteMetadata, Interaction
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response

TEXT = st.text(max_size=8)
HEADERS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.one_of(
    st.binary(max_size=30),
    TEXT.map(str.encode),
    JSON.map(msgspec.json.encode),
    JSON.map(lambda value: json.dumps(value).encode()),
)
TIMES = st.floats(0, 1e6)
LAST = st.one_of(
    st.builds(End, TIMES, st.booleans()),
    st.builds(Cut, TIMES, st.sampled_from(["reset", "eof", "read_timeout", "refused"])),
)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """Any body in any chunking, empty chunks included; or no head at all."""
    last = draw(LAST)
    if draw(st.integers(0, 4)) == 0:
        return (last,)
    data = draw(BODIES)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    edges = [0, *cuts, len(data)]
    chunks = [Chunk(draw(TIMES), data[start:stop]) for start, stop in pairwise(edges)]
    head = Head(draw(TIMES), draw(st.integers(100, 599)), draw(HEADERS))
    return (head, *(chunks if data or draw(st.booleans()) else ()), last)


REQUESTS = st.builds(Request, st.sampled_from(["GET", "POST"]), st.sampled_from(["/a", "//b?c=d"]), HEADERS, BODIES)
INTERACTIONS = st.lists(st.builds(Interaction, REQUESTS, responses(), in_teardown=st.booleans()), max_size=3)
METADATA_VARIANTS = st.builds(
    CassetteMetadata, st.sampled_from(["live", "simulator", "imported"]), TEXT, TEXT, TEXT, TEXT
)

METADATA = CassetteMetadata(
    "simulator", "2026-01-02T03:04:05Z", "anthropic 2.12.0", "cases/test_x.py::test_y", "streaming"
)
REQUEST = Request("POST", "/v1/messages", (("content-type", "application/json"),), b'{"model":"m","max_tokens":5}')
STREAM: Response = (
    Head(0.25, 200, (("content-type", "text/event-stream"),)),
    Chunk(0.25, "data: é\n\n".encode()),
    Chunk(0.5, b"\xff"),
    End(0.75),
)
ANSWER: Response = (Head(0.5, 200, ()), Chunk(0.5, b'{"text":'), Chunk(0.625, b'"word"}'), Cut(1.0, "eof"))

FILE = """{
  "envelope": {
    "case": "cases/test_x.py::test_y",
    "combination": "streaming",
    "format": 1,
    "recorded_at": "2026-01-02T03:04:05Z",
    "sdk": "anthropic 2.12.0",
    "upstream": "simulator"
  },
  "interactions": [
    {
      "request": {
        "method": "POST",
        "path": "/v1/messages",
        "headers": [
          ["content-type", "application/json"]
        ],
        "json": {
          "model": "m",
          "max_tokens": 5
        }
      },
      "response": {
        "head": [0.25, 200],
        "headers": [
          ["content-type", "text/event-stream"]
        ],
        "chunks": [
          [0.25, "data: é\\n\\n"],
          [
            0.5,
            {
              "base64": "/w=="
            }
          ]
        ],
        "end": [0.75, "end"]
      }
    },
    {
      "request": {
        "method": "GET",
        "path": "/v1/models",
        "headers": []
      },
      "response": {
        "head": [0.5, 200],
        "headers": [],
        "json": {
          "text": "word"
        },
        "chunks": [
          [0.5, 8],
          [0.625, 7]
        ],
        "end": [1.0, "eof"]
      }
    }
  ]
}
"""


@given(METADATA_VARIANTS, INTERACTIONS)
def test_what_is_written_reads_back_as_it_was(metadata: CassetteMetadata, interactions: list[Interaction]) -> None:
    """Any bytes in any chunking, offsets, headers, and how each answer ended."""
    assert (metadata, interactions) == decode_metadata_and_interactions(
        encode_cassette_in_one_file(metadata, interactions)
    )


@given(METADATA_VARIANTS, INTERACTIONS)
def test_the_file_is_json_in_utf_8_with_its_envelope_sorted(
    metadata: CassetteMetadata, interactions: list[Interaction]
) -> None:
    """By another library's reader; no chunk of text shares its line."""
    document = json.loads(encode_cassette_in_one_file(metadata, interactions))
    assert ["envelope", "interactions"] == list(document)
    assert sorted(document["envelope"]) == list(document["envelope"])


def test_the_file_looks_like_this() -> None:
    """Readable JSON bodies, one chunk a line, bytes that are no text as base64."""
    interactions = [Interaction(REQUEST, STREAM), Interaction(Request("GET", "/v1/models", (), b""), ANSWER)]
    assert FILE == encode_cassette_in_one_file(METADATA, interactions).decode()


def test_one_changed_word_is_one_changed_line() -> None:
    """In a request, in a stream, and in a body that is JSON (a changed length is a second one)."""
    changed = [
        (Interaction(replace(REQUEST, body=b'{"model":"n","max_tokens":5}'), STREAM), 1),
        (Interaction(REQUEST, (*STREAM[:1], Chunk(0.25, b"data: other\n\n"), *STREAM[2:])), 1),
        (Interaction(REQUEST, (*ANSWER[:2], Chunk(0.625, b'"wort"}'), ANSWER[3])), 1),
        (Interaction(REQUEST, (*ANSWER[:2], Chunk(0.625, b'"words"}'), ANSWER[3])), 2),
    ]
    for (interaction, expected), original in zip(changed, [STREAM, STREAM, ANSWER, ANSWER], strict=True):
        old, new = (
            encode_cassette_in_one_file(METADATA, [one]).splitlines()
            for one in (Interaction(REQUEST, original), interaction)
        )
        assert expected == sum(one != other for one, other in zip(old, new, strict=True))


def _edited(**response: object) -> bytes:
    row = {"head": [0.5, 200], "headers": [], **response}
    request = {"method": "POST", "path": "/", "headers": []}
    metadata = {"format": 1, "upstream": "live", "recorded_at": ""}
    return json.dumps({"envelope": metadata, "interactions": [{"request": request, "response": row}]}).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Input data was truncated"),
        (b"{}", "Object missing required field `envelope`"),
        (
            FILE.replace('"format": 1', '"format": 3').encode(),
            "format 3 is unknown (this version reads formats 1 and 2)",
        ),
        (
            FILE.replace('"simulator"', '"nobody"').encode(),
            "Invalid enum value 'nobody' - at `$.envelope.upstream`",
        ),
        (
            FILE.replace('"method"', '"methode"', 1).encode(),
            "interaction 0: Object contains unknown field `methode` - at `$.request`",
        ),
        (
            FILE.replace('"word"', '"longer"').encode(),
            "interaction 1: the chunks hold 15 bytes, the JSON body 17: the file was edited; correct the lengths",
        ),
        (
            FILE.replace("/w==", "/w=").encode(),
            "interaction 0: Incorrect padding",
        ),
        (
            _edited(json={}, chunks=[[0.5, "{}"]]),
            "interaction 0: a chunk of a JSON body must be its length in bytes, not '{}'",
        ),
        (_edited(chunks=[[0.5, 2]]), "interaction 0: chunk length 2 has no JSON body to refer to"),
        (_edited(end=[0.5, "nothing"]), "interaction 0: Invalid enum value 'nothing' - at `$.response.end[1]`"),
    ],
)
def test_a_file_that_was_spoilt_says_where_and_why(data: bytes, message: str) -> None:
    """Not JSON, not a cassette, of another version, or edited by hand without care."""
    with pytest.raises(ValueError, match=r".") as caught:
        decode_metadata_and_interactions(data)
    assert message == str(caught.value)


def test_a_json_body_may_be_edited_by_hand() -> None:
    """Where its length stays the same, or the lengths are mended."""
    data = FILE.replace('"word"', '"longer"').replace("[0.625, 7]", "[0.625, 9]").encode()
    _, interactions = decode_metadata_and_interactions(data)
    assert (Chunk(0.5, b'{"text":'), Chunk(0.625, b'"longer"}')) == interactions[1].response[1:3]
