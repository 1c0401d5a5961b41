"""Large blocks that are kept apart, in real files."""

import base64
import hashlib
import json
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.file import blobs
from flag_harness.cassette.file.blobs import (
    MIN_BLOB_CHARACTERS,
    BlobFolderReader,
    extract_blobs,
    has_blob,
    insert_blobs,
)
from flag_harness.cassette.file.format import decode_metadata_and_interactions, encode_cassette_with_files
from flag_harness.errors import CassetteError
from flag_harness.wire.timeline import Chunk, End, Head, Request

IMAGE = random.Random(1).randbytes(MIN_BLOB_CHARACTERS)
METADATA = CassetteMetadata("live", "2026-01-02T03:04:05Z")
REFERENCE = "0" * 64


def _block(data: bytes = IMAGE) -> str:
    return base64.b64encode(data).decode()


def _cassette(*sources: str, answer: Any = None) -> Cassette:
    """A cassette in which each source is an image that is asked about."""
    content = [{"type": "image", "source": {"type": "base64", "data": data}} for data in sources]
    asked = Request("POST", "/v1/messages", (), msgspec.json.encode({"messages": [{"content": content}]}))
    data = msgspec.json.encode({"content": answer})
    return Cassette(METADATA, (Interaction(asked, (Head(0.0, 200, ()), Chunk(0.1, data), End(0.2))),))


def test_a_block_stands_once_however_many_cassettes_hold_it(tmp_path: Path) -> None:
    """As the very bytes that it encodes, in a file named by their SHA-256; the cassettes refer to it."""
    blobs = tmp_path / "recordings" / "blobs"
    paths = [tmp_path / "recordings" / "deep" / "one.json", tmp_path / "recordings" / "two.json"]
    for path in paths:
        _cassette(_block(), _block(), answer=_block()).save(path, blobs)
    (file,) = blobs.iterdir()
    assert (hashlib.sha256(IMAGE).hexdigest(), IMAGE) == (file.name, file.read_bytes())
    assert ["../blobs", "blobs"] == [json.loads(path.read_bytes())["envelope"]["blobs"] for path in paths]
    for path in paths:
        assert _block() not in path.read_text()
        assert replace(_cassette(_block(), _block(), answer=_block()), path=path) == Cassette.load(path)


def test_blobs_stand_beside_the_cassette_unless_said_otherwise(tmp_path: Path) -> None:
    """And where they were, when a loaded cassette is saved again."""
    _cassette(_block()).save(tmp_path / "x.json")
    assert 1 == len(list((tmp_path / "blobs").iterdir()))
    loaded = Cassette.load(tmp_path / "x.json")
    loaded.save(tmp_path / "folder" / "y.json")
    assert not (tmp_path / "folder" / "blobs").exists()
    assert loaded.interactions == Cassette.load(tmp_path / "folder" / "y.json").interactions


