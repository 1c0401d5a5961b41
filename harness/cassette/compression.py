"""Compressed responses, read as what they say."""

import zlib
from dataclasses import replace

from harness.wire.timeline import Chunk, Head, Response, header

_FORMATS = {"gzip": (zlib.MAX_WBITS | 16,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""The window bits under which zlib reads each encoding; servers send `deflate` with and without zlib's header."""


def uncompressed(response: Response) -> Response:
    """The response with its chunks decompressed (gzip, deflate), each where it stood.

    A response that says no such thing of itself, or is not what it says, is given back as it is.
    """
    head = response[0] if response else None
    if not isinstance(head, Head):
        return response
    for window in _FORMATS.get(header(head.headers, "content-encoding").lower(), ()):
        inflate = zlib.decompressobj(window)
        try:
            rest = [_inflated(inflate, piece) if isinstance(piece, Chunk) else piece for piece in response[1:]]
        except zlib.error:
            continue
        plain = tuple(pair for pair in head.headers if pair[0].lower() != "content-encoding")
        return (replace(head, headers=plain), *rest)
    return response


def _inflated(inflate: "zlib._Decompress", chunk: Chunk) -> Chunk:
    return replace(chunk, data=inflate.decompress(chunk.data))
