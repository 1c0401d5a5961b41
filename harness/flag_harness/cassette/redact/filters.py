"""Filters: what is taken out of requests and responses before they are matched, shown or written."""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit, urlunsplit

from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.redact.edits import REDACTED, Edit, distributed, edited, hidden, in_bytes, spliced, written
from flag_harness.cassette.redact.headers import LOCATION
from flag_harness.cassette.redact.named import header_values, json_values, query_values
from flag_harness.cassette.redact.texts import UTF8, Text, in_base64, json_parts, texts
from flag_harness.errors import ConfigError
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.timeline import Chunk, Head, Headers, Request, Response

SHORTEST = 6
"""Characters of what is taken out that make it worth hiding wherever it stands in a report."""

_STEP = re.compile(r"(?P<dot>\.?)(?:(?P<any>\*\*)|(?P<each>\*)|(?P<name>[^.\[\]*]+))|\[(?P<place>[0-9]+|\*)\]")


@dataclass(frozen=True, slots=True)
class Filters:
    """What must not be kept. Filters are added up and never taken away, and the order in which they are added is none.

    `headers` leaves out headers; `query` hides the values of query parameters, of redirects too; `json` hides JSON
    values by path (`metadata.user_id`, `messages[*].content`, `**.password`), and all below them; `patterns` hides what
    a regular expression finds in the URL, a header, or a text of a body, also inside of base64. A body keeps its form:
    strings stay strings, numbers become 0, a stream keeps its events and its chunks. Raises `ConfigError` naming what
    cannot be understood.
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

    def request(self, request: Request) -> Request:
        """The request without what is filtered. Requests that differ in nothing else become equal."""
        if not self:
            return request
        (body,) = self._bodies([request.body])
        return replace(request, url=self._url(request.url), headers=self._headers(request.headers), body=body)

    def response(self, response: Response) -> Response:
        """The response without what is filtered, in as many pieces. A compressed one becomes plain, if need be."""
        if not self:
            return response
        opened = decompress_response(response)
        left = self._bodies(_data(opened))
        if left == _data(opened):
            opened, left = response, _data(response)
        chunks = iter(left)
        return tuple(
            replace(piece, data=next(chunks))
            if isinstance(piece, Chunk)
            else replace(piece, headers=self._headers(piece.headers))
            if isinstance(piece, Head)
            else piece
            for piece in opened
        )

    def interaction(self, interaction: Interaction) -> Interaction:
        """The interaction without what is filtered."""
        if not self:
            return interaction
        return replace(
            interaction, request=self.request(interaction.request), response=self.response(interaction.response)
        )

    def text(self, text: str) -> str:
        """A text that is to be shown, such as a log line, without what the patterns find and what stands by a name."""
        named = (*map(query_values, self.query), *map(header_values, self.headers), *map(json_values, self.json))
        for pattern in filter(None, named):
            text = pattern.sub(rf"\1{REDACTED}", text)
        return self._without(text)

    def taken(self, request: Request, response: Response) -> frozenset[str]:
        """What `request` and `response` would take out of the two; of short values only those of six characters up."""
        found: set[str] = set()
        if self.query:
            wanted = {name.lower() for name in self.query}
            for url in (request.url, *_locations(response)):
                found.update(value for name, value in parse_qsl(url.partition("?")[2]) if name.lower() in wanted)
        for side in (request.headers, *(piece.headers for piece in response if isinstance(piece, Head))):
            found.update(value for name, value in side if name.lower() in map(str.lower, self.headers))
        if self.json or self.patterns:
            for body in (request.body, b"".join(_data(decompress_response(response)))):
                found.update(self._rules.taken(body.decode(*UTF8)))
        return frozenset(secret for secret in found if len(secret) >= SHORTEST)

    @property
    def _rules(self) -> "_Rules":
        return _rules(self.json, self.patterns)

    def _without(self, text: str) -> str:
        return str(edited(text, hidden(self._rules.found(text))))

    def _headers(self, headers: Headers) -> Headers:
        left_out = {name.lower() for name in self.headers}
        return tuple((name, self._value(name, value)) for name, value in headers if name.lower() not in left_out)

    def _value(self, name: str, value: str) -> str:
        """The value of a header. Where it is a URL that nobody can read, it is only a text."""
        with suppress(ValueError):
            return self._url(value) if name.lower() == LOCATION else self._without(value)
        return self._without(value)

    def _url(self, url: str) -> str:
        parts = urlsplit(url)
        path = self._unquoted(parts.path, unquote, quote)
        query = "&".join(map(self._parameter, parts.query.split("&"))) if parts.query else ""
        return self._without(urlunsplit(parts._replace(path=path, query=query)))

    def _parameter(self, parameter: str) -> str:
        name, equals, value = parameter.partition("=")
        if unquote_plus(name).lower() in {wanted.lower() for wanted in self.query}:
            return f"{name}={REDACTED}"
        return self._unquoted(name, unquote_plus, quote_plus) + equals + self._unquoted(value, unquote_plus, quote_plus)

    def _unquoted(self, quoted: str, unquote: Callable[[str], str], quote: Callable[[str], str]) -> str:
        """The URL's part without what the patterns find in what it says; as it was where they find nothing."""
        value = unquote(quoted)
        return quoted if (left := self._without(value)) == value else quote(left)

    def _bodies(self, chunks: Sequence[bytes]) -> list[bytes]:
        """The chunks of one body without what is filtered; what stood over several is replaced in the first."""
        if not (self.json or self.patterns):
            return list(chunks)
        body = b"".join(chunks).decode(*UTF8)
        return spliced(chunks, in_bytes(body, self._rules.edits(body)))


