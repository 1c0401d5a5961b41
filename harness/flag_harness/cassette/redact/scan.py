"""The scan: finds what looks like a key, so that it is not written, or is found where it was."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote_plus

from flag_harness.cassette.interaction import Envelope, Interaction
from flag_harness.cassette.redact.edits import REDACTED
from flag_harness.cassette.redact.headers import LOCATION
from flag_harness.cassette.redact.texts import UTF8, Text, in_base64, json_parts, texts
from flag_harness.errors import CassetteError
from flag_harness.wire.compression import decompress_response, unreadable_encodings
from flag_harness.wire.timeline import Head, Headers, response_body

SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "a private key": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----"
        r"(?:[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|[\s\S]*)",
        "a bearer token": r"(?i:bearer)\s+(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*",
        "an Anthropic key": r"sk-ant-[A-Za-z0-9_-]{12,}",
        "an OpenAI key": r"sk-(?:(?:proj|svcacct|admin|None|or-v1)-[A-Za-z0-9_-]{16,}|[A-Za-z0-9]{20,})",
        "an AWS access key id": r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9+/=_-])",
        "an AWS secret key": r'(?i:aws_?secret(?:_?access)?_?key)[\s"=:\\]{1,8}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])',
        "a Google API key": r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9])",
        "a Google access token": r"ya29\.[A-Za-z0-9_-]{20,}",
        "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}",
        "a GitLab token": r"glpat-[A-Za-z0-9_-]{20,}",
        "a Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{20,}",
        "a Stripe key": r"[rs]k_live_[A-Za-z0-9]{16,}",
        "a Hugging Face token": r"hf_[A-Za-z0-9]{30,}",
        "a Groq key": r"gsk_[A-Za-z0-9]{40,}",
        "an xAI key": r"xai-[A-Za-z0-9]{40,}",
        "an npm token": r"npm_[A-Za-z0-9]{36}",
        "a PyPI token": r"pypi-[A-Za-z0-9_-]{50,}",
        "a SendGrid key": r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
        "a JSON web token": r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    }
)
"""What keys look like, as their providers document the shape. Each is also a pattern for a filter."""

SHOWN = 6
"""Characters of a finding that are shown: of most keys, the provider's prefix."""
LISTED = 8
"""Findings that an error lists before it only counts."""

HIDDEN = "compressed so that it cannot be searched for keys"
"""The kind of what is found where nothing can be."""

