"""A foreign cassette as one of ours: what is kept of it, and what its envelope says of the rest."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, get_args

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.importers import fidelity, go_vcr, others, vcrpy
from flag_harness.cassette.importers.document import plain_values
from flag_harness.cassette.importers.encodings import BodyDecoder
from flag_harness.cassette.importers.limits import Limits
from flag_harness.cassette.importers.source import ReadInteractions, SourceInteraction
from flag_harness.cassette.importers.streams import event_chunks, is_stream, lost_padding
from flag_harness.cassette.interaction import Envelope, Interaction, storable_request
from flag_harness.cassette.match.matching import MatchWord
from flag_harness.cassette.redact.headers import select_response_headers
from flag_harness.wire.head_rules import head_problem, headers_problem
from flag_harness.wire.timeline import Chunk, End, Head, Headers, Request, header_value

VCRPY_DEFAULT: Final[tuple[MatchWord, ...]] = ("method", "path", "query")
"""What vcrpy compares unless told otherwise; the scheme, host and port of its default are not stored here."""

_NOT_STORED = frozenset({"scheme", "host", "port"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_VERSION = re.compile(r"[\w.+-]{1,40}")
_FORMATS: Mapping[str, tuple[Any, ReadInteractions]] = {
    "vcrpy": (vcrpy.is_vcrpy, vcrpy.interactions),
    "go-vcr": (go_vcr.is_go_vcr, go_vcr.interactions),
}


@dataclass(frozen=True, slots=True)
class Imported:
    """A foreign cassette that was read: its format, what is kept of it, and the requests that are not."""

    format: str
    cassette: Cassette
    left_out: tuple[str, ...]


def import_cassette(
    data: bytes,
    *,
    match_on: tuple[MatchWord, ...] = VCRPY_DEFAULT,
    every_path: bool = False,
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
) -> Imported:
    """Read the bytes of a foreign cassette. Nothing in it is executed, and nothing is written.

    `every_path` keeps requests to other services too. Raises `ValueError`, in one line, naming the place that cannot be
    understood.
    """
    try:
        name, rows = _read(plain_values(data, limits))
        kept, left_out = _parted(rows, every_path)
        decoder = BodyDecoder(limits.decoded)
        notes: set[str] = {fidelity.INTERACTIONS_LEFT_OUT} if left_out else set()
        interactions = tuple(_interaction(number, row, decoder, notes) for number, row in kept)
    except RecursionError:
        raise ValueError("too many values inside each other") from None
    if not interactions:
        raise ValueError(f"no request in it goes to the API (--every-path keeps others): {', '.join(left_out[:3])}")
    sources = [row for _, row in kept]
    envelope = Envelope(
        upstream="imported",
        recorded_at=_recorded_at(sources),
        sdk=_sdk(sources),
        fidelity=tuple(word for word in fidelity.WORDS if word in notes),
        match_on=match_on,
    )
    return Imported(name, Cassette(envelope, interactions), left_out)


def match_words(names: Iterable[str]) -> tuple[MatchWord, ...]:
    """vcrpy's `match_on` as it can be kept here. Raises `ValueError` naming a word that is not known."""
    known: tuple[MatchWord, ...] = get_args(MatchWord)
    names = list(dict.fromkeys(names))
    if unknown := [name for name in names if name not in known and name not in _NOT_STORED]:
        raise ValueError(
            f"match_on {unknown[0]!r:.40} is not known; known are {', '.join([*known, *sorted(_NOT_STORED)])}"
        )
    words = tuple(word for word in known if word in names)
    if not words:
        raise ValueError("match_on names nothing that a cassette keeps: add method or path")
    return words


def _read(document: Any) -> tuple[str, list[SourceInteraction]]:
    """The name of the document's format, and its interactions."""
    rows = document.get("interactions") if isinstance(document, dict) else document
    if rows == []:
        raise ValueError("it has no interactions")
    first = rows[0] if isinstance(rows, list) else None
    request = first.get("request") if isinstance(first, dict) else None
    known = others.named(document)
    for name, (is_format, read) in _FORMATS.items():
        if not known and isinstance(request, dict) and is_format(request):
            return name, list(read(rows))
    raise ValueError(f"neither vcrpy nor go-vcr: {f'{known}, which is not read' if known else _lacking(document)}")


