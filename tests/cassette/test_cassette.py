"""Cassettes in files."""

import errno
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.errors import CassetteError
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response, body

METADATA = CassetteMetadata("simulator", "2026-01-02T03:04:05Z", "anthropic 2.12.0", "case", "off")
REQUEST = Request("POST", "/v1/messages", (), b'{"n":1}')
RESPONSE: Response = (Head(0.5, 200, ()), Chunk(0.6, b"data: one\n\n"), Chunk(0.7, b"data: two\n\n"), End(0.8))
CASSETTE = Cassette(METADATA, (Interaction(REQUEST, RESPONSE),))


def test_a_cassette_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    """With the path that it came from, given as a path or as text."""
    path = tmp_path / "folder" / "x.json"
    assert CASSETTE.save(path)
    assert replace(CASSETTE, path=path) == Cassette.load(path) == Cassette.load(str(path))


def test_a_large_file_is_read_in_parts_to_the_same_cassette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal interactions too; what is wrong in it is named as in a small one."""
    monkeypatch.setattr("flag_harness.cassette.cassette._MIN_BYTES_OF_LARGE_FILE", 0)
    cassette = replace(CASSETTE, interactions=CASSETTE.interactions * 3, path=tmp_path / "x.json")
    cassette.save(tmp_path / "x.json")
    assert cassette == Cassette.load(tmp_path / "x.json")
    (tmp_path / "x.json").write_text((tmp_path / "x.json").read_text().replace('"POST"', "1"))
    with pytest.raises(CassetteError, match="cannot be read as a cassette: interaction 0: "):
        Cassette.load(tmp_path / "x.json")


def test_what_is_no_file_or_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe may never end, a device has no end: neither is opened."""
    os.mkfifo(tmp_path / "pipe")
    CASSETTE.save(tmp_path / "x.json")
    monkeypatch.setattr("flag_harness.cassette.cassette.MAX_CASSETTE_BYTES", 100)
    for path, why in (
        (tmp_path / "pipe", "is not a regular file"),
        (Path("/dev/zero"), "is not a regular file"),
        (tmp_path / "x.json", "has 585 bytes, and at most 100 are read"),
    ):
        with pytest.raises(CassetteError) as caught:
            Cassette.load(path)
        assert f"{path}: cannot be read as a cassette: {why}" == str(caught.value)


def test_a_cassette_that_could_not_be_read_again_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how large it would be; the old file stays."""
    path = tmp_path / "x.json"
    path.write_text("old")
    monkeypatch.setattr("flag_harness.cassette.cassette.MAX_CASSETTE_BYTES", 100)
    with pytest.raises(CassetteError) as caught:
        CASSETTE.save(path)
    assert (
        f"{path} was not written: it would have 585 bytes, and at most 100 are read; "
        "split the test, or let it ask for less"
    ) == str(caught.value)
    assert "old" == path.read_text()


def test_a_full_disk_leaves_the_old_cassette_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller learns why."""
    path = tmp_path / "x.json"
    path.write_text("old")

    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left on device"):
        CASSETTE.save(path)
    assert ["x.json"] == os.listdir(tmp_path)
    assert "old" == path.read_text()


_LARGE_BODIES = {
    "text": ("text/plain", b"word " * 20_000_000),
    "JSON": ("application/json", b'{"data":"' + b"x" * 100_000_000 + b'"}'),
    "a document in JSON": ("application/json", b'{"data":"' + b"eHh4" * 25_000_000 + b'"}'),
    "zeros": ("application/octet-stream", bytes(100_000_000)),
    "binary": ("application/octet-stream", bytes(range(256)) * 400_000),
}


@pytest.mark.deep
@pytest.mark.parametrize("kind", _LARGE_BODIES)
def test_an_answer_of_100_mb_is_recorded_and_played(tmp_path: Path, kind: str) -> None:
    """What can be written can be read."""
    content_type, data = _LARGE_BODIES[kind]
    response: Response = (Head(0.1, 200, (("content-type", content_type),)), Chunk(0.2, data), End(0.3))
    Cassette(METADATA, (Interaction(REQUEST, response),)).save(tmp_path / "x.json")
    assert data == body(Cassette.load(tmp_path / "x.json").interactions[0].response)


LATER = replace(METADATA, recorded_at="2027-01-01T00:00:00Z", sdk="anthropic 3.0.0")
OTHER_TIMES: Response = (Head(5.5, 200, ()), Chunk(6.0, b"data: one\n\n"), Chunk(6.5, b"data: two\n\n"), End(7.0))
OTHER_BOUNDARIES: Response = (Head(0.5, 200, ()), Chunk(0.6, b"data: one\n\ndata: two\n\n"), End(0.8))


