"""Compressed bodies: taken off, already taken off, unreadable, and too large."""

import gzip
import sys
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette.importers.encodings import BodyDecoder

JSON = b'{"type":"message","text":"' + bytes(range(97, 123)) * 20 + b'"}'
PLAIN = (("content-type", "application/json"),)


def _brotli(data: bytes) -> bytes:
    return pytest.importorskip("brotli").compress(data)


def _zstandard(data: bytes) -> bytes:
    return pytest.importorskip("zstandard").compress(data)


def _raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


COMPRESS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", _raw_deflate),
    "br": ("br", _brotli),
    "zstd": ("zstd", _zstandard),
    "two at once": ("deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
    "identity": ("identity", bytes),
    "taken off already": ("gzip", bytes),
    "gzip as text of latin-1": ("gzip", lambda data: gzip.compress(data).decode("latin-1").encode()),
    "deflate as text of latin-1": ("deflate", lambda data: zlib.compress(data).decode("latin-1").encode()),
    "zeros behind it": ("gzip", lambda data: gzip.compress(data) + bytes(512)),
    "rubbish behind it": ("gzip", lambda data: gzip.compress(data) + b"rubbish"),
    "rubbish behind deflate": ("deflate", lambda data: zlib.compress(data) + b"rubbish"),
    "two members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
}


def _headers(encoding: str) -> tuple[tuple[str, str], ...]:
    return (*PLAIN, ("Content-Encoding", encoding))


@pytest.mark.parametrize("name", COMPRESS)
def test_a_body_comes_out_plain_without_its_header(name: str) -> None:
    """Whatever was left on, and whether it was."""
    encoding, compress = COMPRESS[name]
    assert (JSON, PLAIN, True) == BodyDecoder(10_000).decode(_headers(encoding), compress(JSON))


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd", "two members"])
def test_bodies_that_grow_beyond_the_budget_are_refused(name: str) -> None:
    """The budget is that of all bodies of a file together, and is noticed before all is expanded."""
    encoding, compress = COMPRESS[name]
    decoder = BodyDecoder(1 << 20)
    decoder.decode(_headers("gzip"), gzip.compress(bytes(1000)))
    with pytest.raises(ValueError, match=r"\Aits bodies have more than 1,048,576 bytes once decompressed\Z"):
        decoder.decode(_headers(encoding), compress(bytes(1 << 20)))


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_cut_short_or_spoilt_is_left_as_it_is(name: str) -> None:
    """With its header, so that whoever plays it sees what a client would have seen."""
    encoding, compress = COMPRESS[name]
    for data in (compress(JSON)[:-3], b"\xff\xfe\xff\xfe" * 9):
        assert (data, _headers(encoding), False) == BodyDecoder(10_000).decode(_headers(encoding), data)


def test_an_encoding_that_nobody_knows_is_left_on() -> None:
    """And so are those whose library is not installed."""
    headers, data = _headers("compress"), b"\x1f\x9d\x90"
    assert (data, headers, False) == BodyDecoder(10_000).decode(headers, data)


@pytest.mark.parametrize("name", ["br", "zstd"])
def test_without_its_library_a_body_is_left_compressed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The metadata says so, and playing it is up to the client."""
    encoding, compress = COMPRESS[name]
    data = compress(JSON)
    monkeypatch.setitem(sys.modules, {"br": "brotli", "zstd": "zstandard"}[name], None)
    assert (data, _headers(encoding), False) == BodyDecoder(10_000).decode(_headers(encoding), data)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd"]))
def test_any_bytes_survive_or_are_kept(data: bytes, encoding: str) -> None:
    """No bytes at all make it fail, and what is not plain keeps its header."""
    body, headers, plain = BodyDecoder(10_000).decode(_headers(encoding), data)
    assert plain == (headers == PLAIN)
    assert plain or (body, headers) == (data, _headers(encoding))


@pytest.mark.parametrize("as_text", [False, True], ids=["bytes", "text"])
def test_gzip_is_known_without_its_header(as_text: bool) -> None:
    """By its first bytes; what only begins like it is left as it is, and is not called plain."""
    for data, expected in ((gzip.compress(JSON), (JSON, PLAIN, True)), (gzip.compress(JSON)[:-9], None)):
        kept = data.decode("latin-1").encode() if as_text else data
        assert (expected or (kept, PLAIN, False)) == BodyDecoder(10_000).decode(PLAIN, kept)


def test_text_with_odd_characters_is_text_that_was_taken_off_already() -> None:
    """Valid UTF-8 that cannot be expanded was so before."""
    assert (b"a\x0cb\xc3\xa9", PLAIN, True) == BodyDecoder(10_000).decode(_headers("gzip"), b"a\x0cb\xc3\xa9")


def test_a_bomb_without_a_header_is_one_too() -> None:
    """Counted like any other."""
    with pytest.raises(ValueError, match=r"\Aits bodies have more than 10,000 bytes once decompressed\Z"):
        BodyDecoder(10_000).decode(PLAIN, gzip.compress(bytes(20_000)))
