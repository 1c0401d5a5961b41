"""What the cassettes of a matrix have in common, in real files."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.file.format import decode_metadata_and_interactions, encode_cassette_with_files
from flag_harness.cassette.file.parts import MIN_PART_BYTES
from flag_harness.cassette.orphans import find_unused_blobs
from flag_harness.errors import CassetteError
from flag_harness.wire.timeline import Chunk, End, Head, Request

TOOLS = [{"name": f"find_{number}", "description": "Finds what the customer asks for. " * 9} for number in range(4)]
LARGE = "A page of text. " * (MIN_PART_BYTES // 16)
IMAGE = "AAAA" * 2048
"""Base64 that is stored as a blob of its own, within a part."""
NAME = "0" * 64


def _interaction(body: Any, answer: str = "Hello.") -> Interaction:
    data = msgspec.json.encode({"content": [{"type": "text", "text": answer}]})
    request = Request("POST", "/v1/messages", (), msgspec.json.encode(body))
    return Interaction(request, (Head(0.0, 200, ()), Chunk(0.1, data), End(0.2)))


def _cassette(*interactions: Interaction, upstream: Any = "live", combination: str = "streaming") -> Cassette:
    metadata = CassetteMetadata(upstream, "2026-01-02T03:04:05Z", combination=combination)
    return Cassette(metadata, interactions, has_parts=True)


def _save(folder: Path, cassette: Cassette, name: str) -> Path:
    path = folder / "recordings" / "test_it" / f"{name}.json"
    cassette.save(path, folder / "recordings" / "blobs")
    return path


def _parts(folder: Path) -> dict[str, Any]:
    return {file.name: json.loads(file.read_bytes()) for file in (folder / "recordings" / "blobs").iterdir()}


def test_tools_that_many_cassettes_send_are_stored_once(tmp_path: Path) -> None:
    """The other parts of the request, and a live answer, are read in the cassette itself."""
    bodies = {name: {"top_k": name, "tools": TOOLS, "messages": [{"content": "Hi."}]} for name in ("a", "b")}
    paths = [_save(tmp_path, _cassette(_interaction(body, f"Hello {name}.")), name) for name, body in bodies.items()]
    ((name, tools),) = _parts(tmp_path).items()
    assert TOOLS == tools
    for path, body in zip(paths, bodies.values(), strict=True):
        document = json.loads(path.read_bytes())
        assert (2, "../blobs") == (document["envelope"]["format"], document["envelope"]["blobs"])
        (interaction,) = document["interactions"]
        assert {**body, "tools": {"$json": name}} == interaction["request"]["json"]
        assert f"Hello {path.stem}." == interaction["response"]["json"]["content"][0]["text"]
        loaded = Cassette.load(path)
        assert msgspec.json.encode(body) == loaded.interactions[0].request.body
        assert loaded.has_parts


def test_a_simulated_interaction_is_stored_once(tmp_path: Path) -> None:
    """The simulator answers equal requests equally; the interaction refers to the tools that others share."""
    body = {"tools": TOOLS, "messages": [{"content": LARGE}]}
    same = [_interaction(body, LARGE), _interaction({"tools": TOOLS}, LARGE)]
    paths = [_save(tmp_path, _cassette(*same, upstream="simulator", combination=one), one) for one in ("a", "b")]
    assert 4 == len(_parts(tmp_path))
    first, second = (json.loads(path.read_bytes())["interactions"] for path in paths)
    assert first == second
    assert [["$json"]] * 2 == [list(one) for one in first]
    assert [tuple(same)] * 2 == [Cassette.load(path).interactions for path in paths]


def test_rewriting_a_cassette_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    """No part is changed; `prune` removes what nobody refers to any more, and nothing else."""
    one, other = (_interaction({"tools": TOOLS, "system": LARGE + word}, LARGE) for word in ("", "!"))
    image = _interaction({"messages": [{"content": [{"data": IMAGE}] * 20}]}, LARGE)
    paths = [_save(tmp_path, _cassette(one, image, upstream="simulator"), name) for name in ("a", "b")]
    before = _parts_as_bytes(tmp_path)
    _save(tmp_path, _cassette(other, upstream="simulator"), "a")
    assert before.items() <= _parts_as_bytes(tmp_path).items()
    assert [] == find_unused_blobs(tmp_path / "recordings")
    assert (one, image) == Cassette.load(paths[1]).interactions
    _save(tmp_path, _cassette(other, upstream="simulator"), "b")
    unused = find_unused_blobs(tmp_path / "recordings")
    assert 5 == len(unused)
    for file in unused:
        file.unlink()
    assert [(other,)] * 2 == [Cassette.load(path).interactions for path in paths]


def _parts_as_bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / "recordings" / "blobs").iterdir()}


def test_a_loaded_cassette_is_saved_as_it_was_stored(tmp_path: Path) -> None:
    """So does `rebase`; a recording in which only times differ is left alone, however it is stored."""
    path = _save(tmp_path, _cassette(_interaction({"tools": TOOLS})), "a")
    data, loaded = path.read_bytes(), Cassette.load(path)
    changed = replace(loaded, interactions=(_interaction({"tools": TOOLS}, "Bye."),))
    assert changed.save(path)
    assert 1 == len(_parts(tmp_path))
    assert loaded.save(path)
    assert data == path.read_bytes()
    assert not replace(loaded, has_parts=False).save(path)
    assert data == path.read_bytes()


def test_workers_that_write_the_same_part_at_once_agree(tmp_path: Path) -> None:
    """Each finds all of it afterwards."""
    cassette = _cassette(_interaction({"tools": TOOLS, "system": LARGE}, LARGE), upstream="simulator")
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda number: _save(tmp_path, cassette, f"{number}"), range(16)))
    assert 3 == len(_parts(tmp_path))
    assert [cassette.interactions] * 16 == [Cassette.load(path).interactions for path in paths]


def test_what_is_small_stays_in_the_cassette(tmp_path: Path) -> None:
    """It is then a file that older releases read, even if a member of it looks like a reference."""
    small = _cassette(_interaction({"tools": {"$json": NAME}, "other": {"$blob": NAME}}), upstream="simulator")
    path = _save(tmp_path, small, "a")
    assert 1 == json.loads(path.read_bytes())["envelope"]["format"]
    assert not (tmp_path / "recordings" / "blobs").exists()
    assert small.interactions == Cassette.load(path).interactions
    assert not Cassette.load(path).has_parts


def _read_blob(files: dict[str, bytes], folder: str, name: str) -> bytes:
    assert "blobs" == folder
    return files[name]


KEYS = st.sampled_from(["$json", "$$json", "$blob", "tools", "messages"])
LEAVES = st.sampled_from([NAME, LARGE, IMAGE, 1, None])
BODIES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2))


@given(BODIES, st.sampled_from(["live", "simulator"]))
def test_whatever_a_body_holds_is_what_it_was(body: Any, upstream: Any) -> None:
    """Also objects that look like references to parts or blobs, at any depth, in both formats."""
    plain = replace(_interaction({}), request=Request("POST", "/v1/messages", (), b"no JSON"))
    cassette = _cassette(_interaction(body), _interaction({"tools": TOOLS}), plain, upstream=upstream)
    for in_parts in (False, True):
        encoded = encode_cassette_with_files(cassette.metadata, cassette.interactions, "blobs", in_parts=in_parts)
        metadata, interactions = decode_metadata_and_interactions(
            encoded.data, partial(_read_blob, encoded.shared_files)
        )
        assert (cassette.metadata, list(cassette.interactions)) == (metadata, interactions)


def test_a_missing_part_is_named_with_its_cassette(tmp_path: Path) -> None:
    """And how to get it back."""
    path = _save(tmp_path, _cassette(_interaction({"tools": TOOLS})), "a")
    (name,) = _parts(tmp_path)
    shutil.rmtree(tmp_path / "recordings" / "blobs")
    with pytest.raises(CassetteError) as raised:
        Cassette.load(path)
    assert (
        f"{path}: cannot be read as a cassette: interaction 0: its blob {tmp_path / 'recordings' / 'blobs' / name} "
        "cannot be read: No such file or directory; restore it from version control, or record the test again"
    ) == str(raised.value)


@pytest.mark.parametrize("upstream", ["live", "simulator"])
def test_a_reference_that_is_no_hash_is_refused(tmp_path: Path, upstream: Any) -> None:
    """So that no cassette reads a file elsewhere."""
    path = _save(tmp_path, _cassette(_interaction({"tools": TOOLS}), upstream=upstream), "a")
    text = path.read_text()
    start = text.index('"$json": "') + len('"$json": "')
    path.write_text(text[:start] + "../../etc/passwd" + text[start + len(NAME) :])
    with pytest.raises(CassetteError, match=r"\$json must be a SHA-256 of 64 .* digits, not '\.\./\.\./etc/passwd'"):
        Cassette.load(path)
