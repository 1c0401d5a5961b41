"""Filters: remove what must not be stored from requests and responses, before matching, showing and writing."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit, urlunsplit

from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.redact.body_texts import UTF8, BodyText, body_texts, parse_json_parts
from flag_harness.cassette.redact.edits import (
    REDACTED,
    TextEdit,
    apply_edits_to_parts,
    byte_edits,
    document_edits,
    edit_text,
    redaction_edits,
    split_edits,
)
from flag_harness.cassette.redact.encodings import hidden_edits
from flag_harness.cassette.redact.headers import LOCATION
from flag_harness.cassette.redact.named_values import header_value_pattern, json_value_pattern, query_value_pattern
from flag_harness.errors import ConfigError
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.json_paths import json_path_pattern
from flag_harness.wire.timeline import Chunk, Head, Headers, Request, Response

SHORTEST = 6
"""The shortest secret that reports mask wherever it appears, in characters."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a cassette must not keep. Filters can be added, in any order, but not removed.

    `headers` drops headers; `query` redacts the values of query parameters, in redirects too; `json` redacts JSON
    values by path (`metadata.user_id`, `messages[*].content`, `**.password`), with everything below them; `patterns`
    redacts what a regular expression finds in the URL, a header or a text of a body, base64 included. A body keeps its
    form: strings stay strings, numbers become 0, a stream keeps its events and chunks. Raises `ConfigError` if a path
    or a pattern is invalid.
    """

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.__slots__:
            values = getattr(self, name)
            if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
                raise ConfigError(f"filters: {name} = {values!r} must be a list of strings")
            object.__setattr__(self, name, tuple(values))
        _rules(self.json, self.patterns)

    def __add__(self, other: "Filters") -> "Filters":
        return Filters(*((*getattr(self, one.name), *getattr(other, one.name)) for one in fields(self)))

    def __bool__(self) -> bool:
        return bool(self.headers or self.query or self.json or self.patterns)

    def filter_request(self, request: Request) -> Request:
        """Return the filtered request. Requests that differ only in filtered values become equal."""
        if not self:
            return request
        (body,) = self._filter_chunks([request.body])
        return replace(
            request, url=self._filter_url(request.url), headers=self._filter_headers(request.headers), body=body
        )

    def filter_response(self, response: Response) -> Response:
        """Return the filtered response with the same number of chunks; decompress it if its body must change."""
        if not self:
            return response
        plain = decompress_response(response)
        filtered = self._filter_chunks(_data(plain))
        if filtered == _data(plain):
            plain, filtered = response, _data(response)
        chunks = iter(filtered)
        return tuple(
            replace(piece, data=next(chunks))
            if isinstance(piece, Chunk)
            else replace(piece, headers=self._filter_headers(piece.headers))
            if isinstance(piece, Head)
            else piece
            for piece in plain
        )

    def filter_interaction(self, interaction: Interaction) -> Interaction:
        """Return the interaction with its request and response filtered."""
        if not self:
            return interaction
        return replace(
            interaction,
            request=self.filter_request(interaction.request),
            response=self.filter_response(interaction.response),
        )

    def filter_text(self, text: str) -> str:
        """Redact free text, such as a log line: the matches of patterns and the values beside filtered names."""
        named = (
            *map(query_value_pattern, self.query),
            *map(header_value_pattern, self.headers),
            *map(json_value_pattern, self.json),
        )
        for pattern in filter(None, named):
            text = pattern.sub(rf"\1{REDACTED}", text)
        return self._redact(text)

    def secrets(self, request: Request, response: Response) -> frozenset[str]:
        """Return the values that filtering removes from the two; only those of six characters or more."""
        found: set[str] = set()
        if self.query:
            wanted = {name.lower() for name in self.query}
            for url in (request.url, *_locations(response)):
                found.update(value for name, value in parse_qsl(url.partition("?")[2]) if name.lower() in wanted)
        for side in (request.headers, *(piece.headers for piece in response if isinstance(piece, Head))):
            found.update(value for name, value in side if name.lower() in map(str.lower, self.headers))
        if self.json or self.patterns:
            for body in (request.body, b"".join(_data(decompress_response(response)))):
                found.update(self._rules.removed_values(body.decode(*UTF8)))
        return frozenset(secret for secret in found if len(secret) >= SHORTEST)

    @property
    def _rules(self) -> "_Rules":
        return _rules(self.json, self.patterns)

    def _redact(self, text: str) -> str:
        return str(edit_text(text, self._rules.text_edits(text)))

    def _filter_headers(self, headers: Headers) -> Headers:
        left_out = {name.lower() for name in self.headers}
        return tuple((name, self._filter_value(name, value)) for name, value in headers if name.lower() not in left_out)

    def _filter_value(self, name: str, value: str) -> str:
        """Return the filtered value of a header; an invalid URL is filtered as text."""
        with suppress(ValueError):
            return self._filter_url(value) if name.lower() == LOCATION else self._redact(value)
        return self._redact(value)

    def _filter_url(self, url: str) -> str:
        parts = urlsplit(url)
        path = self._redact_url_part(parts.path, unquote, quote)
        query = "&".join(map(self._filter_parameter, parts.query.split("&"))) if parts.query else ""
        return self._redact(urlunsplit(parts._replace(path=path, query=query)))

    def _filter_parameter(self, parameter: str) -> str:
        name, equals, value = parameter.partition("=")
        if unquote_plus(name).lower() in {wanted.lower() for wanted in self.query}:
            return f"{name}={REDACTED}"
        return (
            self._redact_url_part(name, unquote_plus, quote_plus)
            + equals
            + self._redact_url_part(value, unquote_plus, quote_plus)
        )

    def _redact_url_part(self, quoted: str, unquote: Callable[[str], str], quote: Callable[[str], str]) -> str:
        """Redact the decoded part of a URL, or return the part unchanged if no pattern matches."""
        value = unquote(quoted)
        return quoted if (left := self._redact(value)) == value else quote(left)

    def _filter_chunks(self, chunks: Sequence[bytes]) -> list[bytes]:
        """Filter the chunks of one body; a value that spans several chunks is replaced in the first."""
        if not (self.json or self.patterns):
            return list(chunks)
        body = b"".join(chunks).decode(*UTF8)
        return apply_edits_to_parts(chunks, byte_edits(body, self._rules.edits(body)))


class _Rules(NamedTuple):
    """Compiled filters of bodies."""

    paths: tuple[re.Pattern[str], ...]
    patterns: tuple[re.Pattern[str], ...]

    def is_redacted(self, paths: Iterable[str]) -> bool:
        """Return whether a filter matches any of the JSON paths of a text."""
        return any(rule.match(path) for rule in self.paths for path in paths)

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield the start, stop and pattern of each match."""
        return ((*match.span(), pattern.pattern) for pattern in self.patterns for match in pattern.finditer(text))

    def text_edits(self, text: str) -> list[TextEdit]:
        """Return the edits of a text, also of what it hides behind escapes, in base64 or in gzip."""
        return hidden_edits(text, self.find) if self.patterns else []

    def edits(self, body: str) -> list[TextEdit]:
        """Return the edits that redact a body, sorted by position."""
        return sorted(self._edits(body, body_texts(body)))

    def removed_values(self, document: str) -> Iterator[str]:
        """Yield the values that the filters remove from a body."""
        for text in body_texts(document):
            for start, stop, _ in self._text_edits(text, False):
                yield text.value[start:stop]

    def _edits(self, document: str, texts: Iterable[BodyText], all_texts: bool = False) -> Iterator[TextEdit]:
        """Yield the edits of a document: those of each text, and of whole texts that a pattern with quotes spans."""
        spanned = [
            match.span()
            for pattern in self.patterns
            if '"' in pattern.pattern
            for match in pattern.finditer(document)
            if '"' in match[0]
        ]
        for text in texts:
            is_whole = all_texts or any(
                part.start < stop and part.stop > start for part in text.parts for start, stop in spanned
            )
            changes = split_edits([len(part.value) for part in text.parts], self._text_edits(text, is_whole))
            for part, edits in zip(text.parts, changes, strict=True):
                if edits and not part.fixed:
                    yield from document_edits(part, edits, document)

    def _text_edits(self, text: BodyText, is_whole: bool) -> list[TextEdit]:
        """Return the edits of one text. JSON inside JSON stays JSON."""
        value = text.value
        if text.is_json and (inner := parse_json_parts(value)) is not None:
            return sorted(self._edits(value, [part.to_text(*text.paths) for part in inner], is_whole))
        if is_whole or self.is_redacted(text.paths):
            return redaction_edits([(0, len(value))])
        return self.text_edits(value)


@lru_cache(maxsize=64)
def _rules(paths: tuple[str, ...], patterns: tuple[str, ...]) -> _Rules:
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise ConfigError(f"filters: the pattern {pattern!r} is not a regular expression: {error}") from None
    try:
        return _Rules(tuple(map(json_path_pattern, paths)), tuple(compiled))
    except ValueError as error:
        raise ConfigError(f"filters: {error}") from None


def _locations(response: Response) -> Iterator[str]:
    heads = (piece for piece in response if isinstance(piece, Head))
    return (value for head in heads for name, value in head.headers if name.lower() == LOCATION)


def _data(response: Response) -> list[bytes]:
    return [piece.data for piece in response if isinstance(piece, Chunk)]


NO_FILTERS = Filters()