class _Rules(NamedTuple):
    """Compiled filters of bodies."""

    paths: tuple[re.Pattern[str], ...]
    patterns: tuple[re.Pattern[str], ...]

    def found(self, text: str, paths: Iterable[str] = ()) -> list[tuple[int, int]]:
        """The spans to hide in a text that stands at any of the paths."""
        if any(rule.match(path) for rule in self.paths for path in paths):
            return [(0, len(text))]
        return [match.span() for pattern in self.patterns for match in pattern.finditer(text)]

    def edits(self, body: str) -> list[Edit]:
        """What is to change in a body."""
        return sorted(self._edits(body, texts(body)))

    def taken(self, document: str) -> Iterator[str]:
        """What the filters take out of a body."""
        for text in texts(document):
            for start, stop, _ in self._changes(text, False):
                yield text.value[start:stop]

    def _edits(self, document: str, found: Iterable[Text], everything: bool = False) -> Iterator[Edit]:
        """What is to change in a document: in each of its texts, and the texts that a pattern for JSON stands over."""
        over = [
            match.span() for pattern in self.patterns if '"' in pattern.pattern for match in pattern.finditer(document)
        ]
        for text in found:
            whole = everything or any(
                part.start < stop and part.stop > start for part in text.parts for start, stop in over
            )
            changes = distributed([len(part.value) for part in text.parts], self._changes(text, whole))
            for part, edits in zip(text.parts, changes, strict=True):
                if edits and not part.fixed:
                    yield from written(part, edits, document)

    def _changes(self, text: Text, whole: bool) -> list[Edit]:
        """What is to change in one text. JSON inside of JSON stays JSON."""
        value = text.value
        if text.is_json and (inner := json_parts(value)) is not None:
            return sorted(self._edits(value, [part.alone(*text.paths) for part in inner], whole))
        spans = [(0, len(value))] if whole else self.found(value, text.paths)
        return hidden(spans) if spans else self._changes_inside(value)

    def _changes_inside(self, value: str) -> list[Edit]:
        """What is to change in a text for what it says in base64."""
        if (inner := in_base64(value)) is None or not (spans := self.found(inner)):
            return []
        left = str(edited(inner, hidden(spans))).encode(*UTF8)
        return [Edit(0, len(value), base64.b64encode(left).decode("ascii"))]


@lru_cache(maxsize=64)
def _rules(paths: tuple[str, ...], patterns: tuple[str, ...]) -> _Rules:
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise ConfigError(f"filters: the pattern {pattern!r} is no regular expression: {error}") from None
    return _Rules(tuple(map(_path_pattern, paths)), tuple(compiled))


def _path_pattern(path: str) -> re.Pattern[str]:
    """What matches the paths of the values that a filter names, and of all below them."""
    pattern, position = "", 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None or bool(step["dot"]) != (position > 0 and step["place"] is None):
            break
        pattern += _step_pattern(step)
        position = step.end()
    if not path or position < len(path):
        raise ConfigError(
            f"filters: {path!r} is no JSON path; write names with dots, and [0], [*], * or ** for what lies between: "
            "'messages[*].content', '**.password'"
        )
    return re.compile(rf"{pattern}(?![^.\[])", re.DOTALL)


def _step_pattern(step: re.Match[str]) -> str:
    if step["place"]:
        return r"\[[0-9]+\]" if step["place"] == "*" else rf"\[{step['place']}\]"
    if step["any"]:
        return r"(?:(?:\.|^)[^.\[].*|\[.*)?"
    return r"(?:\.|^)" + (r"[^.\[\]]+" if step["each"] else re.escape(step["name"]))


def _locations(response: Response) -> Iterator[str]:
    heads = (piece for piece in response if isinstance(piece, Head))
    return (value for head in heads for name, value in head.headers if name.lower() == LOCATION)


def _data(response: Response) -> list[bytes]:
    return [piece.data for piece in response if isinstance(piece, Chunk)]


NO_FILTERS = Filters()
