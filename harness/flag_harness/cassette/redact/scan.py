"""Scan cassettes and files for text that looks like an API key."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote_plus

from flag_harness.cassette.interaction import CassetteMetadata, Interaction
from flag_harness.cassette.redact.bodies import searchable_body
from flag_harness.cassette.redact.body_strings import (
    MIN_LARGE_BODY_BYTES,
    add_member_name_before_text,
    body_strings,
    join_into_windows,
)
from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8, BodyText, body_texts, parse_json_parts
from flag_harness.cassette.redact.edits import REDACTED, edit_text
from flag_harness.cassette.redact.encodings import contains_secret, find_first_secret, find_redaction_edits
from flag_harness.cassette.redact.headers import LOCATION_HEADER
from flag_harness.cassette.redact.keys.hints import MIN_KEY_LENGTH
from flag_harness.cassette.redact.keys.named_values import KINDS_KNOWN_BY_NAME, secret_query_pattern
from flag_harness.cassette.redact.keys.search import find_api_keys
from flag_harness.cassette.redact.keys.shapes import KEY_SHAPES
from flag_harness.errors import CassetteError
from flag_harness.wire.compression import decompress_response, unreadable_encodings
from flag_harness.wire.timeline import Head, Headers, Response, body

EXCERPT_LENGTH = 6
"""The number of characters of a key that are shown. They are usually the prefix that names the provider."""
MAX_LISTED_FINDINGS = 8
"""The most findings that an error message lists. Further ones are counted."""

_MAX_SHORT_TEXT_LENGTH = 200
"""The longest text in characters whose redacted form is cached in large numbers.

