"""Encode and decode cassette files: indented JSON, in which a changed word changes only one line.

    {"envelope": {"format": 1, "recorded_at": "...", "upstream": "simulator", ...},
     "interactions": [
       {"request":  {"method": "POST", "path": "/v1/messages", "headers": [["content-type", "..."]], "json": {...}},
        "response": {"head": [0.31, 200], "headers": [...], "chunks": [[0.31, "event: ..."]], "end": [1.2, "end"]}}]}

A request body is stored under `json`, `text` or `base64`. A JSON response body is stored whole under `json`, and
`chunks` holds the length of each chunk in bytes. Any other response body is stored in `chunks`, as text or
`{"base64": "..."}`, with a line for each chunk. Large base64 strings may be stored in their own files: see `blobs.py`.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from flag_harness.cassette.file.blobs import BlobReader, extract_blobs, has_blob, insert_blobs
from flag_harness.cassette.file.body import BodyForm, EncodedBody, decode_body, encode_body, encode_chunk
from flag_harness.cassette.file.layout import format_json
from flag_harness.cassette.interaction import Envelope, Interaction
from flag_harness.cassette.match.matching import MatchPart
from flag_harness.files import refuse_lfs_pointer
from flag_harness.wire.compression import check_decompressed_sizes
from flag_harness.wire.json import DEPTH_LIMIT
from flag_harness.wire.origin import UpstreamName
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request, Response, body

FORMAT = 1


class StoredEnvelope(Struct, forbid_unknown_fields=True):
    format: int
    upstream: UpstreamName
    recorded_at: str
    sdk: str = ""
    case: str = ""
    combination: str = ""
    fidelity: tuple[str, ...] = ()
    match_on: tuple[MatchPart, ...] = ()
    rebased: bool = False
    excluded_from_effects: str = ""
    blobs: str = ""


class StoredRequest(Struct, forbid_unknown_fields=True, omit_defaults=True):
    method: str
    path: str
    headers: list[tuple[str, str]]
    json: Any = UNSET
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET


class EncodedBytes(Struct, forbid_unknown_fields=True):
    base64: str


class StoredResponse(Struct, forbid_unknown_fields=True, omit_defaults=True):
    head: tuple[float, int] | None
    headers: list[tuple[str, str]]
    json: Any = UNSET
    chunks: list[tuple[float, str | int | EncodedBytes]] = []
    end: tuple[float, Literal["end", "abandoned", "reset", "eof", "read_timeout", "refused"]] = (0.0, "end")


class StoredInteraction(Struct, forbid_unknown_fields=True, omit_defaults=True):
    request: StoredRequest
    response: StoredResponse
    case: str = ""
    late: bool = False


class CassetteFile(Struct, forbid_unknown_fields=True):
    envelope: StoredEnvelope
    interactions: list[msgspec.Raw]
    """The interactions as raw JSON, decoded one by one to spare the garbage collector."""


_FILE_DECODER = msgspec.json.Decoder(CassetteFile)
_INTERACTION_DECODER = msgspec.json.Decoder(StoredInteraction)
_OMITTED_IF_EMPTY = frozenset({"fidelity", "match_on", "rebased", "excluded_from_effects", "blobs"})


def encode_file(envelope: Envelope, interactions: Iterable[Interaction]) -> bytes:
    """Encode a cassette as one file that contains its blobs."""
    return _encode_document(envelope, _stored_interactions(interactions), "")


def encode_files(envelope: Envelope, interactions: Iterable[Interaction], blobs: str) -> tuple[bytes, dict[str, bytes]]:
    """Encode a cassette; return the bytes of its file, and its blobs by their SHA-256.

    `blobs` is the blob folder, relative to the cassette's folder; the file names it only if there are blobs.
    """
    rows = _stored_interactions(interactions)
    bodies = (side for row in rows for side in (row.request, row.response) if side.json is not UNSET)
    with_json = [side for side in bodies if isinstance(side.json, (dict, list, str))]
    blocks: dict[str, bytes] = {}
    if not any(has_blob(side.json) for side in with_json):
        return _encode_document(envelope, rows, ""), blocks
    for side in with_json:
        side.json = extract_blobs(side.json, blocks)
    return _encode_document(envelope, rows, blobs), blocks


def decode_file(data: bytes, read_blob: BlobReader | None = None) -> tuple[Envelope, list[Interaction]]:
    """Decode a cassette file. If it is invalid, raise `ValueError` naming the interaction and the reason.

    `read_blob` reads the blobs to which the file refers: see `blobs.BlobFolderReader`.
    """
    refuse_lfs_pointer(data)
    try:
        file = _FILE_DECODER.decode(data)
        del data  # only the raw interactions keep it, so it is gone once the last of them is decoded
        return _decode_content(file, read_blob)
    except RecursionError:
        raise ValueError(f"its values are nested too deeply: {DEPTH_LIMIT} levels are read in any case") from None


def _decode_content(file: CassetteFile, read_blob: BlobReader | None) -> tuple[Envelope, list[Interaction]]:
    if file.envelope.format != FORMAT:
        raise ValueError(f"format {file.envelope.format} is unknown (this version reads format {FORMAT})")
    envelope = Envelope(**{name: getattr(file.envelope, name) for name in Envelope.__slots__})
    blobs = file.envelope.blobs
    rows = file.interactions[::-1]
    file.interactions.clear()
    interactions = [_decode_interaction(number, rows.pop(), blobs, read_blob) for number in range(len(rows))]
    check_decompressed_sizes([one.response for one in interactions])
    return envelope, interactions


def _stored_interactions(interactions: Iterable[Interaction]) -> list[StoredInteraction]:
    return [
        StoredInteraction(_stored_request(one.request), _stored_response(one.response), one.case, one.late)
        for one in interactions
    ]


def _encode_document(envelope: Envelope, rows: list[StoredInteraction], blobs: str) -> bytes:
    fields = {name: getattr(envelope, name) for name in Envelope.__slots__}
    row = StoredEnvelope(FORMAT, blobs=blobs, **fields)
    known = {name: value for name, value in msgspec.to_builtins(row).items() if name not in _OMITTED_IF_EMPTY or value}
    document = {"envelope": dict(sorted(known.items())), "interactions": msgspec.to_builtins(rows)}
    return format_json(document).encode("utf-8") + b"\n"


def _insert_blobs(row: StoredInteraction, folder: str, read_blob: BlobReader | None) -> None:
    """Replace each blob reference in an interaction by the blob."""

    def read(name: str) -> bytes:
        if read_blob is None:
            raise ValueError(f"its blob {folder}/{name} is another file; read the cassette from its own path")
        return read_blob(folder, name)

    for side in (row.request, row.response):
        side.json = insert_blobs(side.json, read)


def _stored_request(request: Request) -> StoredRequest:
    row = StoredRequest(request.method, request.path, list(request.headers))
    if request.body:
        encoded = encode_body(request.body)
        setattr(row, encoded.form, encoded.value)
    return row


def _stored_response(response: Response) -> StoredResponse:
    head = response[0] if isinstance(response[0], Head) else None
    row = StoredResponse((head.at, head.status) if head else None, list(head.headers) if head else [])
    chunks = [piece for piece in response if isinstance(piece, Chunk)]
    whole = encode_body(body(response)) if chunks else EncodedBody("text", "")
    if whole.form == "json":
        row.json = whole.value
        row.chunks = [(chunk.at, len(chunk.data)) for chunk in chunks]
    else:
        row.chunks = [(chunk.at, _encode_chunk_value(chunk.data)) for chunk in chunks]
    row.end = _encode_end(response[-1])
    return row


def _encode_chunk_value(data: bytes) -> str | EncodedBytes:
    part = encode_chunk(data)
    return part.value if part.form == "text" else EncodedBytes(part.value)


def _encode_end(piece: Piece) -> tuple[float, Any]:
    """Return the time and manner in which a response ended, given its last piece, in the file's format."""
    if isinstance(piece, Cut):
        return piece.at, piece.how
    return piece.at, "abandoned" if isinstance(piece, End) and piece.abandoned else "end"


