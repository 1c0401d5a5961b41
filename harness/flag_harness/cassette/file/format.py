"""The cassette's file: indented JSON in which one changed word is one changed line, and each chunk stands on its own.

    {"envelope": {"format": 1, "recorded_at": "...", "upstream": "simulator", ...},
     "interactions": [
       {"request":  {"method": "POST", "path": "/v1/messages", "headers": [["content-type", "..."]], "json": {...}},
        "response": {"head": [0.31, 200], "headers": [...], "chunks": [[0.31, "event: ..."]], "end": [1.2, "end"]}}]}

A body stands under `json`, `text` or `base64`. A response body that is JSON stands whole under `json`, and its chunks
give their lengths in bytes; any other stands in the chunks, as text or as `{"base64": "..."}`. Large blocks of JSON
bodies may be kept apart: see `blobs.py`.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from flag_harness.cassette.file.blobs import BlobReader, holds_block, lifted, put_back
from flag_harness.cassette.file.body import Kind, Stored, restored, stored, stored_text
from flag_harness.cassette.file.layout import laid_out
from flag_harness.cassette.interaction import Envelope, Interaction, UpstreamName
from flag_harness.cassette.match.matching import MatchWord
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request, Response, body

FORMAT = 1


class EnvelopeRow(Struct, forbid_unknown_fields=True):
    format: int
    upstream: UpstreamName
    recorded_at: str
    sdk: str = ""
    case: str = ""
    combination: str = ""
    fidelity: tuple[str, ...] = ()
    match_on: tuple[MatchWord, ...] = ()
    rebased: bool = False
    blobs: str = ""


class RequestRow(Struct, forbid_unknown_fields=True, omit_defaults=True):
    method: str
    path: str
    headers: list[tuple[str, str]]
    json: Any = UNSET
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET


class EncodedBytes(Struct, forbid_unknown_fields=True):
    base64: str


class ResponseRow(Struct, forbid_unknown_fields=True, omit_defaults=True):
    head: tuple[float, int] | None
    headers: list[tuple[str, str]]
    json: Any = UNSET
    chunks: list[tuple[float, str | int | EncodedBytes]] = []
    end: tuple[float, Literal["end", "abandoned", "reset", "eof", "read_timeout", "refused"]] = (0.0, "end")


class InteractionRow(Struct, forbid_unknown_fields=True, omit_defaults=True):
    request: RequestRow
    response: ResponseRow
    case: str = ""
    late: bool = False


class File(Struct, forbid_unknown_fields=True):
    envelope: EnvelopeRow
    interactions: list[msgspec.Raw]
    """Decoded one by one: the values of all bodies at once would keep the garbage collector busy."""


_DECODER = msgspec.json.Decoder(File)
_ROW_DECODER = msgspec.json.Decoder(InteractionRow)
_OMITTED_EMPTY = frozenset({"fidelity", "match_on", "rebased", "blobs"})


def encode_file(envelope: Envelope, interactions: Iterable[Interaction]) -> bytes:
    """The bytes of a cassette's file that holds its large blocks itself."""
    return _encoded(envelope, _rows(interactions), "")


def encode_files(envelope: Envelope, interactions: Iterable[Interaction], blobs: str) -> tuple[bytes, dict[str, bytes]]:
    """The bytes of a cassette's file, and those of the blocks kept apart, by SHA-256, in the folder `blobs`.

    `blobs` is relative to the cassette's own folder. It is named only where there are such blocks.
    """
    rows = _rows(interactions)
    bodies = (side for row in rows for side in (row.request, row.response) if side.json is not UNSET)
    with_json = [side for side in bodies if isinstance(side.json, (dict, list, str))]
    blocks: dict[str, bytes] = {}
    if not any(holds_block(side.json) for side in with_json):
        return _encoded(envelope, rows, ""), blocks
    for side in with_json:
        side.json = lifted(side.json, blocks)
    return _encoded(envelope, rows, blobs), blocks


def decode_file(data: bytes, read_blob: BlobReader | None = None) -> tuple[Envelope, list[Interaction]]:
    """What a cassette's file holds. Raises `ValueError` saying where and why it cannot be understood.

    `read_blob` gives the blocks that are kept apart: see `blobs.beside`.
    """
    file = _DECODER.decode(data)
    if file.envelope.format != FORMAT:
        raise ValueError(f"format {file.envelope.format} is not known here (this version reads format {FORMAT})")
    envelope = Envelope(**{name: getattr(file.envelope, name) for name in Envelope.__slots__})
    blobs = file.envelope.blobs
    return envelope, [_interaction(number, raw, blobs, read_blob) for number, raw in enumerate(file.interactions)]


