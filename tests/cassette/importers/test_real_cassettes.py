"""Every real vcrpy cassette at hand, imported and judged by a reader that shares no code with the importer."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flag_harness.cassette import Cassette
from flag_harness.cassette.importers import ImportedCassette, import_cassette
from flag_harness.wire.sse import decode_events
from flag_harness.wire.timeline import Chunk, Head, body

TRAFFIC = Path(__file__).parents[4] / "shared" / "traffic" / "vcrpy"
FILES = sorted(TRAFFIC.rglob("*.yaml"))

pytestmark = pytest.mark.skipif(not FILES, reason=f"no recorded traffic at {TRAFFIC}")


class _Judge(yaml.SafeLoader):
    """PyYAML's own loader; a multidict key is its one argument."""


class _FastJudge(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same over libyaml, whose events the importer reads too: ten times as fast."""


for _loader in (_Judge, _FastJudge):
    _loader.add_multi_constructor(
        "tag:yaml.org,2002:python/object/apply:multidict", lambda loader, _, node: loader.construct_sequence(node)[0]
    )


def _judged(path: Path, judge: type) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """The source's interactions with the API: the row, the request's body and the response's, parsed where parsed."""
    for row in yaml.load(path.read_bytes(), judge)["interactions"]:
        if not row["request"]["uri"].startswith("https://api.anthropic.com/"):
            continue
        yield row, _body(row["request"]), _body(row["response"])


def _body(message: dict[str, Any]) -> Any:
    if "parsed_body" in message:
        return message["parsed_body"]
    content = message["body"]["string"] if isinstance(message["body"], dict) else message["body"]
    data = content if isinstance(content, bytes) else content.encode()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _as_judged(data: bytes, like: Any) -> Any:
    return data if isinstance(like, bytes) else json.loads(data)


@pytest.fixture(scope="module")
def imported() -> dict[Path, ImportedCassette]:
    return {path: import_cassette(path.read_bytes()) for path in FILES}


def test_all_files_are_imported(imported: dict[Path, ImportedCassette]) -> None:
    """350 files, 681 interactions, of which 20 went to other services."""
    kept = sum(len(one.cassette.interactions) for one in imported.values())
    left_out = sum(len(one.skipped_requests) for one in imported.values())
    assert (350, 661, 20) == (len(imported), kept, left_out)
    assert {"vcrpy"} == {one.format for one in imported.values()}


def test_every_decoded_body_equals_that_of_the_source(imported: dict[Path, ImportedCassette], deep: bool) -> None:
    """Both bodies of each interaction, and the method, the path with its query, and the status."""
    count = 0
    for number, (path, found) in enumerate(imported.items()):
        rows = list(_judged(path, _Judge if deep or number % 15 == 0 else _FastJudge))
        assert len(rows) == len(found.cassette.interactions), path
        for (row, asked, answered), one in zip(rows, found.cassette.interactions, strict=True):
            head = one.response[0]
            assert isinstance(head, Head)
            assert (row["request"]["method"], row["response"]["status"]["code"]) == (one.request.method, head.status)
            assert row["request"]["uri"].endswith(one.request.url)
            assert asked == _as_judged(one.request.body, asked), path
            assert answered == _as_judged(body(one.response), answered), path
            count += 1
    assert 661 == count


def test_a_saved_import_loads_as_it_was(imported: dict[Path, ImportedCassette], tmp_path: Path, deep: bool) -> None:
    """Metadata and interactions survive the file, for every fifth of the files."""
    target = tmp_path / "cassette.json"
    for path, found in [*imported.items()][:: 1 if deep else 5]:
        target.unlink(missing_ok=True)
        found.cassette.save(target)
        loaded = Cassette.load(target)
        assert found.cassette.metadata == loaded.metadata, path
        assert found.cassette.interactions == loaded.interactions, path


def test_the_envelope_says_what_is_not_the_apis_own(imported: dict[Path, ImportedCassette]) -> None:
    """The figures of all files, by word."""
    words = Counter(word for one in imported.values() for word in one.cassette.metadata.fidelity)
    assert {
        "timing-invented": 350,
        "response-headers-dropped": 125,
        "chunks-invented": 125,
        "request-reserialised": 99,
        "decompressed": 93,
        "response-reserialised": 92,
        "request-headers-dropped": 11,
        "content-type-invented": 11,
        "interactions-left-out": 13,
    } == words


def test_no_response_claims_a_compression_that_it_no_longer_has(imported: dict[Path, ImportedCassette]) -> None:
    """All were gzip, and gzip is always taken off: a client must not try again."""
    heads = [one.response[0] for found in imported.values() for one in found.cassette.interactions]
    assert [] == [head for head in heads if isinstance(head, Head) and "content-encoding" in dict(head.headers)]


def test_each_chunk_of_a_stream_is_one_event(imported: dict[Path, ImportedCassette]) -> None:
    """Wherever a response has several chunks, each decodes to exactly one event by itself."""
    streams = 0
    for found in imported.values():
        for one in found.cassette.interactions:
            chunks = [piece.data for piece in one.response if isinstance(piece, Chunk)]
            if len(chunks) > 1:
                streams += 1
                assert {1} == {len(list(decode_events([chunk]))) for chunk in chunks}
    assert streams > 200


def test_the_figures_of_the_sources_are_what_the_readme_says() -> None:
    """The corpus holds the hard shapes: parsed bodies, base64 bodies, and keys that are Python objects."""
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    counts = [sum(mark in text for text in texts) for mark in ("parsed_body:", "!!binary", "!!python/object/apply")]
    assert all(count > 0 for count in counts)