def _lacking(document: Any) -> str:
    """What keeps a document from being a cassette."""
    if isinstance(document, dict) and not isinstance(document.get("interactions"), list):
        return "it has no list of interactions"
    if not isinstance(document, (dict, list)):
        return f"it holds {type(document).__name__}, no interactions"
    return "interaction 0 has no request with uri or url"


def _parted(
    rows: Sequence[SourceInteraction], every_path: bool
) -> tuple[list[tuple[int, SourceInteraction]], tuple[str, ...]]:
    """The interactions that are kept, by their number; and the requests of the others, as `GET host/path`."""
    kept, left_out = [], []
    for number, row in enumerate(rows):
        try:
            ours = others.goes_to_the_api(row.url)
        except ValueError as error:
            raise ValueError(f"interaction {number}: url: {error}") from None
        if every_path or ours:
            kept.append((number, row))
        else:
            left_out.append(f"{row.method:.16} {row.url.partition('?')[0]:.120}")
    return kept, tuple(left_out)


def _interaction(number: int, row: SourceInteraction, decoder: BodyDecoder, notes: set[str]) -> Interaction:
    try:
        body, headers, plain = decoder.decode(row.response_headers, row.response_body)
        request_body, _, _ = decoder.decode(row.request_headers, row.request_body)
    except ValueError as error:
        raise ValueError(f"interaction {number}: {error}") from None
    request = storable_request(Request(row.method, row.url, row.request_headers, request_body))
    stream = is_stream(headers, body)
    kept = select_response_headers(headers, row.url)
    if reason := head_problem(row.status, kept) or headers_problem(request.headers):
        raise ValueError(f"interaction {number}: {reason}")
    if invented := _content_type(kept, body, stream):
        kept = (("content-type", invented), *kept)
    chunks = event_chunks(body) if stream else [body] if body else []
    notes.update(row.notes, _notes(row, body, plain, len(chunks) > 1, bool(invented)))
    return Interaction(request, (Head(0.0, row.status, kept), *(Chunk(0.0, chunk) for chunk in chunks), End(0.0)))


def _content_type(headers: Headers, body: bytes, stream: bool) -> str:
    """The content type to give a response whose source kept none: without it the SDK takes JSON for text."""
    if header_value(headers, "content-type") or not body:
        return ""
    return "text/event-stream; charset=utf-8" if stream else "application/json" if body[:1] == b"{" else ""


def _notes(row: SourceInteraction, body: bytes, plain: bool, chunked: bool, invented: bool) -> Iterator[str]:
    """What of one interaction is not the API's own."""
    yield fidelity.TIMING_INVENTED
    if chunked:
        yield fidelity.CHUNKS_INVENTED
    if not plain:
        yield fidelity.STILL_ENCODED
    elif header_value(row.response_headers, "content-encoding") not in ("", "identity") or body != row.response_body:
        yield fidelity.DECOMPRESSED
    if lost_padding(body):
        yield fidelity.RESPONSE_RESERIALISED
    if row.method in _WITH_BODY and not row.request_body:
        yield fidelity.REQUEST_BODY_MISSING
    if not row.request_headers:
        yield fidelity.REQUEST_HEADERS_DROPPED
    if not header_value(row.response_headers, "request-id"):
        yield fidelity.RESPONSE_HEADERS_DROPPED
    if invented:
        yield fidelity.CONTENT_TYPE_INVENTED


def _recorded_at(rows: Iterable[SourceInteraction]) -> str:
    """When the first response that says so was sent, in ISO 8601; empty where none does."""
    for row in rows:
        try:
            moment = parsedate_to_datetime(header_value(row.response_headers, "date"))
            moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return ""


def _sdk(rows: Iterable[SourceInteraction]) -> str:
    """The SDK that sent the requests, as its own headers have it: `anthropic 0.73.0` for Python's."""
    for row in rows:
        version = header_value(row.request_headers, "x-stainless-package-version")
        language = header_value(row.request_headers, "x-stainless-lang")
        if _VERSION.fullmatch(version) and _VERSION.fullmatch(language):
            return f"anthropic {version}" if language == "python" else f"anthropic-{language} {version}"
    return ""
