"""Large cassettes and bodies, with the limits lowered so that small ones count as large."""

from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, cassette
from flag_harness.cassette.cassette import read_interactions
from flag_harness.cassette.redact import bodies, body_strings, scan
from flag_harness.cassette.redact.scan import scan_cassette, scan_file
from flag_harness.errors import CassetteError
from flag_harness.wire.timeline import Chunk, End, Head, Request

KEY = b"sk-ant-api03-" + b"A1b2" * 20
ANSWER = (Head(0.1, 200, (("content-type", "text/plain"),)), Chunk(0.1, b"yes"), End(0.2))


@pytest.fixture(autouse=True)
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kilobyte is large, and texts are searched 256 characters at a time."""
    monkeypatch.setattr(cassette, "_MIN_BYTES_OF_LARGE_FILE", 1024)
    monkeypatch.setattr(body_strings, "MIN_LARGE_BODY_BYTES", 1024)
    monkeypatch.setattr(scan, "MIN_LARGE_BODY_BYTES", 1024)
    monkeypatch.setattr(body_strings, "_WINDOW_LENGTH", 256)
    monkeypatch.setattr(body_strings, "_WINDOW_OVERLAP_LENGTH", 100)
    monkeypatch.setattr(bodies, "_BYTES_DECODED_AT_ONCE", 3)


@pytest.mark.parametrize("before", range(150, 360, 7))
@pytest.mark.parametrize("form", [b'{"a": "%s"}', b"%s", b'data: {"type": "x", "text": "%s"}\n\n'])
def test_a_key_anywhere_in_a_large_body_is_found(form: bytes, before: int) -> None:
    """Also if it stands where one window ends and the next begins."""
    body = form % (b"\xc3\xa9 " * (before // 3) + KEY + b" word" * 400)
    (finding,) = scan_cassette(
        CassetteMetadata("live", ""), [Interaction(Request("POST", "/v1/messages", (), body), ANSWER)]
    )
    assert ("request body", "an Anthropic key", 0) == (finding.location, finding.kind, finding.interaction)
    (finding,) = scan_file(body)
    assert "file" == finding.location


def test_a_key_that_is_split_over_the_deltas_of_a_large_stream_is_found() -> None:
    """Each delta has three characters of it."""
    event = b'data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "%s"}}\n\n'
    text = b"word " * 100 + KEY + b" word" * 100
    body = b"".join(event % text[start : start + 3] for start in range(0, len(text), 3))
    (finding,) = scan_file(body)
    assert "an Anthropic key" == finding.kind
    large_event = b"data: {" + b"x" * 2000 + KEY
    assert [] == scan_file(large_event.replace(KEY, b""))


def test_large_bodies_without_a_key_are_no_finding() -> None:
    """Neither as JSON nor as bytes that are not UTF-8."""
    for body in (b'{"a": "%s"}' % (b"word " * 400), b"\xff\xfe word " * 300):
        found = Interaction(Request("POST", "/v1/messages", (), body), ANSWER)
        assert [] == scan_cassette(CassetteMetadata("live", ""), [found])


def test_interactions_on_disk_are_those_of_the_cassette(tmp_path: Path) -> None:
    """One by one, as a slice, and all of them; a file that changes meanwhile is an error that names it."""
    path = tmp_path / "x.json"
    rows = [Interaction(Request("POST", "/v1/messages", (), b"word " * size), ANSWER) for size in (1, 400, 2)]
    Cassette(CassetteMetadata("live", ""), tuple(rows)).save(path)
    found = read_interactions(path)
    assert not isinstance(found, tuple)
    assert (rows, rows[1:], rows[2]) == (list(found), found[1:], found[2])
    assert tuple(rows) == Cassette.load(path).interactions
    path.write_bytes(path.read_bytes().replace(b'"POST"', b'POST""'))
    with pytest.raises(CassetteError, match=r"x\.json: cannot be read as a cassette: interaction 1: "):
        found[1]
    with pytest.raises(CassetteError, match=r"x\.json: cannot be read as a cassette: JSON is malformed"):
        read_interactions(path)