Of longer texts only the last are cached.
"""

UNSEARCHABLE_KIND = "compressed so that it cannot be searched for keys"
"""The `kind` of a finding that is a body which cannot be searched for keys."""


@dataclass(frozen=True, slots=True)
class SecretFinding:
    """A text that looks like an API key, or personal data. `kind` says what it is, and `location` where.

    `excerpt` is the first characters of a key; it is empty for personal data. `interaction` is the index of the
    interaction, or None if the text is not in an interaction.
    """

    location: str
    kind: str
    excerpt: str
    interaction: int | None = None

    def __str__(self) -> str:
        number = "" if self.interaction is None else f"interaction {self.interaction}, "
        return f"{number}{self.location}: {self.kind}" + (f" ({self.excerpt})" if self.excerpt else "")


def scan_cassette(metadata: CassetteMetadata, interactions: Iterable[Interaction]) -> list[SecretFinding]:
    """Return a finding for each text in a cassette that looks like a key, and for each body that cannot be searched."""
    found = [
        SecretFinding("envelope case", kind, excerpt) for _, _, kind, excerpt in _find_api_key_excerpts(metadata.case)
    ]
    for number, interaction in enumerate(interactions):
        found += [
            SecretFinding(location, kind, excerpt, number)
            for location, kind, excerpt in _find_api_keys_in_interaction(interaction)
        ]
        if encoding := unreadable_encodings(interaction.response):
            found.append(SecretFinding("response body", UNSEARCHABLE_KIND, encoding, number))
    return found


def scan_file(data: bytes) -> list[SecretFinding]:
    """Return a finding for each text that looks like a key in a file that is not a cassette.

    The location is a JSON path if the file is JSON, else a line. Findings in a large file have no exact location.
    """
    if len(data) > MIN_LARGE_BODY_BYTES:
        return [SecretFinding(*key) for key in _find_api_keys_in_large_body(data, "file")]
    text = data.decode(*LOSSLESS_UTF8)
    if parse_json_parts(text) is not None:
        return [SecretFinding(*key) for key in _find_api_keys_in_texts(body_texts(text))]
    return [
        SecretFinding(f"line {text.count(chr(10), 0, start) + 1}", kind, excerpt)
        for start, _, kind, excerpt in _find_api_key_excerpts(text)
    ]


def redact_api_keys(text: str) -> str:
    """Return a text in which everything that looks like an API key is redacted, even if it is escaped or in base64.

    In the query of a URL, the value of a parameter that holds a credential by its name is redacted even if it is short.
    """
    redact = _redact_short_text if len(text) <= _MAX_SHORT_TEXT_LENGTH else _redact_long_text
    return redact(text)


def _redact_text(text: str) -> str:
    if "?" in text or "&" in text:
        text = secret_query_pattern().sub(rf"\1{REDACTED}", text)
    return str(edit_text(text, find_redaction_edits(text, find_api_keys, is_search=True)))


# reports repeat texts: those of a test each other's captured output, and those of a run short ones such as file names
_redact_short_text = lru_cache(maxsize=256)(_redact_text)
_redact_long_text = lru_cache(maxsize=4)(_redact_text)


def refuse_api_keys(path: Path, metadata: CassetteMetadata, interactions: Iterable[Interaction]) -> None:
    """Raise `CassetteError` if a cassette contains text that looks like a key, or a body that cannot be searched."""
    found = scan_cassette(metadata, interactions)
    if keys := [one for one in found if one.kind != UNSEARCHABLE_KIND]:
        raise CassetteError("\n".join(_api_key_error_lines(path, keys)))
    if found:
        raise CassetteError("\n".join(_unsearchable_error_lines(path, found)))


def _api_key_error_lines(path: Path, findings: list[SecretFinding]) -> Iterator[str]:
    yield f"{path} was not written, because this still looks like a key:"
    yield from finding_lines(findings)
    patterns = ", ".join(f"'{KEY_SHAPES[kind]}'" for kind in dict.fromkeys(one.kind for one in findings))
    yield "Take it out with a filter, in pyproject.toml for all tests:"
    yield "  [tool.flag-harness.filters]"
    yield f"  patterns = [{patterns}]"
    yield "or on one test: @pytest.mark.harness_filters(patterns=[...]); and withdraw the key if it was a real one."


def _unsearchable_error_lines(path: Path, findings: list[SecretFinding]) -> Iterator[str]:
    yield f"{path} was not written, because what it holds cannot be seen:"
    yield from finding_lines(findings)
    yield "Install brotli for br, zstandard for zstd; or have the server send it without that compression."


def finding_lines(findings: list[SecretFinding]) -> Iterator[str]:
    """Yield a line for each of the first findings, and a last line that counts the others, if there are any."""
    yield from (f"  {one}" for one in findings[:MAX_LISTED_FINDINGS])
    if (omitted := len(findings) - MAX_LISTED_FINDINGS) > 0:
        yield f"  ... and {omitted} more"


def _find_api_keys_in_interaction(interaction: Interaction) -> Iterator[tuple[str, str, str]]:
    """Yield `(location, kind, excerpt)` for each key in an interaction.

    First all texts are searched together, without locations: this is fast, and most interactions have no key.
    """
    response = decompress_response(interaction.response)
    if not _has_api_key(_interaction_texts(interaction, response)):
        return
    request = interaction.request
    yield from _find_api_keys_in_named_values("", (("case", interaction.case),))
    yield from dict.fromkeys(
        _find_api_keys_in_named_values("request ", (("url", text) for text in _texts_of_url(request.url)))
    )
    yield from _find_api_keys_in_named_values("request ", _header_locations_and_values(request.headers))
    yield from _find_api_keys_in_body(request.body, "request ")
    if response and isinstance(response[0], Head):
        yield from _find_api_keys_in_named_values("response ", _header_locations_and_values(response[0].headers))
    found = list(_find_api_keys_in_body(body(response), "response "))
    if not found and response is not interaction.response:  # the compressed bytes are searched too
        found += _find_api_keys_in_body(body(interaction.response), "response ")
    yield from found


def _interaction_texts(interaction: Interaction, response: Response) -> Iterator[str]:
    """Yield each text of an interaction. `response` is its response after decompression."""
    yield interaction.case
    yield from _texts_of_url(interaction.request.url)
    heads = (response[0].headers,) if response and isinstance(response[0], Head) else ()
    for headers in (interaction.request.headers, *heads):
        yield from (value for _, value in _header_locations_and_values(headers))
    bodies = [interaction.request.body, body(response)]
    if response is not interaction.response:
        bodies.append(body(interaction.response))
    for data in bodies:
        yield from body_strings(searchable_body(data))


def _texts_of_url(url: str) -> Iterator[str]:
    """Yield the texts of a URL without percent-encoding: the whole URL, and each long segment of its path.

    A long segment may be base64, which is found only if it stands alone.
    """
    yield unquote_plus(url)
    yield from (unquote_plus(step) for step in url.partition("?")[0].split("/") if len(step) > MIN_KEY_LENGTH)


def _find_api_keys_in_body(data: bytes, location_prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yield `(location, kind, excerpt)` for each key in a body. `location_prefix` is the beginning of the location."""
    plain = searchable_body(data)
    if len(plain) > MIN_LARGE_BODY_BYTES:
        yield from _find_api_keys_in_large_body(plain, f"{location_prefix}body")
    elif _has_api_key(body_strings(plain)):
        yield from _find_api_keys_in_texts(body_texts(plain.decode(*LOSSLESS_UTF8)), location_prefix)


