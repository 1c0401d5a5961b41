"""Imported cassettes match as loosely as they did at home, until they are recorded again."""

from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, replay
from flag_harness.cassette.match.matching import MatchPart
from flag_harness.errors import CassetteError, CassetteMiss
from flag_harness.wire.timeline import Chunk, End, Head, Headers, Request, Response, body

JSON: Headers = (("content-type", "application/json"),)


def _answer(text: bytes) -> Response:
    return Head(0.0, 200, ()), Chunk(0.0, text), End(0.0)


def _request(
    method: str = "POST", url: str = "/v1/x?a=1&b=2", headers: Headers = JSON, data: bytes = b'{"a":1,"b":2}'
) -> Request:
    return Request(method, url, headers, data)  # fmt: skip


def _cassette(*match_on: MatchPart) -> Cassette:
    metadata = CassetteMetadata("imported", "", match_on=match_on)
    return Cassette(metadata, tuple(Interaction(_request(), _answer(text)) for text in (b"first", b"second")))


OTHERS = {
    "method": _request(method="GET"),
    "path": _request(url="/v1/y?a=1&b=2"),
    "query": _request(url="/v1/x?a=1&b=3"),
    "query order": _request(url="/v1/x?b=2&a=1"),
    "beta": _request(headers=(*JSON, ("anthropic-beta", "x"))),
    "body": _request(data=b'{"a":1,"b":3}'),
    "body order": _request(data=b'{"b":2,"a":1}'),
    "text": _request(data=b"no JSON"),
}
HOST = _request(url="https://elsewhere.example/v1/x?a=1&b=2")


@pytest.mark.parametrize(
    ("match_on", "told_apart"),
    [
        ((), {"method", "path", "query", "beta", "body", "text"}),
        (("method", "path", "query"), {"method", "path", "query"}),
        (("method", "uri"), {"method", "path", "query", "query order"}),
        (("path", "body"), {"path", "body", "text"}),
        (("raw_body",), {"body", "body order", "text"}),
        (("headers",), {"beta"}),
    ],
)
def test_only_the_named_parts_are_compared(match_on: tuple[MatchPart, ...], told_apart: set[str]) -> None:
    """As vcrpy compares them; the host takes no part."""
    upstream = replay(_cassette(*match_on))
    assert told_apart == {name for name, request in OTHERS.items() if _misses(_cassette(*match_on), request)}
    assert [b"first", b"second"] == [body(upstream(HOST)), body(upstream(HOST))]


def _misses(cassette: Cassette, request: Request) -> bool:
    return replay(cassette).find_answer(request) is None


def test_equal_ones_are_played_once_each_in_order() -> None:
    """Two requests with other bodies get the two answers, and a third none."""
    upstream = replay(_cassette("method", "path"))
    assert [b"first", b"second"] == [body(upstream(OTHERS["body"])), body(upstream(OTHERS["text"]))]
    with pytest.raises(CassetteMiss) as caught:
        upstream(OTHERS["body"])
    assert (
        "POST /v1/x?a=1&b=2 is not in the cassette (2 interactions).\n"
        "It was recorded 2 times, and each answer has been played."
    ) == str(caught.value)


def test_a_miss_names_only_what_is_compared() -> None:
    """The body differs too, but that is not why."""
    with pytest.raises(CassetteMiss) as caught:
        replay(_cassette("method", "path"))(_request(url="/v1/y", data=b"{}"))
    assert (
        "POST /v1/y is not in the cassette (2 interactions).\n"
        "The nearest is interaction 0; it differs in:\n"
        "  path: recorded '/v1/x?a=1&b=2', sent '/v1/y'"
    ) == str(caught.value)


def test_the_file_keeps_the_words_and_only_where_there_are_any(tmp_path: Path) -> None:
    """A recorded cassette looks as it always did."""
    _cassette("method", "uri").save(tmp_path / "loose.json")
    _cassette().save(tmp_path / "strict.json")
    assert ("method", "uri") == Cassette.load(tmp_path / "loose.json").metadata.match_on
    assert '"match_on": ["method", "uri"]' in (tmp_path / "loose.json").read_text()
    text = (tmp_path / "strict.json").read_text()
    assert ("match_on" not in text, "fidelity" not in text) == (True, True)


def test_a_word_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """A cassette must not match more loosely than it says."""
    path = tmp_path / "x.json"
    _cassette("method").save(path)
    path.write_text(path.read_text().replace('["method"]', '["cookies"]'))
    with pytest.raises(CassetteError, match=r"Invalid enum value 'cookies' - at `\$\.envelope\.match_on\[0\]`"):
        Cassette.load(path)
