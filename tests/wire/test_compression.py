"""Compressed responses say the same as plain ones."""

import gzip
import random
import sys
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.compression import (
    MIN_DECOMPRESSED_LIMIT,
    check_decompressed_sizes,
    decompress_response,
    unreadable_encodings,
)
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Response, body


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "gzip in members": ("gzip", lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:])),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", _raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "zstd in frames": ("zstd", lambda data: zstandard.compress(data[:3]) + zstandard.compress(data[3:])),
    "two": ("identity, gzip,br", lambda data: brotli.compress(gzip.compress(data))),
}
"""Ways to pack bytes, each with the header that names it."""


def _answer(encoding: str, *chunks: bytes) -> Response:
    headers = (("x", "y"), ("Content-Encoding", encoding))
    return (Head(0.1, 200, headers), *(Chunk(0.2 + place, data) for place, data in enumerate(chunks)), End(9.0))


@pytest.mark.parametrize("how", PACKED)
@given(data=st.binary(max_size=200), cut=st.integers(0, 60))
def test_every_encoding_is_read_in_any_chunking(how: str, data: bytes, cut: int) -> None:
    """In as many chunks, each at its time; the header that named it is gone, and nothing is hidden."""
    encoding, pack = PACKED[how]
    packed = pack(data)
    response = _answer(encoding, packed[:cut], packed[cut:])
    plain = decompress_response(response)
    assert (Head(0.1, 200, (("x", "y"),)), data) == (plain[0], body(plain))
    assert [piece.at for piece in response] == [piece.at for piece in plain]
    assert "" == unreadable_encodings(response)


@pytest.mark.parametrize("how", PACKED)
def test_an_answer_that_was_cut_is_read_as_far_as_it_came(how: str) -> None:
    """The connection broke, and the encoding's own end never came."""
    encoding, pack = PACKED[how]
    packed = pack(b"hunter2 and more " * 1000)
    cut: Response = (*_answer(encoding, packed[:-2])[:-1], Cut(1.0, "reset"))
    assert "" == unreadable_encodings(cut)
    assert decompress_response(cut) != cut


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "compress"])
def test_what_is_not_what_it_says_is_left_as_it_is_and_named(encoding: str) -> None:
    """Nobody sees what is in it; what is text is seen as it stands."""
    spoilt = _answer(encoding, b"\xff\xfe no such thing")
    assert (spoilt, encoding) == (decompress_response(spoilt), unreadable_encodings(spoilt))
    for plain in (b"text", b""):
        response = _answer(encoding, plain)
        assert (plain, "") == (body(decompress_response(response)), unreadable_encodings(response))


def test_what_ends_too_early_is_not_what_it_says() -> None:
    """Words may pass for the beginning of something compressed."""
    for how, (encoding, pack) in PACKED.items():
        early = _answer(encoding, pack(b"hunter2 and more " * 1000)[:-2])
        assert early == decompress_response(early), how


def test_bytes_behind_a_compressed_body_are_not_overlooked() -> None:
    """A client may stop before them; the search must not."""
    for how in ("gzip", "deflate", "br", "zstd"):
        encoding, pack = PACKED[how]
        assert encoding == unreadable_encodings(_answer(encoding, pack(b"text"), b"\xffsk-ant-"))


@pytest.mark.parametrize(("encoding", "library"), [("br", "brotli"), ("zstd", "zstandard")])
def test_without_its_library_an_encoding_cannot_be_read(
    encoding: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it, it can."""
    response = _answer(encoding, PACKED[encoding][1](b"text"))
    assert "" == unreadable_encodings(response)
    monkeypatch.setitem(sys.modules, library, None)
    assert encoding == unreadable_encodings(response)


@pytest.mark.parametrize("response", [(), (Cut(0.1, "refused"),), (Head(0.1, 200, ()), Chunk(0.2, b"\xff"), End(1.0))])
def test_what_names_no_encoding_is_as_it_was(response: Response) -> None:
    """Also what never came."""
    assert response is decompress_response(response)
    assert "" == unreadable_encodings(response)


BOMBS = {
    "gzip": ("gzip", lambda data: gzip.compress(data, 9)),
    "twice": ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data, 9), 9)),
    "br": ("br", lambda data: brotli.compress(data, quality=5)),
    "zstd": ("zstd", zstandard.compress),
    "zstd, then noise": ("zstd", lambda data: zstandard.compress(data + random.Random(1).randbytes(4096))),
}


@pytest.mark.parametrize("how", BOMBS)
def test_a_small_body_that_becomes_large_is_not_decompressed(how: str) -> None:
    """The response stays as it is, its encoding is named as unreadable, and a cassette with it is refused."""
    encoding, pack = BOMBS[how]
    bomb = _answer(encoding, pack(bytes(MIN_DECOMPRESSED_LIMIT + 1)))
    assert bomb is decompress_response(bomb)
    assert encoding == unreadable_encodings(bomb)
    with pytest.raises(ValueError, match=r"^interaction 1: .* more than 8,388,608 bytes once decompressed"):
        check_decompressed_sizes([_answer(encoding, pack(b"small")), bomb])


def test_many_bodies_share_one_limit() -> None:
    """A cassette of many compressed bodies, each within the limit, costs no more than one."""
    half = _answer("gzip", gzip.compress(bytes(MIN_DECOMPRESSED_LIMIT // 2), 9))
    check_decompressed_sizes([half, half])
    with pytest.raises(ValueError, match=r"^interaction 2: "):
        check_decompressed_sizes([half, half, half])


def test_a_large_body_may_become_32_times_larger() -> None:
    """What is large when compressed, as a recording of a real stream is, can be read."""
    random_part = random.Random(1).randbytes(1 << 20)
    large = _answer("gzip", gzip.compress(random_part + bytes(30 << 20), 9))
    check_decompressed_sizes([large])
    assert random_part + bytes(30 << 20) == body(decompress_response(large))


def test_a_body_in_no_known_encoding_counts_nothing() -> None:
    """It can be stored and played as it is."""
    check_decompressed_sizes([_answer("compress", b"x"), _answer("gzip", b"no gzip"), _answer("br", b"\xff" * 9)])
