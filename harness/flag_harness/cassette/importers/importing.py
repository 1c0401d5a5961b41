"""Import another tool's cassette: convert its interactions, and note in the metadata what was lost."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, get_args

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.importers import fidelity, foreign, go_vcr, vcrpy
from flag_harness.cassette.importers.document import parse_document
from flag_harness.cassette.importers.encodings import BodyDecoder
from flag_harness.cassette.importers.limits import ImportLimits
from flag_harness.cassette.importers.source import ReadInteractions, SourceInteraction
from flag_harness.cassette.importers.streams import has_lost_event_padding, is_event_stream, split_events
from flag_harness.cassette.interaction import CassetteMetadata, Interaction, make_storable_request
from flag_harness.cassette.match.matching import MatchPart
from flag_harness.cassette.redact.headers import select_response_headers
from flag_harness.wire.head_rules import reason_head_is_invalid, reason_headers_are_invalid
from flag_harness.wire.timeline import Chunk, End, Head, Headers, Request, header_value

VCRPY_DEFAULT_MATCH_PARTS: Final[tuple[MatchPart, ...]] = ("method", "path", "query")
"""The parts of a request that vcrpy compares by default, except scheme, host and port, which cassettes here do not
store.
"""

_UNSTORED_MATCH_PARTS = frozenset({"scheme", "host", "port"})
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_VERSION_PATTERN = re.compile(r"[\w.+-]{1,40}")
_READERS_BY_FORMAT: Mapping[str, tuple[Any, ReadInteractions]] = {
    "vcrpy": (vcrpy.is_vcrpy_request, vcrpy.read_vcrpy),
    "go-vcr": (go_vcr.is_go_vcr_request, go_vcr.read_go_vcr),
}


@dataclass(frozen=True, slots=True)
class ImportedCassette:
    """A cassette that was imported, the name of its original format, and the requests that were left out, as texts."""

    format: str
    cassette: Cassette
    skipped_requests: tuple[str, ...]


def import_cassette(
    data: bytes,
    *,
    match_on: tuple[MatchPart, ...] = VCRPY_DEFAULT_MATCH_PARTS,
    keep_other_services: bool = False,
    kept_headers: Collection[str] = (),
    limits: ImportLimits = ImportLimits(),  # noqa: B008 - a frozen value
) -> ImportedCassette:
    """Import another tool's cassette from the bytes of its file. Nothing is executed or written.

    `match_on` are the parts of a request to compare in replays. With `keep_other_services`, requests to other services
    than the API are imported, too. `kept_headers` names response headers to keep in addition to the usual ones. If the
    file is invalid or exceeds `limits`, raise `ValueError` with a one-line message that names the invalid part.
    """
    try:
        name, rows = _read_source_interactions(parse_document(data, limits))
        kept, left_out = _select_api_interactions(rows, keep_other_services)
        decoder = BodyDecoder(limits.max_decoded_bytes)
        notes: set[str] = {fidelity.INTERACTIONS_LEFT_OUT} if left_out else set()
        interactions = tuple(_convert_interaction(number, row, decoder, notes, kept_headers) for number, row in kept)
    except RecursionError:
        raise ValueError("too many levels of nesting") from None
    if not interactions:
        raise ValueError(
            f"it contains no request to the API (--every-path keeps the others): {', '.join(left_out[:3])}"
        )
    sources = [row for _, row in kept]
    metadata = CassetteMetadata(
        upstream="imported",
        recorded_at=_first_response_date(sources),
        sdk=_sdk_version(sources),
        fidelity=tuple(word for word in fidelity.FIDELITY_WORDS if word in notes),
        match_on=match_on,
    )
    return ImportedCassette(name, Cassette(metadata, interactions), left_out)


def select_stored_match_parts(names: Iterable[str]) -> tuple[MatchPart, ...]:
    """Return those parts of vcrpy's setting `match_on` that cassettes here store, such as method and path.

    Raise `ValueError` if a part is unknown, or if none of the parts is stored.
    """
    known: tuple[MatchPart, ...] = get_args(MatchPart)
    names = list(dict.fromkeys(names))
    if unknown := [name for name in names if name not in known and name not in _UNSTORED_MATCH_PARTS]:
        raise ValueError(
            f"match_on {unknown[0]!r:.40} is not known; known are {', '.join([*known, *sorted(_UNSTORED_MATCH_PARTS)])}"
        )
    words = tuple(word for word in known if word in names)
    if not words:
        raise ValueError("match_on names no part that a cassette keeps: add method or path")
    return words


def _read_source_interactions(document: Any) -> tuple[str, list[SourceInteraction]]:
    """Return the name of the document's format, and the interactions in it, as the other tool stored them."""
    rows = document.get("interactions") if isinstance(document, dict) else document
    if rows == []:
        raise ValueError("it has no interactions")
    first = rows[0] if isinstance(rows, list) else None
    request = first.get("request") if isinstance(first, dict) else None
    known = foreign.describe_format(document)
    for name, (is_format, read) in _READERS_BY_FORMAT.items():
        if not known and isinstance(request, dict) and is_format(request):
            return name, list(read(rows))
    raise ValueError(
        f"neither vcrpy nor go-vcr: {f'{known}, which is not read' if known else _missing_part_message(document)}"
    )


