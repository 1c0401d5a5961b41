"""Encode and decode cassette files: indented JSON, in which a changed word changes only one line.

    {"envelope": {"format": 1, "recorded_at": "...", "upstream": "simulator", ...},
     "interactions": [
       {"request":  {"method": "POST", "path": "/v1/messages", "headers": [["content-type", "..."]], "json": {...}},
        "response": {"head": [0.31, 200], "headers": [...], "chunks": [[0.31, "event: ..."]], "end": [1.2, "end"]}}]}

A request body is stored under `json`, `text` or `base64`. A JSON response body is stored whole under `json`, and
`chunks` holds the length of each chunk in bytes. Any other response body is stored in `chunks`, as text or
`{"base64": "..."}`, with a line for each chunk. Large base64 strings may be stored in their own files: see `blobs.py`.
So may be what several cassettes have in common, in format 2: see `parts.py`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import UNSET

from flag_harness.cassette.file.blobs import BlobReader, extract_blobs, has_blob
from flag_harness.cassette.file.body import BodyForm, EncodedBody, decode_body, encode_body, encode_chunk
from flag_harness.cassette.file.layout import format_json
from flag_harness.cassette.file.parts import (
    extract_body_parts,
    extract_large_value,
    sha256_of_interaction_reference,
)
from flag_harness.cassette.file.references import (
    FORMAT_VERSION_WITH_PARTS,
    ReferencedFileReader,
    insert_referenced_files,
)
from flag_harness.cassette.file.rows import (
    CassetteFile,
    EncodedBytes,
    StoredInteraction,
    StoredMetadata,
    StoredRequest,
    StoredResponse,
)
from flag_harness.cassette.interaction import CassetteMetadata, Interaction
from flag_harness.files import refuse_lfs_pointer
from flag_harness.wire.compression import check_decompressed_sizes
from flag_harness.wire.json import MAX_JSON_NESTING
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request, Response, body

FORMAT_VERSION = 1

CASSETTE_FILE_DECODER = msgspec.json.Decoder(CassetteFile)
_INTERACTION_DECODER = msgspec.json.Decoder(StoredInteraction)
_RESPONSE_DECODER = msgspec.json.Decoder(StoredResponse)
_KEYS_OMITTED_IF_EMPTY = frozenset({"fidelity", "match_on", "rebased", "excluded_from_effects", "blobs"})


@dataclass(frozen=True, slots=True)
class EncodedCassette:
    """The bytes of a cassette file, and of the files to which it refers, by SHA-256.

    `has_parts` is True if some of these files are parts, which other cassettes may refer to, too.
    """

    data: bytes
    shared_files: dict[str, bytes]
    has_parts: bool


def encode_cassette_in_one_file(metadata: CassetteMetadata, interactions: Iterable[Interaction]) -> bytes:
    """Encode a cassette as one file. Large base64 strings (blobs) are part of it."""
    return _encode_document(FORMAT_VERSION, metadata, msgspec.to_builtins(_to_stored_interactions(interactions)), "")


def encode_cassette_with_files(
    metadata: CassetteMetadata, interactions: Iterable[Interaction], blob_folder: str, *, in_parts: bool = False
) -> EncodedCassette:
    """Encode a cassette as one file and, for its large values, further files that it refers to by their SHA-256.

    Large base64 strings (blobs) are always stored in files of their own. With `in_parts`, so are other large values
    that several cassettes may share (parts). `blob_folder` is the folder of these files, relative to the cassette's
    folder; the cassette names it only if it refers to a file in it.
    """
    rows = _to_stored_interactions(interactions)
    files: dict[str, bytes] = {}
    if not any(has_blob(side.json) for side in _messages_with_json_body(rows)) and not in_parts:
        return EncodedCassette(_encode_document(FORMAT_VERSION, metadata, msgspec.to_builtins(rows), ""), files, False)
    for side in _messages_with_json_body(rows):
        side.json = extract_blobs(side.json, files)
    documents = msgspec.to_builtins(rows)
    if not in_parts:
        return EncodedCassette(_encode_document(FORMAT_VERSION, metadata, documents, blob_folder), files, False)
    parts: dict[str, bytes] = {}
    documents = [_extract_parts(one, metadata.upstream, parts) for one in documents]
    if not parts:
        return encode_cassette_with_files(metadata, interactions, blob_folder)
    return EncodedCassette(
        _encode_document(FORMAT_VERSION_WITH_PARTS, metadata, documents, blob_folder), {**files, **parts}, True
    )


def _messages_with_json_body(rows: list[StoredInteraction]) -> list[StoredRequest | StoredResponse]:
    """Return the requests and responses whose body is stored as a JSON object, list or string."""
    sides = (side for row in rows for side in (row.request, row.response))
    return [side for side in sides if isinstance(side.json, (dict, list, str))]


def _extract_parts(document: dict[str, Any], upstream: str, part_by_sha256: dict[str, bytes]) -> dict[str, Any]:
    """Move values that other cassettes may share to `part_by_sha256`, and put references in their place.

    An interaction with the simulator is moved as a whole, because equal requests have equal answers. Of an interaction
    with the live API, only the request body is searched, because no two answers are equal.
    """
    request = document["request"]
    if "json" in request:
        request["json"] = extract_body_parts(request["json"], part_by_sha256)
    return extract_large_value(document, part_by_sha256) if upstream == "simulator" else document


@dataclass(frozen=True, slots=True)
class DecodedCassette:
    """The content of a cassette file. `has_parts` is True if it refers to parts: values shared with other cassettes."""

    metadata: CassetteMetadata
    interactions: list[Interaction]
    has_parts: bool


def decode_metadata_and_interactions(
    data: bytes, read_blob: BlobReader | None = None
) -> tuple[CassetteMetadata, list[Interaction]]:
    """Decode the metadata and interactions of a cassette file, as `decode_cassette` does."""
    cassette = decode_cassette(data, read_blob)
    return cassette.metadata, cassette.interactions


def decode_cassette(data: bytes, read_blob: BlobReader | None = None) -> DecodedCassette:
    """Decode a cassette file. If it is invalid, raise `ValueError` naming the interaction and the reason.

    `read_blob` reads the files to which the cassette refers, as a `BlobFolderReader` does.
    """
    refuse_lfs_pointer(data)
    with raise_value_error_if_nested_too_deep():
        file = CASSETTE_FILE_DECODER.decode(data)
        del data  # only the raw interactions keep it, so it is gone once the last of them is decoded
        rows: list[bytes] = list(file.interactions[::-1])
        file.interactions.clear()
        return decode_interactions(file.metadata, ([rows.pop()] for _ in range(len(rows))), read_blob)


@contextmanager
def raise_value_error_if_nested_too_deep() -> Iterator[None]:
    """A context in which JSON that is nested too deep raises `ValueError` instead of `RecursionError`."""
    try:
        yield
    except RecursionError:
        raise ValueError(f"its values are nested too deeply: {MAX_JSON_NESTING} levels are read in any case") from None


def encode_response(response: Response) -> bytes:
    """Encode one response as one line of JSON, which `decode_response` decodes."""
    return msgspec.json.encode(_to_stored_response(response))


def decode_response(data: bytes) -> Response:
    """Decode the result of `encode_response`. Raise `ValueError` if it is invalid."""
    return tuple(_decode_pieces(_RESPONSE_DECODER.decode(data)))


def decode_interactions(
    stored: StoredMetadata, rows: Iterator[list[bytes]], read_blob: BlobReader | None
) -> DecodedCassette:
    """Decode the interactions of a cassette file, whose metadata is `stored`. `read_blob` reads separate files.

    Each of `rows` is a list with one item, raw JSON, which is removed from the list to free its memory.
    """
    metadata = metadata_from_stored(stored)
    store = ReferencedFileReader(stored, read_blob)
    interactions = [decode_interaction(number, row, store) for number, row in enumerate(rows)]
    check_decompressed_sizes([one.response for one in interactions])
    return DecodedCassette(metadata, interactions, store.has_parts)


def metadata_from_stored(stored: StoredMetadata) -> CassetteMetadata:
    """Return the metadata of a cassette file. Raise `ValueError` if its format is unknown."""
    if stored.format not in (FORMAT_VERSION, FORMAT_VERSION_WITH_PARTS):
        known = f"formats {FORMAT_VERSION} and {FORMAT_VERSION_WITH_PARTS}"
        raise ValueError(f"format {stored.format} is unknown (this version reads {known})")
    return CassetteMetadata(**{name: getattr(stored, name) for name in CassetteMetadata.__slots__})


def _to_stored_interactions(interactions: Iterable[Interaction]) -> list[StoredInteraction]:
    return [
        StoredInteraction(_to_stored_request(one.request), _to_stored_response(one.response), one.case, one.in_teardown)
        for one in interactions
    ]


def _encode_document(format_version: int, metadata: CassetteMetadata, interactions: Any, blob_folder: str) -> bytes:
    fields = {name: getattr(metadata, name) for name in CassetteMetadata.__slots__}
    row = StoredMetadata(format_version, blobs=blob_folder, **fields)
    known = {
        name: value for name, value in msgspec.to_builtins(row).items() if name not in _KEYS_OMITTED_IF_EMPTY or value
    }
    document = {"envelope": dict(sorted(known.items())), "interactions": interactions}
    return format_json(document).encode("utf-8") + b"\n"


def _to_stored_request(request: Request) -> StoredRequest:
    row = StoredRequest(request.method, request.path, list(request.headers))
    if request.body:
        encoded = encode_body(request.body)
        setattr(row, encoded.form, encoded.value)
    return row


def _to_stored_response(response: Response) -> StoredResponse:
    head = response[0] if isinstance(response[0], Head) else None
    row = StoredResponse((head.at, head.status) if head else None, list(head.headers) if head else [])
    chunks = [piece for piece in response if isinstance(piece, Chunk)]
    whole = encode_body(body(response)) if chunks else EncodedBody("text", "")
    if whole.form == "json":
        row.json = whole.value
        row.chunks = [(chunk.at, len(chunk.data)) for chunk in chunks]
    else:
        row.chunks = [(chunk.at, _encode_chunk_value(chunk.data)) for chunk in chunks]
    row.end = _encode_response_end(response[-1])
    return row


def _encode_chunk_value(data: bytes) -> str | EncodedBytes:
    part = encode_chunk(data)
    return part.value if part.form == "text" else EncodedBytes(part.value)


def _encode_response_end(piece: Piece) -> tuple[float, Any]:
    """Return `(time in seconds, how it ended)` for the last piece of a response, as a cassette file stores them."""
    if isinstance(piece, Cut):
        return piece.at, piece.kind
    return piece.at, "abandoned" if isinstance(piece, End) and piece.is_abandoned else "end"


def decode_interaction(number: int, row_in_list: list[bytes], file_reader: ReferencedFileReader) -> Interaction:
    """Decode the stored interaction with the index `number`, and remove it from `row_in_list` to free its memory.

    `file_reader` reads separate files. Raise `ValueError` if the interaction is invalid.
    """
    raw = row_in_list.pop()
    try:
        if file_reader.has_parts and (name := sha256_of_interaction_reference(raw)) is not None:
            raw = file_reader.read_file_content(name)
        row = _INTERACTION_DECODER.decode(raw)
        del raw
        if file_reader.has_references:
            insert_referenced_files(row, file_reader)
        request_row = row.request
        body_bytes = next((decode_body(form, value) for form, value in _body_fields(request_row)), b"")
        request = Request(request_row.method, request_row.path, tuple(request_row.headers), body_bytes)
        return Interaction(request, tuple(_decode_pieces(row.response)), row.case, row.in_teardown)
    except ValueError as error:
        raise ValueError(f"interaction {number}: {error}") from None


def _body_fields(row: StoredRequest) -> Iterator[tuple[BodyForm, Any]]:
    """Yield the form (`json`, `text` or `base64`) and value of a stored body. Yield nothing for an empty body."""
    forms: tuple[BodyForm, ...] = ("json", "text", "base64")
    return ((form, value) for form in forms if (value := getattr(row, form)) is not UNSET)


def _decode_pieces(row: StoredResponse) -> Iterator[Piece]:
    if row.head is not None:
        yield Head(*row.head, tuple(row.headers))
    yield from _chunks_of_json_body(row) if row.json is not UNSET else _chunks_of_other_body(row)
    at, how = row.end
    yield End(at, how == "abandoned") if how == "end" or how == "abandoned" else Cut(at, how)


def _chunks_of_json_body(row: StoredResponse) -> Iterator[Chunk]:
    """Yield the chunks of a response body that is stored as one JSON value, split at the recorded lengths."""
    data = decode_body("json", row.json)
    starts = [0]
    for _, length in row.chunks:
        if not isinstance(length, int):
            raise ValueError(f"a chunk of a JSON body must be its length in bytes, not {length!r:.40}")  # noqa: TRY004
        starts.append(starts[-1] + length)
    if starts[-1] != len(data):
        raise ValueError(
            f"the chunks hold {starts[-1]} bytes, the JSON body {len(data)}: the file was edited; correct the lengths"
        )
    return (Chunk(at, data[start:stop]) for (at, _), (start, stop) in zip(row.chunks, pairwise(starts), strict=True))


def _chunks_of_other_body(row: StoredResponse) -> Iterator[Chunk]:
    """Yield the chunks of a body that is stored chunk by chunk; remove them from the row to free their memory."""
    row.chunks.reverse()
    while row.chunks:  # a million chunks are not kept twice
        at, part = row.chunks.pop()
        if isinstance(part, int):
            raise ValueError(f"chunk length {part} has no JSON body to refer to")  # noqa: TRY004 - a value from a file
        yield Chunk(at, part.encode("utf-8") if isinstance(part, str) else decode_body("base64", part.base64))