def _rows(interactions: Iterable[Interaction]) -> list[InteractionRow]:
    return [
        InteractionRow(_request_row(one.request), _response_row(one.response), one.case, one.late)
        for one in interactions
    ]


def _encoded(envelope: Envelope, rows: list[InteractionRow], blobs: str) -> bytes:
    fields = {name: getattr(envelope, name) for name in Envelope.__slots__}
    row = EnvelopeRow(FORMAT, blobs=blobs, **fields)
    known = {name: value for name, value in msgspec.to_builtins(row).items() if name not in _OMITTED_EMPTY or value}
    document = {"envelope": dict(sorted(known.items())), "interactions": msgspec.to_builtins(rows)}
    return laid_out(document).encode("utf-8") + b"\n"


def _put_back(row: InteractionRow, folder: str, read_blob: BlobReader | None) -> None:
    """Put the blocks back into an interaction."""

    def read(name: str) -> bytes:
        if read_blob is None:
            raise ValueError(f"its blob {folder}/{name} stands in another file; read the cassette from where it stands")
        return read_blob(folder, name)

    for side in (row.request, row.response):
        side.json = put_back(side.json, read)


def _request_row(request: Request) -> RequestRow:
    row = RequestRow(request.method, request.path, list(request.headers))
    if request.body:
        body_row = stored(request.body)
        setattr(row, body_row.kind, body_row.value)
    return row


def _response_row(response: Response) -> ResponseRow:
    head = response[0] if isinstance(response[0], Head) else None
    row = ResponseRow((head.at, head.status) if head else None, list(head.headers) if head else [])
    chunks = [piece for piece in response if isinstance(piece, Chunk)]
    whole = stored(body(response)) if chunks else Stored("text", "")
    if whole.kind == "json":
        row.json = whole.value
        row.chunks = [(chunk.at, len(chunk.data)) for chunk in chunks]
    else:
        row.chunks = [(chunk.at, _part(chunk.data)) for chunk in chunks]
    row.end = _end_row(response[-1])
    return row


def _part(data: bytes) -> str | EncodedBytes:
    part = stored_text(data)
    return part.value if part.kind == "text" else EncodedBytes(part.value)


def _end_row(piece: Piece) -> tuple[float, Any]:
    if isinstance(piece, Cut):
        return piece.at, piece.how
    return piece.at, "abandoned" if isinstance(piece, End) and piece.abandoned else "end"


def _interaction(number: int, raw: msgspec.Raw, blobs: str, read_blob: BlobReader | None) -> Interaction:
    try:
        row = _ROW_DECODER.decode(raw)
        if blobs:
            _put_back(row, blobs, read_blob)
        asked = row.request
        body_bytes = next((restored(kind, value) for kind, value in _bodies(asked)), b"")
        request = Request(asked.method, asked.path, tuple(asked.headers), body_bytes)
        return Interaction(request, tuple(_pieces(row.response)), row.case, row.late)
    except ValueError as error:
        raise ValueError(f"interaction {number}: {error}") from None


def _bodies(row: RequestRow) -> Iterator[tuple[Kind, Any]]:
    kinds: tuple[Kind, ...] = ("json", "text", "base64")
    return ((kind, value) for kind in kinds if (value := getattr(row, kind)) is not UNSET)


def _pieces(row: ResponseRow) -> Iterator[Piece]:
    if row.head is not None:
        yield Head(*row.head, tuple(row.headers))
    yield from _whole_chunks(row) if row.json is not UNSET else _text_chunks(row)
    at, how = row.end
    yield End(at, how == "abandoned") if how == "end" or how == "abandoned" else Cut(at, how)


def _whole_chunks(row: ResponseRow) -> Iterator[Chunk]:
    data = restored("json", row.json)
    starts = [0]
    for _, length in row.chunks:
        if not isinstance(length, int):
            raise ValueError(f"a chunk of a JSON body must be its length in bytes, not {length!r:.40}")  # noqa: TRY004
        starts.append(starts[-1] + length)
    if starts[-1] != len(data):
        raise ValueError(
            f"the chunks hold {starts[-1]} bytes, the JSON body {len(data)}: it was edited; fix the lengths"
        )
    return (Chunk(at, data[start:stop]) for (at, _), (start, stop) in zip(row.chunks, pairwise(starts), strict=True))


def _text_chunks(row: ResponseRow) -> Iterator[Chunk]:
    for at, part in row.chunks:
        if isinstance(part, int):
            raise ValueError(f"chunk length {part} stands without a JSON body")  # noqa: TRY004 - a value from a file
        yield Chunk(at, part.encode("utf-8") if isinstance(part, str) else restored("base64", part.base64))