def _missing_part_message(document: Any) -> str:
    """Return a message that says what a document lacks that a cassette would have."""
    if isinstance(document, dict) and not isinstance(document.get("interactions"), list):
        return "it has no list of interactions"
    if not isinstance(document, (dict, list)):
        return f"it holds {type(document).__name__}, no interactions"
    return "interaction 0 has no request with uri or url"


def _select_api_interactions(
    rows: Sequence[SourceInteraction], keep_other_services: bool
) -> tuple[list[tuple[int, SourceInteraction]], tuple[str, ...]]:
    """Return the interactions with the API, each with its index, and the other requests as texts such as `GET
    host/path`.

    With `keep_other_services`, all interactions count as interactions with the API.
    """
    kept, left_out = [], []
    for number, row in enumerate(rows):
        try:
            ours = foreign.is_api_url(row.url)
        except ValueError as error:
            raise ValueError(f"interaction {number}: url: {error}") from None
        if keep_other_services or ours:
            kept.append((number, row))
        else:
            left_out.append(f"{row.method:.16} {_url_without_credentials(row.url):.120}")
    return kept, tuple(left_out)


def _url_without_credentials(url: str) -> str:
    """Return a URL to show, without user name, password, query and fragment."""
    scheme, separator, rest = re.split(r"[?#]", url, maxsplit=1)[0].rpartition("://")
    address, slash, path = rest.partition("/")
    return f"{scheme}{separator}{address.rpartition('@')[2]}{slash}{path}"


def _convert_interaction(
    number: int, row: SourceInteraction, decoder: BodyDecoder, fidelity_words: set[str], kept_headers: Collection[str]
) -> Interaction:
    try:
        body, headers, plain = decoder.decode(row.response_headers, row.response_body)
        request_body, _, _ = decoder.decode(row.request_headers, row.request_body)
    except ValueError as error:
        raise ValueError(f"interaction {number}: {error}") from None
    request = make_storable_request(Request(row.method, row.url, row.request_headers, request_body))
    stream = is_event_stream(headers, body)
    kept = select_response_headers(headers, row.url, kept_headers)
    if reason := reason_head_is_invalid(row.status, kept) or reason_headers_are_invalid(request.headers):
        raise ValueError(f"interaction {number}: {reason}")
    if invented := _invent_content_type(kept, body, stream):
        kept = (("content-type", invented), *kept)
    chunks = split_events(body) if stream else [body] if body else []
    fidelity_words.update(row.fidelity_words, _fidelity_words(row, body, plain, len(chunks) > 1, bool(invented)))
    return Interaction(request, (Head(0.0, row.status, kept), *(Chunk(0.0, chunk) for chunk in chunks), End(0.0)))


def _invent_content_type(headers: Headers, body: bytes, is_stream: bool) -> str:
    """Return a content type for a response that has none, or an empty string if no type fits or none is needed.

    Without a content type, the SDK would treat JSON as text. `is_stream` says that the body is an event stream.
    """
    if header_value(headers, "content-type") or not body:
        return ""
    return "text/event-stream; charset=utf-8" if is_stream else "application/json" if body[:1] == b"{" else ""


def _fidelity_words(
    row: SourceInteraction, body: bytes, is_uncompressed: bool, is_split: bool, has_invented_type: bool
) -> Iterator[str]:
    """Yield the words for the list `fidelity`: what in an imported interaction is not as the API sent it.

    `is_uncompressed` says that the body is not compressed, `is_split` that a stream was split into events, and
    `has_invented_type` that the content type was derived from the body.
    """
    yield fidelity.TIMING_INVENTED
    if is_split:
        yield fidelity.CHUNKS_INVENTED
    if not is_uncompressed:
        yield fidelity.STILL_ENCODED
    elif header_value(row.response_headers, "content-encoding") not in ("", "identity") or body != row.response_body:
        yield fidelity.DECOMPRESSED
    if has_lost_event_padding(body):
        yield fidelity.RESPONSE_RESERIALISED
    if row.method in _METHODS_WITH_BODY and not row.request_body:
        yield fidelity.REQUEST_BODY_MISSING
    if not row.request_headers:
        yield fidelity.REQUEST_HEADERS_DROPPED
    if not header_value(row.response_headers, "request-id"):
        yield fidelity.RESPONSE_HEADERS_DROPPED
    if has_invented_type:
        yield fidelity.CONTENT_TYPE_INVENTED


def _first_response_date(rows: Iterable[SourceInteraction]) -> str:
    """Return the first date in the response headers in ISO 8601, or an empty string if no response has a date."""
    for row in rows:
        try:
            moment = parsedate_to_datetime(header_value(row.response_headers, "date"))
            moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return ""


def _sdk_version(rows: Iterable[SourceInteraction]) -> str:
    """Return the SDK that request headers name, such as `anthropic 0.73.0`, or an empty string if they name none."""
    for row in rows:
        version = header_value(row.request_headers, "x-stainless-package-version")
        language = header_value(row.request_headers, "x-stainless-lang")
        if _VERSION_PATTERN.fullmatch(version) and _VERSION_PATTERN.fullmatch(language):
            return f"anthropic {version}" if language == "python" else f"anthropic-{language} {version}"
    return ""
