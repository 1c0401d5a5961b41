"""Places in which a key may hide: every place times every encoding, for the scan and for a declared pattern."""

import base64
import bz2
import gzip
import html
import json
import lzma
import re
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import brotli
import pytest
import zstandard

from flag_harness.cassette import CassetteMetadata, Filters, Interaction
from flag_harness.cassette.redact.encodings.search import find_first_secret
from flag_harness.cassette.redact.keys.search import find_api_keys
from flag_harness.cassette.redact.scan import scan_cassette
from flag_harness.wire.aws_frames import decode_aws_events, encode_exception_frame, frame_from_sse
from flag_harness.wire.sse import encode_event
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response, body

UNDECLARED = "sk-ant-api03-Zm9vYmFyMTIzNDU2Nzg5aGlkZGVu"
DECLARED = "corp-7f3a9c2e5b8d1f4a6c0e"
PATTERN = r"corp-[0-9a-f]{20}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _wrapped(text: str) -> str:
    packed = _base64(f"{'some words before it ' * 4}{text} and after")
    return "\n".join(packed[start : start + 60] for start in range(0, len(packed), 60))


def _dump(text: str, width: int, after_offset: str) -> str:
    """Lines with an offset, bytes in groups of `width`, and what is printable."""
    parts = [(start, text[start : start + 16]) for start in range(0, len(text), 16)]
    return "\n".join(f"{start:08x}{after_offset}{part.encode().hex(' ', -width)}  {part}" for start, part in parts)


def _character_dump(text: str) -> str:
    """Lines as `od -c` prints them."""
    fields = [
        f"   {chr(byte)}" if 32 <= byte < 127 else "  \\n" if byte == 10 else f" {byte:03o}" for byte in text.encode()
    ]
    return "\n".join(f"{at:07o}{''.join(fields[at : at + 16])}" for at in range(0, len(fields), 16))


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "ansi": lambda key: f"KEY=\x1b[01;31m\x1b[K{key}\x1b[m\x1b[K",
    "ansi inside": lambda key: f"{key[:4]}\x1b[1m{key[4:]}\x1b[0m",
    "percent": lambda key: f"next=%3Fkey%3D{key}",
    "percent, every character": lambda key: "".join(f"%{ord(letter):02X}" for letter in key),
    "percent, twice": lambda key: quote(quote(f'"{key}"')),
    "repr": lambda key: repr(b"\x00\x02" + key.encode()),
    "hexadecimal escapes": lambda key: "".join(f"\\x{ord(letter):02x}" for letter in key),
    "unicode escapes": lambda key: "".join(f"\\u{ord(letter):04x}" for letter in key),
    "octal escapes": lambda key: "\\033[31m" + key,
    "html": lambda key: f"<b>&quot;{key}&quot;</b>",
    "html, every character": lambda key: "".join(f"&#{ord(letter)};" for letter in key),
    "html of quotes": lambda key: html.escape(f"<a href='{key}'>"),
    "base64": _base64,
    "base64 in a sentence": lambda key: f"The file says {_base64('it is ' + key)} as you see.",
    "base64, wrapped": _wrapped,
    "base64, unpadded": lambda key: _base64(f"({key})yes").rstrip("="),
    "base64, url-safe": lambda key: base64.urlsafe_b64encode(b"\xff\xfe\xfb" * 3 + key.encode()).decode(),
    "base64, twice": lambda key: _base64(_base64(f"it is {key}.")),
    "data uri": lambda key: f"data:text/plain;base64,{_base64(key)}",
    "base64 of UTF-16": lambda key: base64.b64encode(f"it is {key}".encode("utf-16")).decode(),
    "base64 of gzip": lambda key: base64.b64encode(gzip.compress(f"it is {key}".encode())).decode(),
    "JSON in a string": lambda key: json.dumps(json.dumps({"a": key})),
    "JSON in a string, percent": lambda key: quote(json.dumps({"a": f"\n{key}"})),
}


def _answered(*chunks: bytes) -> Response:
    return (Head(0.1, 200, (("content-type", "application/json"),)), *(Chunk(0.2, one) for one in chunks), End(0.3))


def _sent(body: bytes, url: str = "/v1/messages") -> Interaction:
    return Interaction(Request("POST", url, (), body), _answered(b"{}"))


def _stream(text: str, kind: str, name: str) -> Interaction:
    def event(part: str) -> bytes:
        delta = {"type": kind, name: part}
        return encode_event(
            "content_block_delta", json.dumps({"type": "content_block_delta", "index": 0, "delta": delta})
        )

    third = len(text) // 3
    parts = (text[:third], text[third : 2 * third], text[2 * third :])
    return Interaction(Request("POST", "/v1/messages", (), b"{}"), _answered(*map(event, parts)))


