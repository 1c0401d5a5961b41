"""Filters: they remove secrets from requests and responses before these are compared, shown or written."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit, urlunsplit

from flag_harness.cassette.interaction import Interaction, make_storable_request
from flag_harness.cassette.redact.bodies import edit_body, searchable_body
from flag_harness.cassette.redact.body_rules import BodyRules, compile_body_rules
from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8
from flag_harness.cassette.redact.detectors import Detector, make_detector
from flag_harness.cassette.redact.edits import REDACTED, apply_edits_to_parts, convert_to_byte_edits, edit_text
from flag_harness.cassette.redact.headers import LOCATION_HEADER
from flag_harness.cassette.redact.keys.named_values import header_value_pattern, json_value_pattern, query_value_pattern
from flag_harness.config import FILTER_KINDS, Config, PrivacyAction
from flag_harness.errors import ConfigError
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.timeline import Chunk, Head, Headers, Request, Response

MIN_SECRET_LENGTH = 6
"""The shortest removed value in characters that reports also mask wherever it occurs elsewhere."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Rules for removing secrets from a cassette. Filters can be added to each other in any order.

    `headers` drops headers. `query` redacts the values of query parameters, also in redirects. `json` redacts JSON
    values by path (`metadata.user_id`, `messages[*].content`, `**.password`), including everything nested in them.
    `patterns` redacts the matches of regular expressions in the URL, the headers and the texts of a body, also in
    base64. `detectors` find personal data, which is redacted if the detector's action is `mask`. A body keeps its form:
    strings stay strings, numbers become 0, and a stream keeps its events and chunks. Raise `ConfigError` if a path or a
    pattern is invalid.
    """

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    detectors: tuple[Detector, ...] = ()

    def __post_init__(self) -> None:
        for name in FILTER_KINDS:
            values = getattr(self, name)
            if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
                raise ConfigError(f"filters: {name} = {values!r} must be a list of strings")
            object.__setattr__(self, name, tuple(values))
        compile_body_rules(self.json, self.patterns, ())

    def __add__(self, other: "Filters") -> "Filters":
        if not other:
            return self
        return Filters(*((*getattr(self, one.name), *getattr(other, one.name)) for one in fields(self)))

    def __bool__(self) -> bool:
        return bool(self.headers or self.query or self.json or self.patterns or self.detectors)

    def filter_request(self, request: Request) -> Request:
        """Return the request without secrets. Requests that differ only in secrets become equal."""
        if not self:
            return request
        (body,) = self._filter_chunks([request.body])
        return replace(
            request, url=self._filter_url(request.url), headers=self._filter_headers(request.headers), body=body
        )

    def filter_sent_request(self, request: Request) -> Request:
        """Return a sent request in the form that a cassette keeps: with only the headers that are stored, and without
        secrets.
        """
        return self.filter_request(make_storable_request(request))

    def filter_response(self, response: Response) -> Response:
        """Return the response without secrets, in as many chunks as before. If its body changes, it is decompressed."""
        if not self:
            return response
        plain = decompress_response(response)
        filtered = self._filter_chunks(_chunk_data(plain))
        if filtered == _chunk_data(plain):
            plain, filtered = response, _chunk_data(response)
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
        """Return the interaction with the secrets removed from its request, its response and the id of its test."""
        if not self:
            return interaction
        return replace(
            interaction,
            request=self.filter_request(interaction.request),
            response=self.filter_response(interaction.response),
            case=self._redact_text(interaction.case) if interaction.case else "",
        )

    def filter_text(self, text: str) -> str:
        """Return free text, such as a log line, with secrets redacted: matches of patterns, and values after a filtered
        name.
        """
        named = (
            *map(query_value_pattern, self.query),
            *map(header_value_pattern, self.headers),
            *map(json_value_pattern, self.json),
        )
        for pattern in filter(None, named):
            text = pattern.sub(rf"\1{REDACTED}", text)
        return str(edit_text(text, self._display_rules.text_edits(text)))

    def secrets(self, request: Request, response: Response) -> frozenset[str]:
        """Return the values, of at least `MIN_SECRET_LENGTH` characters, that filtering removes from a request and its
        response.
        """
        found: set[str] = set()
        if self.query:
            wanted = {name.lower() for name in self.query}
            for url in (request.url, *_redirect_urls(response)):
                found.update(value for name, value in parse_qsl(url.partition("?")[2]) if name.lower() in wanted)
        for side in (request.headers, *(piece.headers for piece in response if isinstance(piece, Head))):
            found.update(value for name, value in side if name.lower() in map(str.lower, self.headers))
        if self._display_rules:
            for body in (request.body, b"".join(_chunk_data(decompress_response(response)))):
                found.update(self._display_rules.find_values_to_remove(searchable_body(body).decode(*LOSSLESS_UTF8)))
        return frozenset(secret for secret in found if len(secret) >= MIN_SECRET_LENGTH)

    @property
    def _storage_rules(self) -> BodyRules:
        """The rules for requests and responses that are stored."""
        return compile_body_rules(self.json, self.patterns, self._detectors_with_actions("mask"))

    @property
    def _display_rules(self) -> BodyRules:
        """The rules for texts that are only shown.

        They also hide personal data that makes a detector refuse to store a cassette.
        """
        return compile_body_rules(self.json, self.patterns, self._detectors_with_actions("mask", "refuse"))

    def _detectors_with_actions(self, *actions: PrivacyAction) -> tuple[Detector, ...]:
        return tuple(detector for detector in self.detectors if detector.action in actions)

    def _redact_text(self, text: str) -> str:
        return str(edit_text(text, self._storage_rules.text_edits(text)))

    def _filter_headers(self, headers: Headers) -> Headers:
        left_out = {name.lower() for name in self.headers}
        return tuple(
            (name, self._filter_header_value(name, value)) for name, value in headers if name.lower() not in left_out
        )

    def _filter_header_value(self, name: str, value: str) -> str:
        """Return the value of the header `name` without secrets.

        The target of a redirect is filtered as a URL if it is valid.
        """
        with suppress(ValueError):
            return self._filter_url(value) if name.lower() == LOCATION_HEADER else self._redact_text(value)
        return self._redact_text(value)

    def _filter_url(self, url: str) -> str:
        parts = urlsplit(url)
        path = self._redact_url_part(parts.path, unquote, quote)
        path = "/".join(self._redact_url_part(step, unquote, quote) for step in path.split("/"))
        query = "&".join(map(self._filter_parameter, parts.query.split("&"))) if parts.query else ""
        return self._redact_text(urlunsplit(parts._replace(path=path, query=query)))

    def _filter_parameter(self, parameter: str) -> str:
        """Return a query parameter, `name=value`, without secrets.

        If `query` lists its name, the whole value is redacted, else only what the patterns match in name and value.
        """
        name, equals, value = parameter.partition("=")
        if unquote_plus(name).lower() in {wanted.lower() for wanted in self.query}:
            return f"{name}={REDACTED}"
        return (
            self._redact_url_part(name, unquote_plus, quote_plus)
            + equals
            + self._redact_url_part(value, unquote_plus, quote_plus)
        )

    def _redact_url_part(self, quoted: str, unquote: Callable[[str], str], quote: Callable[[str], str]) -> str:
        """Return a part of a URL without secrets. `unquote` decodes it for the search, and `quote` encodes the result
        again.

        The part is returned unchanged if it has no secret.
        """
        value = unquote(quoted)
        return quoted if (left := self._redact_text(value)) == value else quote(left)

    def _filter_chunks(self, chunks: Sequence[bytes]) -> list[bytes]:
        """Return the chunks of one body without secrets.

        If a secret reaches over several chunks, the first has the replacement.
        """
        if not self._storage_rules:
            return list(chunks)
        return edit_body(chunks, self._edit_parts)

    def _edit_parts(self, parts: Sequence[bytes]) -> list[bytes]:
        """Return the parts of a split body without secrets. The text must not be in a binary format."""
        body = b"".join(parts).decode(*LOSSLESS_UTF8)
        return apply_edits_to_parts(parts, convert_to_byte_edits(body, self._storage_rules.body_edits(body)))


def _redirect_urls(response: Response) -> Iterator[str]:
    heads = (piece for piece in response if isinstance(piece, Head))
    return (value for head in heads for name, value in head.headers if name.lower() == LOCATION_HEADER)


def _chunk_data(response: Response) -> list[bytes]:
    return [piece.data for piece in response if isinstance(piece, Chunk)]


def project_filters(config: Config, folder: Path) -> Filters:
    """Return the filters and detectors that a project declares. Its `pyproject.toml` is in `folder`.

    Raise `ConfigError` if a JSON path is invalid, or if a function cannot be imported.
    """
    detectors = (make_detector(name, settings, folder) for name, settings in (config.privacy or {}).items())
    return Filters(**config.filters, detectors=tuple(detectors))


NO_FILTERS = Filters()
