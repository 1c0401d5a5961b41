"""Decompress compressed responses, and name the encodings that cannot be decompressed."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from flag_harness.wire.compression.decompressor import Decompressor, decoder_factories, max_decompressed_size
from flag_harness.wire.timeline import Chunk, End, Head, Piece, Response, body, header_value

_ENCODINGS_WITH_DEFLATE = frozenset({"gzip", "x-gzip", "deflate"})
_PACKAGE_BY_ENCODING = {"br": "brotli", "zstd": "zstandard"}
_MAX_DEFLATE_RATIO = 1032
"""The largest factor by which deflate, which gzip uses too, can shrink data in one pass."""


def decompress_response(response: Response) -> Response:
    """Return the response with its body decompressed and without `content-encoding`.

    The response is returned unchanged if its body cannot be decompressed, or would exceed `max_decompressed_size`. gzip
    and deflate are always supported; br and zstd need the packages `brotli` and `zstandard`. A response that was cut
    off is decompressed as far as it arrived.
    """
    encodings = _content_encodings(response)
    if not encodings:
        return response
    is_whole = isinstance(last := response[-1], End) and not last.is_abandoned
    chunks: list[bytes] | None = [piece.data for piece in response if isinstance(piece, Chunk)]
    for encoding in reversed(encodings):
        chunks = chunks and _decompress_chunks(encoding, chunks, is_whole)
    plain_chunks = iter(chunks or ())
    return response if chunks is None else tuple(_make_uncompressed_piece(piece, plain_chunks) for piece in response)


def unreadable_encodings(response: Response) -> str:
    """Return the response's content encodings as text if its body cannot be decompressed, or an empty string if it can.

    A plain text body can be read even if its header wrongly says that it is compressed.
    """
    plain = decompress_response(response)
    if not (encodings := _content_encodings(plain)):
        return ""
    with suppress(UnicodeDecodeError):
        body(plain).decode("utf-8")
        return ""
    return ", ".join(encodings)


def missing_decompression_package(response: Response) -> str:
    """Return the package to install so that the response can be decompressed, or an empty string if none is missing."""
    missing = [
        _PACKAGE_BY_ENCODING[name]
        for name in _content_encodings(response)
        if name in _PACKAGE_BY_ENCODING and not decoder_factories(name)
    ]
    return missing[-1] if missing and unreadable_encodings(response) else ""


def check_decompressed_sizes(responses: Sequence[Response], first_index: int = 0) -> None:
    """Raise `ValueError` if the decompressed sizes of a cassette's responses add up to more than is allowed.

    The limit is `max_decompressed_size` of the sum of their compressed sizes. The message has the index of the
    interaction with which the sum exceeds the limit; that of the first response is `first_index`.
    """
    compressed = [number for number, response in enumerate(responses) if _content_encodings(response)]
    size = sum(len(body(responses[number])) for number in compressed)
    limit = left = max_decompressed_size(size)
    if size * _MAX_DEFLATE_RATIO <= limit and all(
        _is_encoded_once_with_deflate(responses[number]) for number in compressed
    ):
        return
    for number in compressed:
        left -= _size_after_decompression(responses[number], left)
        if left < 0:
            raise ValueError(
                f"interaction {first_index + number}: the compressed bodies have more than {limit:,} bytes once "
                "decompressed, the most that is read; record it without compression"
            )


def _is_encoded_once_with_deflate(response: Response) -> bool:
    encodings = _content_encodings(response)
    return len(encodings) == 1 and encodings[0] in _ENCODINGS_WITH_DEFLATE


def _size_after_decompression(response: Response, limit: int) -> int:
    """Return the size of a body after decompression, or 0 if it cannot be decompressed.

    Decompression stops once the size is above `limit`; the result is then a number above `limit`, not the real size.
    """
    data = body(response)
    for encoding in reversed(_content_encodings(response)):
        plain = None
        for codec in decoder_factories(encoding):
            try:
                plain = Decompressor(codec, limit=limit).decompress(data)
                break
            except ValueError:
                continue
            except OverflowError:
                return limit + 1
        if plain is None:
            return 0
        data = plain
    return len(data)


def _content_encodings(response: Response) -> list[str]:
    """Return the content encodings of a response's body, in the order in which the server applied them."""
    head = response[0] if response else None
    named = header_value(head.headers, "content-encoding") if isinstance(head, Head) else ""
    return [name for one in named.split(",") if (name := one.strip().lower()) not in ("", "identity")]


def _make_uncompressed_piece(piece: Piece, plain_chunks: Iterator[bytes]) -> Piece:
    """Return a piece of a compressed response as it would be without compression.

    A chunk gets the next item of `plain_chunks` as its data, and a head loses its `content-encoding`. Any other piece
    is returned unchanged.
    """
    if isinstance(piece, Head):
        headers = tuple(pair for pair in piece.headers if pair[0].lower() != "content-encoding")
        return replace(piece, headers=headers)
    return replace(piece, data=next(plain_chunks)) if isinstance(piece, Chunk) else piece


def _decompress_chunks(encoding: str, chunks: list[bytes], is_whole: bool) -> list[bytes] | None:
    """Return the chunks of one body after decompression. `is_whole` says that no chunk is missing at the end.

    Return None if the encoding is unknown, the bytes are not in this encoding, or the result would be too large.
    """
    limit = max_decompressed_size(sum(map(len, chunks)))
    for codec in decoder_factories(encoding):
        decompressor = Decompressor(codec, limit=limit)
        with suppress(ValueError, OverflowError):
            plain = [decompressor.decompress(chunk) for chunk in chunks]
            if decompressor.is_finished or not is_whole:
                return plain
    return None