def _multipart(text: str, packed: bool = False) -> Interaction:
    content = gzip.compress(text.encode()) if packed else text.encode()
    return _sent(b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\n' + content + b"\r\n--b--\r\n")


PLACES: dict[str, Callable[[str], Interaction]] = {
    "request": lambda text: _sent(json.dumps({"messages": [{"role": "user", "content": text}]}).encode()),
    "request text": lambda text: _sent(text.encode()),
    "response": lambda text: Interaction(
        Request("GET", "/", (), b""), _answered(json.dumps({"content": [{"text": text}]}).encode())
    ),
    "text delta": lambda text: _stream(text, "text_delta", "text"),
    "tool input delta": lambda text: _stream(json.dumps({"command": text}), "input_json_delta", "partial_json"),
    "multipart": _multipart,
    "multipart, gzip": lambda text: _multipart(text, packed=True),
    "gzip request": lambda text: _sent(gzip.compress(json.dumps({"a": text}).encode())),
    "UTF-16 request": lambda text: _sent(json.dumps({"a": text}).encode("utf-16")),
    "header": lambda text: Interaction(
        Request("GET", "/", (("x-note", quote(text, safe=" :/=,;")),), b""), _answered(b"{}")
    ),
    "query": lambda text: _sent(b"", f"/v1/files?note={quote(text, safe='')}"),
}


def _aws_stream(text: str) -> Interaction:
    """The deltas of a text in the frames in which Bedrock streams them, in chunks that end within frames."""
    stream = _stream(text, "text_delta", "text").response
    data = b"".join(frame_from_sse(piece.data) for piece in stream if isinstance(piece, Chunk))
    return Interaction(
        Request("POST", "/model/x/invoke-with-response-stream", (), b"{}"), _answered(data[:90], data[90:])
    )


MORE_ENCODINGS: dict[str, Callable[[str], str]] = {
    "base64 of zlib": lambda key: base64.b64encode(zlib.compress(f"it is {key}".encode())).decode(),
    "base64 of zstd": lambda key: base64.b64encode(zstandard.compress(f"it is {key}".encode())).decode(),
    "base64 of percent, with a word behind it": lambda key: f"{_base64(quote(key, safe='').replace('-', '%2D'))}\nmore",
    "hexadecimal": lambda key: f"id {key.encode().hex()}",
    "hexadecimal behind a digit": lambda key: f"a{key.encode().hex()}",
    "hexadecimal with spaces": lambda key: key.encode().hex(" "),
    "hexadecimal numbers": lambda key: ", ".join(f"0x{byte:02X}" for byte in key.encode()),
    "html without semicolons": lambda key: "".join(f"&#{ord(letter)}" for letter in key),
    "names of characters": lambda key: key.replace("-", r"\N{HYPHEN-MINUS}"),
    "names of no character": r"\N{NO SUCH CHARACTER} {}".replace("{}", "%s").__mod__,
    "short octal escapes": lambda key: "".join(f"\\{byte:o}" for byte in key.encode()),
    "quoted-printable, lower case": lambda key: "".join(f"={byte:02x}" for byte in key.encode()),
    "invisible characters": "\u200b".join,
    "bytes that pprint splits": lambda key: f"E       +  (b'{key[:12]}'\nE       +   b'{key[12:]}')",
    "base32": lambda key: f"it is {base64.b32encode(key.encode()).decode()}",
    "base32 in lines": lambda key: re.sub(
        "(.{76})", r"\1\n", base64.b32encode(f"see: {key}, {key}.".encode()).decode()
    ),
    "base85": lambda key: f"k={base64.b85encode(f'it is {key}, they say'.encode()).decode()}~~",
    "lines of xxd": lambda key: f"$ xxd\n{_dump(f'key={key}', 2, ': ')}",
    "lines of hexdump": lambda key: f"{_dump(f'key={key}', 1, '  ')}\n00000040\n",
    "decimal numbers": lambda key: json.dumps({"type": "Buffer", "data": list(key.encode())}),
    "a word broken over lines, on lines of its own": lambda key: f"\r\n\r\n{key[:9]}\r\n{key[9:]}\r\n\r\n",
    "a word broken over lines": lambda key: f"It is {key[:9]}\n{key[9:15]}\r\n{key[15:]} then",
    "a sum of strings": lambda key: f'"{key[:12]}" + "{key[12:]}"',
    "a sum of strings over lines": lambda key: f'"{key[:12]}" +\n  "{key[12:]}"',
    "a sum of strings in PHP": lambda key: f"'{key[:12]}' . '{key[12:]}'",
    "strings beside each other": lambda key: f'"{key[:12]}" "{key[12:]}"',
    "characters that are printed over": lambda key: "".join(f"{letter}\b{letter}" for letter in key),
    "signs that are printed over": lambda key: "".join(
        f"{sign}\b{key[at]}" for at, sign in enumerate(("%&=\\" * 20)[: len(key)])
    ),
    "tags within a word": lambda key: f'<span class="s1">{key[:7]}</span><span>{key[7:]}</span>',
    "a place to break a word": lambda key: f"{key[:7]}<wbr>{key[7:]}",
    "%u escapes": lambda key: "".join(f"%u{ord(letter):04X}" for letter in key),
    "base64 of bzip2": lambda key: base64.b64encode(bz2.compress(f"it is {key}".encode())).decode(),
    "base64 of xz": lambda key: base64.b64encode(lzma.compress(f"it is {key}".encode())).decode(),
    "hexadecimal of bzip2": lambda key: bz2.compress(f"it is {key}".encode()).hex(),
    "ascii85": lambda key: f"see {base64.a85encode(f'it is {key}'.encode(), adobe=True).decode()} there",
    "no ascii85, then ascii85": lambda key: f"<~{'uuuuu' * 5}~> {base64.a85encode(key.encode(), adobe=True).decode()}",
    "binary digits": lambda key: " ".join(f"{byte:08b}" for byte in key.encode()),
    "binary digits without spaces": lambda key: "".join(f"{byte:08b}" for byte in key.encode()),
    "lines of od": lambda key: f"$ od -c\n{_character_dump(f'key é {key}')}\n0000061\n",
    "lines of od, with line ends": lambda key: _character_dump(f"a\n{key}"),
    "a joined list": lambda key: f'"".join(["{key[:9]}", "{key[9:15]}", "{key[15:]}"])',
    "a joined tuple": lambda key: f"''.join(('{key[:9]}', '{key[9:]}'))",
    "a joined list in JavaScript": lambda key: f"const key = ['{key[:9]}', '{key[9:]}'].join('')",
    "hexadecimal of gzip": lambda key: gzip.compress(f"it is {key}".encode()).hex(),
}
MORE_PLACES: dict[str, Callable[[str], Interaction]] = {
    "stream of Bedrock": _aws_stream,
    "zlib request": lambda text: _sent(zlib.compress(json.dumps({"a": text}).encode())),
    "deflate request, without a header": lambda text: _sent(
        zlib.compress(json.dumps({"a": text}).encode(), wbits=-zlib.MAX_WBITS)
    ),
    "bzip2 request": lambda text: _sent(bz2.compress(json.dumps({"a": text}).encode())),
    "xz request": lambda text: _sent(lzma.compress(json.dumps({"a": text}).encode())),
    "zstd request": lambda text: _sent(zstandard.compress(json.dumps({"a": text}).encode())),
    "brotli request": lambda text: _sent(brotli.compress(json.dumps({"a": text}).encode())),
    "id of a test": lambda text: replace(_sent(b"{}"), case=f"test_a.py::test_b[{text}]"),
    "step of a path": lambda text: _sent(b"", f"/v1/files/{quote(text, safe='')}/content"),
}
MORE_CASES = [
    *((place, "percent, every character") for place in MORE_PLACES),
    *(("request", encoding) for encoding in MORE_ENCODINGS),
    ("step of a path", "base64"),
]


def test_a_key_is_neither_saved_nor_left_in_a_rarer_place_or_encoding() -> None:
    """An undeclared key is found, and a declared pattern takes its value out, once and for all."""
    filters = Filters(patterns=(PATTERN,))
    for place, encoding in MORE_CASES:
        write, encode = (PLACES | MORE_PLACES)[place], (ENCODINGS | MORE_ENCODINGS)[encoding]
        assert scan_cassette(CassetteMetadata("live", ""), [write(encode(UNDECLARED))]), (place, encoding)
        interaction = write(encode(DECLARED))
        filtered = filters.filter_interaction(interaction)
        assert filtered != interaction, (place, encoding)
        assert filters.filter_interaction(filtered) == filtered, (place, encoding)
        assert encode(DECLARED) not in repr(filtered), (place, encoding)


def test_what_is_taken_out_of_an_encoding_leaves_the_rest_in_it() -> None:
    """Each dump is one of its own, and a word at the end of a line stays where the key is whole without it."""
    filters = Filters(patterns=(PATTERN,))
    dump = _dump(f"key={DECLARED}", 1, "  ")
    shown = "00000000  6b 65 79 3d 52 45 44 41 43 54 45 44               |key=REDACTED|"
    assert f"{shown}\nthen\n{shown}" == filters.filter_text(f"{dump}\nthen\n{dump}")
    assert list(b"a REDACTED") == json.loads(filters.filter_text(json.dumps(list(f"a {DECLARED}".encode()))))
    assert f"one_word_2\nREDACTED\nand_2_more{DECLARED[:9]}" == filters.filter_text(
        f"one_word_2\n{DECLARED}\nand_2_more{DECLARED[:9]}"
    )
    for harmless in (
        "0" * 500_000,
        "offset 10000: 7\nnext",
        "\nword_1\nanother_word_that_ends_here",
        "A" * 27,
        "a_1\n" + "b" * 500,
    ):
        assert harmless == filters.filter_text(harmless)


def test_a_secret_in_each_line_of_a_long_text_is_redacted() -> None:
    """The time grows with the text, although each line end might break a word; else this test would take 10 s."""
    filters = Filters(patterns=(r"user[0-9]+@example\.com",))
    lines = [f"user{number}@example.com" for number in range(20_000)]
    assert "\n".join(["REDACTED"] * len(lines)) == filters.filter_text("\n".join(lines))


def test_the_frames_of_a_stream_of_bedrock_stay_whole() -> None:
    """After a filter has changed one, and if it changes none: each has its checksum, and each chunk its frames."""
    interaction = _aws_stream(f"it is {DECLARED}.")
    assert interaction == Filters(patterns=("nothing",)).filter_interaction(interaction)
    filtered = Filters(patterns=(PATTERN,)).filter_interaction(interaction).response
    chunks = [piece.data for piece in filtered if isinstance(piece, Chunk)]
    texts = [json.loads(event.data)["delta"]["text"] for event in decode_aws_events(chunks)]
    assert (2, "it is REDACTED.") == (len(chunks), "".join(texts))


def test_an_error_of_bedrock_is_filtered_too() -> None:
    """Its frame holds the message itself, not base64."""
    frame = encode_exception_frame("overloaded_error", f"{DECLARED} is busy")
    interaction = Interaction(Request("POST", "/", (), b""), _answered(frame, b"\xff\0rest"))
    filtered = body(Filters(patterns=(PATTERN,)).filter_interaction(interaction).response)
    assert filtered == encode_exception_frame("overloaded_error", "REDACTED is busy") + b"\xff\0rest"


def test_data_whose_library_is_missing_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before it is installed: nothing can be seen in it."""
    monkeypatch.setattr("flag_harness.cassette.redact.encodings.compressed.decoder_factories", lambda encoding: ())
    sent = PLACES["request text"](MORE_ENCODINGS["base64 of zlib"](DECLARED))
    assert sent == Filters(patterns=(PATTERN,)).filter_interaction(sent)


def test_images_and_what_only_begins_like_compressed_data_are_left_as_they_are() -> None:
    """Pixels are not searched, and broken data has nothing to search."""
    pixels = zlib.compress(bytes(range(256)) * 40)
    broken = b"\xff" + zlib.compress(f"it is {DECLARED}".encode())[:9] + b"x^y\x1f\x8b\x08(\xb5/\xfd\xff"
    for data in (pixels, broken, b"\x00x\x01\xe9", brotli.compress(b"it is fine")):
        sent = _sent(data)
        assert sent == Filters(patterns=(PATTERN,)).filter_interaction(sent)
        assert [] == scan_cassette(CassetteMetadata("live", ""), [sent])


@pytest.mark.parametrize("place", PLACES)
def test_an_undeclared_key_is_seen_wherever_it_is_written(place: str) -> None:
    """So the cassette is not saved."""
    unseen = [
        encoding
        for encoding, encode in ENCODINGS.items()
        if not scan_cassette(CassetteMetadata("live", ""), [PLACES[place](encode(UNDECLARED))])
    ]
    assert [] == unseen


@pytest.mark.parametrize("place", PLACES)
def test_a_declared_pattern_takes_the_value_out_wherever_it_is_written(place: str) -> None:
    """A second pass has nothing to take out, and neither the value nor an encoding of it is left."""
    filters = Filters(patterns=(PATTERN,))
    for encoding, encode in ENCODINGS.items():
        interaction = PLACES[place](encode(DECLARED))
        filtered = filters.filter_interaction(interaction)
        assert filtered != interaction, encoding
        assert filters.filter_interaction(filtered) == filtered, encoding
        document = repr(filtered)
        forms = (DECLARED, encode(DECLARED), _base64(DECLARED)[:20], quote(DECLARED))
        assert [] == [form for form in forms if form in document], encoding
        assert not re.search(PATTERN, document.replace("\\x00", "")), encoding


@pytest.mark.parametrize("text", ["0" * 300_000, "65, " * 80_000, "0000000   a\n" * 20_000, '\nabc1"' * 40_000])
def test_a_long_dump_takes_little_memory(text: str) -> None:
    """A body of a quarter megabyte may hold much more of it, compressed."""
    tracemalloc.start()
    try:
        find_first_secret(text, find_api_keys, 1)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(text)
    finally:
        tracemalloc.stop()