@pytest.mark.parametrize("response", [RESPONSE, OTHER_TIMES, OTHER_BOUNDARIES])
def test_a_rewrite_that_changes_only_times_leaves_the_file_alone(tmp_path: Path, response: Response) -> None:
    """Its bytes and its modification time; when it was recorded, and by which SDK, are such times."""
    path = tmp_path / "x.json"
    CASSETTE.save(str(path))
    os.utime(path, ns=(1, 1))
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert not Cassette(LATER, (Interaction(REQUEST, response),)).save(str(path))
    assert before == (path.read_bytes(), path.stat().st_mtime_ns)


def test_a_recording_that_is_too_old_says_anew_when_it_was_made(tmp_path: Path) -> None:
    """That line alone is another: offsets, and the SDK, are those of the file. One that does not say keeps silent."""
    path = tmp_path / "x.json"
    CASSETTE.save(path)
    before = path.read_text()
    again = Cassette(LATER, (Interaction(REQUEST, OTHER_TIMES),))
    assert not again.save(path, max_age=timedelta(days=365))
    assert before == path.read_text()
    assert again.save(path, max_age=timedelta(days=363))
    assert before.replace(METADATA.recorded_at, LATER.recorded_at) == path.read_text()
    silent = replace(CASSETTE, metadata=replace(METADATA, recorded_at=""))
    silent.save(tmp_path / "silent.json")
    assert not again.save(tmp_path / "silent.json", max_age=timedelta(0))


def test_what_a_file_holds_need_not_be_read_again(tmp_path: Path) -> None:
    """Where it is known already."""
    path = tmp_path / "x.json"
    path.write_text("not read")
    assert not CASSETTE.save(path, stored=CASSETTE)
    assert "not read" == path.read_text()


@pytest.mark.parametrize(
    "changed",
    [
        Cassette(replace(METADATA, upstream="live"), CASSETTE.interactions),
        Cassette(replace(METADATA, combination="streaming"), CASSETTE.interactions),
        Cassette(replace(METADATA, case="other"), CASSETTE.interactions),
        Cassette(METADATA, CASSETTE.interactions * 2),
        Cassette(METADATA, (Interaction(replace(REQUEST, body=b'{"n":2}'), RESPONSE),)),
        Cassette(METADATA, ()),
    ],
)
def test_a_rewrite_that_changes_anything_else_is_written(tmp_path: Path, changed: Cassette) -> None:
    """And reads back as it is."""
    path = tmp_path / "x.json"
    CASSETTE.save(path)
    assert changed.save(path)
    assert replace(changed, path=path) == Cassette.load(path)


def test_a_spoilt_file_is_written_over(tmp_path: Path) -> None:
    """What cannot be read is not the same recording."""
    path = tmp_path / "x.json"
    path.write_text("<<<<<<< HEAD")
    assert CASSETTE.save(path)
    assert CASSETTE.interactions == Cassette.load(path).interactions


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<<<<<<< HEAD", "JSON is malformed: invalid character (byte 0)"),
        (b"\xff", "JSON is malformed: invalid character (byte 0)"),
        (b"[]", "Expected `object`, got `array`"),
        (
            b'{"envelope":{"format":1,"upstream":"live","recorded_at":""},"interactions":[{}]}',
            "interaction 0: Object missing required field `request`",
        ),
        (
            b'{"envelope":{"format":1,"upstream":"live","recorded_at":""},"interactions":[{"request":{"method":"GET",'
            b'"path":"/","headers":[],"json":' + b"[" * 100_000,
            "its values are nested too deeply: 100 levels are read in any case",
        ),
    ],
)
def test_a_spoilt_file_is_named_with_the_place(tmp_path: Path, data: bytes, message: str) -> None:
    """In one line."""
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(CassetteError) as caught:
        Cassette.load(path)
    assert f"{path}: cannot be read as a cassette: {message}" == str(caught.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """With the cassette of the folder whose name is the most similar."""
    path = tmp_path / "x.json"
    with pytest.raises(CassetteError) as caught:
        Cassette.load(path)
    start = f"{path}: cannot be read as a cassette: no such file; "
    assert f"{start}there are no cassettes in {path.parent}; pytest records them" == str(caught.value)
    path.with_name("near.json").write_text("{}")
    with pytest.raises(CassetteError) as caught:
        Cassette.load(path)
    assert f"{start}the nearest is 'near.json'" == str(caught.value)


def test_the_index_holds_equal_requests_in_recorded_order() -> None:
    """By key, whatever the order of the body's keys."""
    bodies = [b'{"a":1,"b":2}', b'{"c":3}', b'{"b":2,"a":1}']
    interactions = tuple(Interaction(replace(REQUEST, body=body), RESPONSE) for body in bodies)
    index = Cassette(METADATA, interactions).index.indices_by_key
    assert {interactions[0].match_key: [0, 2], interactions[1].match_key: [1]} == index
