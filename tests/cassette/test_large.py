"""Large cassettes and bodies, with the limits lowered so that small ones count as large."""

import base64
import gzip
import json
from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, cassette
from flag_harness.cassette.cassette import open_cassette
from flag_harness.cassette.file import large
from flag_harness.cassette.file.format import encode_cassette_in_one_file
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
    found = open_cassette(path).interactions
    assert not isinstance(found, tuple)
    assert (rows, rows[1:], rows[2]) == (list(found), found[1:], found[2])
    assert tuple(rows) == Cassette.load(path).interactions
    path.write_bytes(path.read_bytes().replace(b'"POST"', b'POST""'))
    with pytest.raises(CassetteError, match=r"x\.json: cannot be read as a cassette: interaction 1: "):
        found[1]
    with pytest.raises(CassetteError, match=r"x\.json: cannot be read as a cassette: JSON is malformed"):
        open_cassette(path)


def _save(path: Path, *sizes: int) -> list[Interaction]:
    rows = [Interaction(Request("POST", "/v1/messages", (), b"word " * size), ANSWER) for size in sizes]
    Cassette(CassetteMetadata("live", "", case="t.py::t[off]", combination="off"), tuple(rows)).save(path)
    return rows


def test_a_large_cassette_is_read_in_any_layout(tmp_path: Path) -> None:
    """On one line, and with two interactions on one line; a small one is read whole."""
    path = tmp_path / "x.json"
    rows = _save(path, 1, 400, 2)
    text = path.read_text()
    for other in (json.dumps(json.loads(text)), text.replace("},\n    {", "}, {", 1)):
        path.write_text(other)
        assert rows == list(open_cassette(path).interactions)
    small = _save(path, 1)
    assert (tuple(small), path) == (open_cassette(path).interactions, open_cassette(path).path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"POST"', 'POST""', "interaction 0: JSON is malformed"),
        ("},\n    {", "} \n    {", "interaction 1: there is no comma before it"),
        ("\n  ]\n}\n", "\n]}", "it is not laid out as the harness writes it"),
    ],
)
def test_a_large_cassette_in_another_layout_must_have_few_values(
    old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read it takes more memory. The error names what is wrong with the layout."""
    path = tmp_path / "x.json"
    _save(path, 1, 400, 2)
    path.write_text(path.read_text().replace(old, new))
    monkeypatch.setattr(large, "MAX_JSON_TOKENS", 50)
    with pytest.raises(CassetteError, match=rf"x\.json: cannot be read as a cassette: {message}.* another layout"):
        open_cassette(path)


def test_a_large_cassette_has_a_limited_number_of_interactions_and_of_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What exceeds a limit is neither read nor written."""
    path, other = tmp_path / "x.json", tmp_path / "y.json"
    _save(path, 1, 400, 2)
    monkeypatch.setattr(large, "MAX_INTERACTIONS", 2)
    for use in (lambda: open_cassette(path), lambda: Cassette.load(path), lambda: _save(other, 1, 400, 2)):
        with pytest.raises(CassetteError, match="it has more than 2 interactions, the most that are read"):
            use()
    monkeypatch.setattr(large, "MAX_INTERACTIONS", 3)
    monkeypatch.setattr(large, "MAX_JSON_TOKENS", 20)
    found = open_cassette(path).interactions
    for use in (lambda: found[0], lambda: Cassette.load(path), lambda: _save(other, 1, 400, 2)):
        with pytest.raises(CassetteError, match="interaction 0: it has more than 20 strings, brackets and commas"):
            use()
    assert not other.exists()


def test_a_bomb_in_a_large_cassette_is_refused_when_it_is_read(tmp_path: Path) -> None:
    """The message has the index of its interaction."""
    bomb = gzip.compress(gzip.compress(bytes(80 << 20)))
    answer = (Head(0.1, 200, (("content-encoding", "gzip, gzip"),)), Chunk(0.1, bomb), End(0.2))
    path = tmp_path / "x.json"
    rows = [Interaction(Request("POST", "/v1/messages", (), b"word " * 400), one) for one in (ANSWER, answer)]
    path.write_bytes(encode_cassette_in_one_file(CassetteMetadata("live", ""), rows))
    found = open_cassette(path).interactions
    with pytest.raises(CassetteError, match=r"x\.json: .* interaction 1: the compressed bodies have more than"):
        list(found)


def test_a_missing_cassette_is_named_with_the_nearest(tmp_path: Path) -> None:
    """As `Cassette.load` does."""
    _save(tmp_path / "x.json", 1)
    with pytest.raises(CassetteError, match=r"y\.json: cannot be read as a cassette: no such file; the nearest is 'x"):
        open_cassette(tmp_path / "y.json")


def test_the_blobs_of_a_large_cassette_are_found(tmp_path: Path) -> None:
    """The folder is known before any is read."""
    image = base64.b64encode(bytes(range(256)) * 40).decode()
    body = json.dumps({"messages": ["word " * 400, image]}, separators=(",", ":")).encode()
    row = Interaction(Request("POST", "/v1/messages", (), body), ANSWER)
    Cassette(CassetteMetadata("live", ""), (row,)).save(tmp_path / "x.json")
    found = open_cassette(tmp_path / "x.json")
    assert (tmp_path / "blobs", False, [row]) == (found.blob_folder, found.has_parts, list(found.interactions))