def _decode_interaction(number: int, raw: msgspec.Raw, blobs: str, read_blob: BlobReader | None) -> Interaction:
    try:
        row = _INTERACTION_DECODER.decode(raw)
        del raw
        if blobs:
            _insert_blobs(row, blobs, read_blob)
        request_row = row.request
        body_bytes = next((decode_body(form, value) for form, value in _stored_body_values(request_row)), b"")
        request = Request(request_row.method, request_row.path, tuple(request_row.headers), body_bytes)
        return Interaction(request, tuple(_decode_pieces(row.response)), row.case, row.late)
    except ValueError as error:
        raise ValueError(f"interaction {number}: {error}") from None


def _stored_body_values(row: StoredRequest) -> Iterator[tuple[BodyForm, Any]]:
    forms: tuple[BodyForm, ...] = ("json", "text", "base64")
    return ((form, value) for form in forms if (value := getattr(row, form)) is not UNSET)


def _decode_pieces(row: StoredResponse) -> Iterator[Piece]:
    if row.head is not None:
        yield Head(*row.head, tuple(row.headers))
    yield from _json_chunks(row) if row.json is not UNSET else _text_chunks(row)
    at, how = row.end
    yield End(at, how == "abandoned") if how == "end" or how == "abandoned" else Cut(at, how)


def _json_chunks(row: StoredResponse) -> Iterator[Chunk]:
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


def _text_chunks(row: StoredResponse) -> Iterator[Chunk]:
    for at, part in row.chunks:
        if isinstance(part, int):
            raise ValueError(f"chunk length {part} has no JSON body to refer to")  # noqa: TRY004 - a value from a file
        yield Chunk(at, part.encode("utf-8") if isinstance(part, str) else decode_body("base64", part.base64))