def _find_api_keys_in_large_body(data: bytes, location: str) -> Iterator[tuple[str, str, str]]:
    """Yield `(location, kind, excerpt)` once for each kind of key in a large body. The location is that of the body."""
    windows = ((location, window) for window in join_into_windows(body_strings(data)) if _has_api_key((window,)))
    yield from dict.fromkeys(_find_api_keys_in_named_values("", windows))


def _has_api_key(texts: Iterable[str]) -> bool:
    return any(contains_secret(window, find_api_keys) for window in join_into_windows(texts))


def _header_locations_and_values(headers: Headers) -> tuple[tuple[str, str], ...]:
    """Return `(location, value)` for each header, in the form that `_find_api_keys_in_named_values` takes."""
    return tuple(
        (f"header {name}", unquote_plus(value) if name == LOCATION_HEADER else value) for name, value in headers
    )


def _find_api_keys_in_named_values(
    location_prefix: str, values: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str, str]]:
    """Yield `(location, kind, excerpt)` for each key in `values`, which are pairs of a location and a text.

    `location_prefix` is put before the location.
    """
    return (
        (location_prefix + location, kind, excerpt)
        for location, value in values
        for _, _, kind, excerpt in _find_api_key_excerpts(value)
    )


def _find_api_keys_in_texts(texts: Iterable[BodyText], location_prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield `(location, kind, excerpt)` for each key in texts of a body. Locations begin with `location_prefix`."""
    for text in texts:
        size, value = add_member_name_before_text(text)
        for start, stop, kind, excerpt in _find_api_key_excerpts(value):
            yield location_prefix + text.describe_location(max(start - size, 0), stop - size), kind, excerpt


def _find_api_key_excerpts(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield `(start, stop, kind, excerpt)` for each key in a text.

    If there is none, yield the first key that is encoded, for example in base64.
    """
    is_plain = False
    for start, stop, kind in find_api_keys(text):
        is_plain = True
        yield start, stop, kind, _api_key_excerpt(kind, text[start:stop])
    if not is_plain and (hidden := find_first_secret(text, find_api_keys)):
        start, stop, kind, key = hidden
        yield start, stop, kind, _api_key_excerpt(kind, key)


def _api_key_excerpt(kind: str, key: str) -> str:
    """Return the first characters of a key or, if it was recognised by a name, of that name, as in `api_key=...`."""
    name = re.match(r"[A-Za-z0-9_-]+", key) if kind in KINDS_KNOWN_BY_NAME else None
    return f"{(name[0] if name else key)[:EXCERPT_LENGTH]}…"