@pytest.mark.parametrize(
    "text",
    [
        _block(IMAGE[: MIN_BLOB_CHARACTERS // 2]),
        "A prompt. " * MIN_BLOB_CHARACTERS,
        _block().rstrip("=") + "\n",
        _block()[:-1],
        base64.urlsafe_b64encode(b"\xff" * MIN_BLOB_CHARACTERS).decode(),
        "A" * (MIN_BLOB_CHARACTERS - 2) + "B=",
    ],
)
def test_what_is_small_or_no_plain_base64_stays_where_it_is(tmp_path: Path, text: str) -> None:
    """Words, other alphabets, and what would not be written the same way again."""
    assert not has_blob({"data": [text]})
    _cassette(text).save(tmp_path / "x.json")
    assert ["x.json"] == [path.name for path in tmp_path.iterdir()]
    assert _cassette(text).interactions == Cassette.load(tmp_path / "x.json").interactions


@pytest.mark.parametrize(
    "member", [{"$blob": REFERENCE}, {"$$blob": {"$blob": 1}}, {"$blob": _block()}, {"$blob": 1, "other": 2}, "$blob"]
)
def test_a_body_that_really_holds_such_an_object_is_what_it_was(tmp_path: Path, member: Any) -> None:
    """Beside a block and without one."""
    for answer in ([member], [member, _block()]):
        cassette = _cassette(answer=answer)
        cassette.save(tmp_path / "x.json")
        assert cassette.interactions == Cassette.load(tmp_path / "x.json").interactions


NAMES = st.sampled_from(["$blob", "$$blob", "$$$blob", "blob", "data"])
LEAVES = st.sampled_from([REFERENCE, _block(), _block(IMAGE * 2), 1, None])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


@given(VALUES)
def test_whatever_is_lifted_is_put_back(value: Any) -> None:
    """Also objects that look like references, at any depth."""
    blocks: dict[str, bytes] = {}
    assert value == insert_blobs(extract_blobs(value, blocks), blocks.__getitem__)
    assert has_blob(value) == bool(blocks)


def _only_blob(folder: Path) -> Path:
    (file,) = (folder / "blobs").iterdir()
    return file


def test_a_missing_blob_is_named_with_its_cassette(tmp_path: Path) -> None:
    """And how to mend it."""
    _cassette(_block()).save(tmp_path / "x.json")
    file = _only_blob(tmp_path)
    file.unlink()
    with pytest.raises(CassetteError) as raised:
        Cassette.load(tmp_path / "x.json")
    assert (
        f"{tmp_path / 'x.json'}: cannot be read as a cassette: interaction 0: its blob {file} cannot be read: No such "
        "file or directory; restore it from version control, or record the test again"
    ) == str(raised.value)


def test_a_blob_that_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """Reading a pipe may never end."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        ValueError, match=r"its blob .*/pipe cannot be read: is not a regular file; restore it from version"
    ):
        BlobFolderReader(tmp_path / "x.json")(".", "pipe")


def test_an_altered_blob_is_named_with_its_cassette_and_is_mended_by_a_recording(tmp_path: Path) -> None:
    """Even one in which nothing else differs."""
    _cassette(_block()).save(tmp_path / "x.json")
    file = _only_blob(tmp_path)
    file.write_bytes(b"other")
    with pytest.raises(CassetteError) as raised:
        Cassette.load(tmp_path / "x.json")
    assert (
        f"{tmp_path / 'x.json'}: cannot be read as a cassette: interaction 0: its blob {file} was altered (its SHA-256 "
        f"is now {hashlib.sha256(b'other').hexdigest()}); restore it from version control, or record the test again"
    ) == str(raised.value)
    assert _cassette(_block()).save(tmp_path / "x.json")
    assert IMAGE == file.read_bytes()


@pytest.mark.parametrize("name", ["../../etc/passwd", 7, "A" * 64])
def test_a_reference_that_is_no_hash_is_refused(tmp_path: Path, name: Any) -> None:
    """So that no cassette reads a file elsewhere."""
    _cassette(_block()).save(tmp_path / "x.json")
    text = (tmp_path / "x.json").read_text()
    written = json.dumps(_only_blob(tmp_path).name)
    (tmp_path / "x.json").write_text(text.replace(written, json.dumps(name)))
    with pytest.raises(CassetteError) as raised:
        Cassette.load(tmp_path / "x.json")
    assert (
        f"{tmp_path / 'x.json'}: cannot be read as a cassette: interaction 0: $blob must be a SHA-256 of 64 lower-case "
        f"hexadecimal digits, not {name!r}"
    ) == str(raised.value)


def test_bytes_alone_cannot_give_what_stands_in_another_file() -> None:
    """Who decodes a file's bytes must say from where blobs are read."""
    encoded = encode_cassette_with_files(METADATA, _cassette(_block()).interactions, "blobs")
    with pytest.raises(ValueError, match="interaction 0: its blob blobs/") as raised:
        decode_metadata_and_interactions(encoded.data)
    (name,) = encoded.shared_files
    assert (f"interaction 0: its blob blobs/{name} is another file; read the cassette from its own path") == str(
        raised.value
    )


def test_a_blob_is_written_before_its_cassette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sees the cassette finds all of it."""
    written = []
    real = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: (written.append(target.name), real(self, target))[1])
    _cassette(_block()).save(tmp_path / "x.json")
    assert [_only_blob(tmp_path).name, "x.json"] == written
    assert IMAGE == BlobFolderReader(tmp_path / "x.json")("blobs", written[0])


def test_a_block_that_is_too_large_to_be_read_again_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the cassette and both sizes."""
    monkeypatch.setattr(blobs, "MAX_BLOB_BYTES", 1000)
    path = tmp_path / "one.json"
    with pytest.raises(CassetteError, match=rf"one\.json was not written: .* {len(IMAGE):,} bytes, and at most 1,000"):
        _cassette(_block()).save(path)
    assert not path.exists()


def test_a_blob_that_git_lfs_has_not_fetched_is_named(tmp_path: Path) -> None:
    """The message says how to fetch it."""
    _cassette(_block()).save(tmp_path / "one.json")
    (blob,) = (tmp_path / "blobs").iterdir()
    blob.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{blob.name}\nsize 9\n")
    with pytest.raises(CassetteError, match=rf"its blob .*{blob.name} cannot be read: .*git lfs pull"):
        Cassette.load(tmp_path / "one.json")
