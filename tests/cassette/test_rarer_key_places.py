"""Rarer places in which a key may hide: signs within it, lines with a prefix, archives, and streams of other APIs."""

import base64
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from flag_harness.cassette import CassetteMetadata, Filters, Interaction
from flag_harness.cassette.redact.scan import scan_cassette
from flag_harness.wire.timeline import Chunk, End, Head, Request
from tests.cassette.test_key_places import DECLARED, PATTERN, UNDECLARED, _sent


def _asked(text: str) -> Interaction:
    return _sent(json.dumps({"messages": [{"role": "user", "content": text}]}).encode())


def _streamed(make_event: Callable[[str], Any], text: str, prefix: str = "data: ") -> Interaction:
    """A stream of three events, each with a third of the text."""
    chunks = [Chunk(0.2, f"{prefix}{json.dumps(make_event(part))}\n".encode()) for part in _thirds(text)]
    return Interaction(Request("POST", "/v1/chat/completions", (), b"{}"), (Head(0.1, 200, ()), *chunks, End(0.3)))


def _thirds(text: str) -> tuple[str, str, str]:
    third = len(text) // 3
    return text[:third], text[third : 2 * third], text[2 * third :]


def _lines(text: str, width: int, prefix: str) -> str:
    return "\n".join(prefix + text[start : start + width] for start in range(0, len(text), width))


def _zip(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"{'<w:t>some text</w:t>' * 9}{text}")
    return file.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PLACES: dict[str, Callable[[str], Interaction]] = {
    "full-width letters": lambda key: _asked("".join(chr(ord(one) + 0xFEE0) for one in key)),
    "hyphens that do not break": lambda key: _asked(key.replace("-", "\u2011")),
    "marks of the direction": lambda key: _asked("\u200e".join(key)),
    "variation selectors": lambda key: _asked("\ufe0f".join(key)),
    "tags of HTML": lambda key: _asked(f"<code>{key[:7]}<a href='#x'>{key[7:9]}</a><i>{key[9:]}</i></code>"),
    "a comment of HTML": lambda key: _asked(f"{key[:7]}<!-- -->{key[7:]}"),
    "colours in eight bits": lambda key: _asked(f"{key[:5]}\x9b31m{key[5:]}"),
    "a list of characters": lambda key: _asked(str(list(key))),
    "a list of characters in JSON": lambda key: _asked(json.dumps(list(key))),
    "a sum of characters": lambda key: _asked(" + ".join(f"chr({ord(one)})" for one in key)),
    "escapes in braces": lambda key: _asked("".join(f"\\x{{{ord(one):x}}}" for one in key)),
    "lines of an answer to a mail": lambda key: _asked(f"You wrote:\n{_lines(f'the key is {key} then', 24, '> ')}"),
    "indented lines": lambda key: _asked(_lines(key, 13, "    ")),
    "lines of a comment": lambda key: _asked(_lines(key, 13, "# ")),
    "added lines": lambda key: _asked(_lines(key, 13, "+")),
    "a cell of a table": lambda key: _asked("\n".join(f"| {part} |" for part in _thirds(key))),
    "a cell of a table on Windows": lambda key: _asked("\r\n".join(f"| {part} |" for part in _thirds(key))),
    "base64 in a mail": lambda key: _asked(_lines(_base64(f"{'some words ' * 9}{key}".encode()), 60, "> ")),
    "lines of hexadecimal": lambda key: _asked(_lines(f"the long key is {key} as said".encode().hex(), 60, "")),
    "a line that cmd continues": lambda key: _asked(f"set K={key[:10]}^\n{key[10:]}"),
    "a sum of SQL": lambda key: _asked(f"'{key[:9]}' || '{key[9:]}'"),
    "quotes within a word": lambda key: _asked(f"'{key[:9]}''{key[9:]}'"),
    "an archive": lambda key: _sent(b"--b\r\n\r\n" + _zip(key) + b"\r\n--b--\r\n"),
    "a document of Word": lambda key: _sent(json.dumps({"source": {"data": _base64(_zip(key))}}).encode()),
    "deltas of chat completions": lambda key: _streamed(lambda part: {"choices": [{"delta": {"content": part}}]}, key),
    "deltas of responses": lambda key: _streamed(
        lambda part: {"type": "response.output_text.delta", "delta": part}, key
    ),
    "deltas of a tool's arguments": lambda key: _streamed(
        lambda part: {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": part}}]}}]}, key
    ),
    "parts of Gemini": lambda key: _streamed(
        lambda part: {"candidates": [{"content": {"parts": [{"text": part}]}}]}, key
    ),
    "lines of JSON": lambda key: _streamed(lambda part: {"message": {"content": part}}, key, prefix=""),
    "deltas of another kind": lambda key: _streamed(
        lambda part: {"type": "content_block_delta", "delta": {"type": "new", "more": {"text": part}}}, key
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_key_in_a_rarer_place_is_neither_saved_nor_left(place: str) -> None:
    """An undeclared key is found, and a declared pattern takes its value out, once and for all."""
    assert scan_cassette(CassetteMetadata("live", ""), [PLACES[place](UNDECLARED)])
    filters = Filters(patterns=(PATTERN,))
    interaction = PLACES[place](DECLARED)
    filtered = filters.filter_interaction(interaction)
    assert filtered != interaction
    assert filters.filter_interaction(filtered) == filtered
    assert [] == [part for part in (DECLARED, *_thirds(DECLARED)[1:]) if part in repr(filtered)]


@pytest.mark.parametrize(
    "text",
    [
        "".join(chr(ord(one) + 0xFEE0) for one in "hello"),
        "a<!-- b -->c <i>d</i>",
        "| one | 2 |\n| three | 4 |",
        "> quoted_1\n> lines_2\n",
        str(list("only a few")),
        "PK\x03\x04 is no archive",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    """Look-alikes, tags, tables, quotes and lists."""
    interaction = _asked(text)
    assert [] == scan_cassette(CassetteMetadata("live", ""), [interaction])
    assert interaction == Filters(patterns=(PATTERN,)).filter_interaction(interaction)


def test_json_filters_reach_each_line_of_json() -> None:
    """As in the results of a batch."""
    lines = b'{"id": "a", "secret": "x1"}\n{"id": "b", "secret": "x2"}\n'
    expected = b'{"id": "a", "secret": "REDACTED"}\n{"id": "b", "secret": "REDACTED"}\n'
    assert expected == Filters(json=("secret",)).filter_interaction(_sent(lines)).request.body
