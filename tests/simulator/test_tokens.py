"""Tokens are an estimate, but one that behaves."""

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.simulator.count.images import image_tokens
from flag_harness.simulator.count.tokens import block_tokens, input_tokens, text_tokens, tokens_of_each_tool

TOOL: dict[str, Any] = {"name": "bash", "input_schema": {"type": "object"}}


@given(st.text(), st.text())
def test_more_text_never_has_fewer_tokens(one: str, other: str) -> None:
    """Adding text adds tokens, or none; joining saves what the seam saves."""
    assert text_tokens(one) <= text_tokens(one + other) + 1
    assert text_tokens(one + " " + other) <= text_tokens(one) + text_tokens(other) + 1


def test_known_sentences() -> None:
    """A word is a token, a long one two or more, digits go by threes, other scripts by character."""
    told = [text_tokens(text) for text in ("hello world", "internationalization", "1234567", "漢字", "a, b", "")]
    assert [2, 3, 3, 2, 3, 0] == told


def webp(kind: bytes, data: bytes) -> bytes:
    """Return the start of a WebP image with one chunk of this kind."""
    return b"RIFF" + bytes(4) + b"WEBP" + kind + data


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", width, height)


JPEG = b"\xff\xd8\xff\xe0\x00\x04\0\0" + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 300, 500) + b"\0" * 10
IMAGES = {
    "WebP, extended": (webp(b"VP8X", bytes(8) + (749).to_bytes(3, "little") + (99).to_bytes(3, "little")), 101),
    "WebP, lossless": (webp(b"VP8L", bytes(4) + b"\x2f" + (749 | 99 << 14).to_bytes(4, "little") + bytes(4)), 101),
    "WebP, lossy": (webp(b"VP8 ", bytes(7) + b"\x9d\x01\x2a" + struct.pack("<HH", 750, 100)), 101),
    "WebP of an unknown kind": (webp(b"ALPH", bytes(20)), 1000),
    "PNG": (png(750, 100), 101),
    "large PNG": (png(8000, 8000), 1600),
    "GIF": (b"GIF89a" + struct.pack("<HH", 750, 10) + b"\0" * 8, 11),
    "WebP": (b"RIFF\0\0\0\0WEBPVP8X" + b"\0" * 8 + b"\xed\x02\0" + b"\x63\0\0", 101),
    "JPEG": (JPEG, 201),
    "JPEG without a frame": (b"\xff\xd8" + b"\xff\xe0\x00\x04\0\0" * 3, 1000),
    "something else": (b"%PDF-1.7 and more", 1000),
    "a broken PNG": (b"\x89PNG", 1000),
}


@pytest.mark.parametrize(("data", "tokens"), IMAGES.values(), ids=list(IMAGES))
def test_images_count_by_their_size(data: bytes, tokens: int) -> None:
    """Width times height by 750, at most 1600; unreadable ones by a guess."""
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(data).decode()}
    assert tokens == image_tokens(source)


def test_images_elsewhere_are_guessed() -> None:
    """A URL says nothing of its size; broken base64 neither."""
    assert 1000 == image_tokens({"type": "url", "url": "https://a/b.png"})
    assert 1000 == image_tokens({"type": "base64", "data": "a"})


def test_blocks_of_every_kind_count() -> None:
    """Images and documents more than their words, results what is in them, and marks nothing."""
    text = {"type": "text", "text": "hello world"}
    call = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "ls"}}
    pdf = {"type": "document", "source": {"type": "base64", "data": "x"}}
    plain = {"type": "document", "source": {"type": "text", "data": "hello world"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text]}
    other = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    told = [block_tokens(block) for block in (text, call, pdf, plain, result, image)]
    assert [2, 50, 1610, 2, 22, 1000] == told
    assert block_tokens(other) == block_tokens({**other, "cache_control": {"type": "ephemeral"}})


def test_tools_bring_their_prompt_once() -> None:
    """There is one prompt for all of them, another one if a tool is forced; deferred tools count nothing."""
    one, two = (sum(tokens_of_each_tool({"tools": [TOOL] * count})) for count in (1, 2))
    forced = sum(tokens_of_each_tool({"tools": [TOOL], "tool_choice": {"type": "any"}}))
    assert 414 == one - (two - one)
    assert 104 == forced - one
    assert [one, 0] == tokens_of_each_tool({"tools": [TOOL, {**TOOL, "defer_loading": True}]})
    assert [414 + 1750] == tokens_of_each_tool({"tools": [{"type": "web_search_20250305", "name": "web_search"}]})


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-3-5-haiku-20241022", 192),
        ("claude-sonnet-4-20250514", 240),
        ("claude-opus-4-1", 240),
        ("claude-sonnet-4-5", 414),
        ("claude-haiku-4-5-20251001", 414),
        ("claude-sonnet-5", 306),
    ],
)
def test_the_prompt_for_tools_depends_on_the_model(model: str, tokens: int) -> None:
    """Each generation of models has another prompt for tools."""
    one, two = (sum(tokens_of_each_tool({"model": model, "tools": [TOOL] * count})) for count in (1, 2))
    assert tokens == one - (two - one)


def test_random_characters_count_almost_one_by_one() -> None:
    """Keys and ids have more tokens than words of the same length, and names in code have not."""
    told = [text_tokens(text) for text in ("1ivE5wmtkDKwFCQTzbvi" * 5, "getWeatherForLocation", "0123456789abcdef" * 2)]
    assert [80, 3, 10] == told


def test_thinking_and_formats_cost_tokens() -> None:
    """What stands around the messages counts, too."""
    body = {"messages": [{"role": "user", "content": "hello"}]}
    base = input_tokens(body)
    assert 29 == input_tokens({**body, "thinking": {"type": "adaptive"}}) - base
    schema = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert 110 < input_tokens({**body, "output_config": schema}) - base


def test_a_text_beyond_every_context_window_is_counted_by_its_beginning() -> None:
    """So that it takes less than seconds, and other threads run meanwhile."""
    assert 2_000_000 == text_tokens("word " * 2_000_000)
    assert 6_000_000 == text_tokens("word " * 6_000_000)