_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt]))"
"""A key begins a word, or follows an escape in text that was not unescaped."""
_ANY = re.compile(_START + "(?:" + "|".join(f"({shape})" for shape in SHAPES.values()) + ")")
_KINDS = tuple(SHAPES)
_HINTS = (
    re.compile(r"-(?:(?<=sk-)|(?<=xox[a-z]-)|(?<=xapp-)|(?<=glpat-)|(?<=xai-)|(?<=pypi-)|(?<=--)BEGIN)"),
    re.compile(r"_(?:(?<=gh[pousr]_)|(?<=github_pat_)|(?<=k_live_)|(?<=hf_)|(?<=gsk_)|(?<=npm_))"),
    re.compile(r"\.(?:(?<=ya29\.)|(?<=SG\.)|eyJ)"),
    re.compile(r"I(?:(?<=A[KS]I)A|(?<=AI)za)"),
)
"""What stands in every key. Each is sought by one character that is rare: 2 µs for 6 KB, as one pattern 190 µs."""
_NAMES = ("bearer", "aws_secret", "awssecret")
"""The same of those that may be written in any case."""
_ESCAPED = re.compile(r"\\(?:u00[2-7]|/)")
"""An escape in JSON that may hide a character of a hint, or of base64."""
_BASE64 = re.compile(r'"([A-Za-z0-9+/]{26,}={0,2})"')
_PLACEHOLDER = re.compile(r"[xX*.0]{8,}=*$")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks like a key: of which kind, where, and how it begins.

    `interaction` is the number of the interaction in its cassette, `None` where it stands in none.
    """

    place: str
    kind: str
    shown: str
    interaction: int | None = None

    def __str__(self) -> str:
        number = "" if self.interaction is None else f"interaction {self.interaction}, "
        return f"{number}{self.place}: {self.kind} ({self.shown})"


def scan_cassette(envelope: Envelope, interactions: Iterable[Interaction]) -> list[Finding]:
    """What looks like a key in a cassette, or is `HIDDEN`."""
    found = [Finding("envelope case", kind, shown) for _, _, kind, shown in _keys(envelope.case)]
    for number, interaction in enumerate(interactions):
        found += [Finding(place, kind, shown, number) for place, kind, shown in _of_interaction(interaction)]
        if encoding := unreadable_encodings(interaction.response):
            found.append(Finding("response body", HIDDEN, encoding, number))
    return found


def scan_file(data: bytes) -> list[Finding]:
    """What looks like a key in a file that is no cassette; the place is a line, or a path where the file is JSON."""
    text = data.decode(*UTF8)
    if json_parts(text) is not None:
        return [Finding(place, kind, shown) for place, kind, shown in _of_texts(texts(text))]
    return [Finding(f"line {text.count(chr(10), 0, start) + 1}", kind, shown) for start, _, kind, shown in _keys(text)]


def without_keys(text: str) -> str:
    """A text with a mark in the place of all that looks like a key."""
    return _ANY.sub(lambda match: match[0] if _PLACEHOLDER.search(match[0]) else REDACTED, text)


def refuse_keys(path: Path, envelope: Envelope, interactions: Iterable[Interaction]) -> None:
    """Raise `CassetteError` where what is about to be written still looks like a key, or hides one, saying where."""
    found = scan_cassette(envelope, interactions)
    if keys := [one for one in found if one.kind != HIDDEN]:
        raise CassetteError("\n".join(_refusal(path, keys)))
    if found:
        raise CassetteError("\n".join(_refusal_of_hidden(path, found)))


def _refusal(path: Path, found: list[Finding]) -> Iterator[str]:
    yield f"{path} was not written, because this still looks like a key:"
    yield from _listed(found)
    patterns = ", ".join(f"'{SHAPES[kind]}'" for kind in dict.fromkeys(one.kind for one in found))
    yield "Take it out with a filter, in pyproject.toml for all tests:"
    yield "  [tool.flag-harness.filters]"
    yield f"  patterns = [{patterns}]"
    yield "or on one test: @pytest.mark.harness_filters(patterns=[...]); and withdraw the key if it was a real one."


def _refusal_of_hidden(path: Path, found: list[Finding]) -> Iterator[str]:
    yield f"{path} was not written, because what it holds cannot be seen:"
    yield from _listed(found)
    yield "Install brotli for br, zstandard for zstd; or have the server send it without that compression."


def _listed(found: list[Finding]) -> Iterator[str]:
    yield from (f"  {one}" for one in found[:LISTED])
    if (more := len(found) - LISTED) > 0:
        yield f"  ... and {more} more"


def _of_interaction(interaction: Interaction) -> Iterator[tuple[str, str, str]]:
    yield from _of_values("", (("case", interaction.case),))
    request, response = interaction.request, decompress_response(interaction.response)
    yield from _of_values("request ", (("url", unquote_plus(request.url)), *_named(request.headers)))
    yield from _of_body(request.body, "request ")
    if response and isinstance(response[0], Head):
        yield from _of_values("response ", _named(response[0].headers))
    found = list(_of_body(response_body(response), "response "))
    if not found and response is not interaction.response:  # what was compressed is searched as it stands too
        found += _of_body(response_body(interaction.response), "response ")
    yield from found


def _of_body(data: bytes, side: str) -> Iterator[tuple[str, str, str]]:
    """The keys in a body. Few need to be read text by text."""
    document = data.decode(*UTF8)
    if _is_worth_reading(document):
        yield from _of_texts(texts(document), side)


def _is_worth_reading(document: str) -> bool:
    """Whether a body may hold a key: in deltas, as only JSON surely has none, behind an escape, in base64, or plain."""
    return (
        not document.startswith(("{", "["))
        or _may_hold_key(document)
        or _ESCAPED.search(document) is not None
        or any(_may_hold_key(in_base64(text) or "") for text in _BASE64.findall(document))
    )


def _may_hold_key(text: str) -> bool:
    lowered = text.lower()
    return any(hint.search(text) for hint in _HINTS) or any(name in lowered for name in _NAMES)


def _named(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple((f"header {name}", unquote_plus(value) if name == LOCATION else value) for name, value in headers)


def _of_values(side: str, values: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    return ((side + place, kind, shown) for place, value in values for _, _, kind, shown in _keys(value))


def _of_texts(found: Iterable[Text], side: str = "") -> Iterator[tuple[str, str, str]]:
    """The keys in texts, and in what stands in one as JSON, perhaps with escapes, or as base64."""
    for text in found:
        value = text.value
        name = text.parts[0].path.rpartition(".")[2] + "=" if text.parts[0].kind == "string" and not text.deltas else ""
        keys = list(_keys(name + value))
        for start, stop, kind, shown in keys:
            yield side + text.where(start - len(name), stop - len(name)), kind, shown
        if keys:
            continue
        inner = json_parts(value) if "\\" in value else None
        for part in inner or ():
            for _, _, kind, shown in _keys(part.value):
                yield side + text.where(part.start, part.stop), kind, shown
        for _, _, kind, shown in _keys(in_base64(value) or ""):
            yield side + text.where(0, len(value)), kind, shown


def _keys(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Where a text looks like a key: start, stop, kind, and how it begins."""
    if not _may_hold_key(text):
        return
    for match in _ANY.finditer(text):
        if match.lastindex and not _PLACEHOLDER.search(match[0]):
            yield match.start(), match.end(), _KINDS[match.lastindex - 1], f"{match[0][:SHOWN]}…"
