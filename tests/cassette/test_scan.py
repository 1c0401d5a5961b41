"""The scan: what looks like a key is found wherever it stands, and what does not is left alone."""

import base64
import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette import Cassette, CassetteMetadata, Filters, Interaction
from flag_harness.cassette.redact.encodings import compressed, escapes
from flag_harness.cassette.redact.scan import KEY_SHAPES, SecretFinding, redact_api_keys, scan_cassette, scan_file
from flag_harness.errors import CassetteError
from flag_harness.wire.sse import encode_event
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response

TRAFFIC = Path(__file__).parents[3] / "shared" / "traffic" / "interactions.jsonl.gz"
WORD = "Zm9vYmFyMTIzNDU2Nzg5"
KEY = f"sk-ant-api03-{WORD}"
KEYS = {
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "a bearer token": f"Authorization: bearer {WORD}==",
    "an Anthropic key": KEY,
    "an OpenAI key": f"sk-proj-{WORD}",
    "an AWS access key id": "AKIA" + "Q7" * 8,
    "an AWS secret key": 'aws_secret_access_key = "' + WORD * 2 + '"',
    "a Google API key": "AIza" + WORD + WORD[:15],
    "a Google access token": "ya29." + WORD,
    "a GitHub token": "ghp_" + WORD * 2,
    "a GitLab token": "glpat-" + WORD,
    "a Slack token": "xoxb-1234567890-" + WORD,
    "a Stripe key": "sk_live_" + WORD,
    "a Hugging Face token": "hf_" + WORD * 2,
    "a Groq key": "gsk_" + WORD * 3,
    "an xAI key": "xai-" + WORD * 3,
    "an npm token": "npm_" + (WORD * 2)[:36],
    "a PyPI token": "pypi-" + WORD * 3,
    "a SendGrid key": f"SG.{WORD}.{WORD}",
    "a JSON web token": f"eyJ{WORD}.eyJ{WORD}.{WORD}",
}
METADATA = CassetteMetadata("live", "2026-11-01T00:00:00Z")


def _interaction(
    body: Any = "", *chunks: bytes, url: str = "/v1/messages", headers: tuple[tuple[str, str], ...] = ()
) -> Interaction:
    request = Request("POST", url, headers, body if isinstance(body, bytes) else json.dumps(body).encode())
    response: Response = (Head(0.1, 200, headers), *(Chunk(0.2, chunk) for chunk in chunks), End(0.3))
    return Interaction(request, response)


def _answered(*headers: tuple[str, str]) -> Interaction:
    return Interaction(Request("GET", "/", (), b""), (Head(0.1, 307, headers), End(0.3)))


def _delta(text: str, index: int = 0, kind: str = "text", name: str = "text") -> bytes:
    delta = {"type": f"{kind}_delta", name: text}
    data = json.dumps({"type": "content_block_delta", "index": index, "delta": delta})
    return encode_event("content_block_delta", data)


def _document(before: bytes = b"It is ") -> str:
    return base64.b64encode(before + KEY.encode()).decode()


def _found(interaction: Interaction) -> list[str]:
    return list(map(str, scan_cassette(METADATA, [interaction])))


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_is_found_and_its_shape_is_a_filter_against_it(kind: str) -> None:
    """In a request's JSON; only its beginning is shown."""
    interaction = _interaction({"messages": [{"role": "user", "content": f"Use {KEYS[kind]} please."}]})
    (found,) = scan_cassette(METADATA, [interaction])
    assert ("request messages[0].content", kind, 0) == (found.location, found.kind, found.interaction)
    assert len(found.excerpt) == len("sk-ant…")
    assert KEYS[kind] not in redact_api_keys(f"Use {KEYS[kind]} please.")
    hidden = Filters(patterns=(KEY_SHAPES[kind],)).filter_interaction(interaction)
    assert [] == scan_cassette(METADATA, [hidden])


@pytest.mark.parametrize(
    "key",
    [
        f"sk-{WORD}",
        *(f"gh{letter}_{WORD * 2}" for letter in "pousr"),
        f"github_pat_{WORD}_{WORD}",
        f"xapp-1-{WORD}",
        f"rk_live_{WORD}",
        "ASIA" + "Q7" * 8,
        f"AWSSecretKey={WORD * 2}",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ",
        f"BEARER {WORD}",
    ],
)
def test_other_shapes_of_the_same_kinds_are_found(key: str) -> None:
    """Also where the text ends before the key does."""
    assert 1 == len(_found(_interaction({"a": f"({key}"})))


def test_a_secret_key_is_known_by_its_name() -> None:
    """The name may be the name of a JSON value; the pattern that is proposed takes it out."""
    interaction = _interaction({"input": {"aws_secret_access_key": WORD * 2}})
    assert ["interaction 0, request input.aws_secret_access_key: an AWS secret key (aws_se…)"] == _found(interaction)
    hidden = Filters(patterns=(KEY_SHAPES["an AWS secret key"],)).filter_interaction(interaction)
    assert WORD.encode() not in hidden.request.body


@pytest.mark.parametrize(
    ("interaction", "place"),
    [
        (_interaction({}, url=f"/v1?key=sk%2Dant-{WORD}"), "request url"),
        (_answered(("location", f"/v2?key=sk%2Dant-{WORD}")), "response header location"),
        (_interaction({"a": {KEY: 1}}), f"request a.{KEY}"),
        (_interaction(f"key {KEY}".encode()), "request body"),
        (_interaction(b'{"a": "\\u0073k-ant-' + WORD.encode() + b'"}'), "request a"),
        (_interaction({"a": json.dumps({"b": f"line\nsk\u002dant-{WORD}"})}), "request a"),
        (_interaction({"a": json.dumps({"b": KEY}).replace("sk-", "\\u0073k-")}), "request a"),
        (_interaction({"a": {"data": _document()}}), "request a.data"),
        (_interaction({"a": {"data": _document(b"\xff\x00" * 4096)}}), "request a.data"),
        (_interaction("", json.dumps({"data": _document()}).encode()), "response data"),
        (_interaction("", json.dumps({"content": [{"text": KEY}]}).encode()), "response content[0].text"),
        (_interaction("", KEY[:9].encode(), KEY[9:].encode()), "response body"),
        (_interaction("", _delta("It is sk-"), _delta(KEY[3:9]), _delta(KEY[9:])), "response delta 0-2 of block 0"),
        (_interaction("", _delta("a "), _delta(KEY[:9]) + _delta(KEY[9:])), "response delta 1-2 of block 0"),
        (_interaction("", _delta(f"a {KEY}", 3)), "response delta 0 of block 3"),
        (
            _interaction("", *(_delta(part, 1, "thinking", "thinking") for part in (KEY[:9], KEY[9:]))),
            "response delta 0-1 of block 1",
        ),
        (
            _interaction(
                "",
                *(
                    _delta(part, 0, "input_json", "partial_json")
                    for part in ('{"a": "\\u00', f"73k-ant-{WORD[:5]}", WORD[5:] + '"}')
                ),
            ),
            "response delta 0-2 of block 0",
        ),
        (_interaction("", encode_event("ping", json.dumps({"type": "ping", "a": KEY}))), "response event 0 a"),
        (_interaction("", encode_event("ping", "{}") + f": {KEY}\n\n".encode()), "response stream"),
    ],
)
def test_the_place_is_named(interaction: Interaction, place: str) -> None:
    """By its JSON path, by the deltas, or by the part of the request."""
    assert [place] == [found.location for found in scan_cassette(METADATA, [interaction])]


def test_headers_and_the_names_of_cases_are_searched() -> None:
    """A case's name may hold a parameter, also that of a test that shares the cassette."""
    interaction = replace(_interaction({}, headers=(("x", KEY),)), case=f"test_other[{KEY}]")
    found = scan_cassette(CassetteMetadata("live", "", case=f"test[{KEY}]"), [interaction])
    kind, shown = "an Anthropic key", "sk-ant…"
    assert [
        SecretFinding("envelope case", kind, shown),
        SecretFinding("case", kind, shown, 0),
        SecretFinding("request header x", kind, shown, 0),
        SecretFinding("response header x", kind, shown, 0),
    ] == found
    assert "envelope case: an Anthropic key (sk-ant…)" == str(found[0])


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("br", brotli.compress), ("zstd", zstandard.compress)]
)
def test_a_compressed_response_is_searched_as_what_it_says(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """And one that never came is no trouble."""
    packed = pack(json.dumps({"a": KEY}).encode())
    head = Head(0.1, 200, (("content-encoding", encoding),))
    interaction = Interaction(Request("GET", "/", (), b""), (head, Chunk(0.2, packed), End(1.0)))
    assert ["interaction 0, response a: an Anthropic key (sk-ant…)"] == _found(interaction)
    assert [] == _found(Interaction(Request("GET", "/", (), b""), (Cut(0.1, "refused"),)))
    cut = Interaction(Request("GET", "/", (), b""), (head, Chunk(0.2, KEY.encode()), Cut(1.0, "eof")))
    assert ["interaction 0, response body: an Anthropic key (sk-ant…)"] == _found(cut)


def test_what_cannot_be_searched_is_not_written(tmp_path: Path) -> None:
    """A key may be in it; the message says what to install. Keys that were found are told first."""
    head = Head(0.1, 200, (("content-encoding", "compress"),))
    hidden = Interaction(Request("GET", "/", (), b""), (head, Chunk(0.2, b"\x1f\x9d\xff"), End(1.0)))
    with pytest.raises(CassetteError) as refused:
        Cassette(METADATA, (hidden,)).save(tmp_path / "x.json")
    assert (
        f"{tmp_path / 'x.json'} was not written, because what it holds cannot be seen:\n"
        "  interaction 0, response body: compressed so that it cannot be searched for keys (compress)\n"
        "Install brotli for br, zstandard for zstd; or have the server send it without that compression."
    ) == str(refused.value)
    with pytest.raises(CassetteError, match="this still looks like a key"):
        Cassette(METADATA, (hidden, _interaction({"a": KEY}))).save(tmp_path / "x.json")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-...",
        "sk-ant-REDACTED",
        "sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxx",
        "sk-oriented disk-drives and task-ant-farms-everywhere-now",
        "msg_01XFDUDYJgAACzvnptvVoYEL toolu_01A09q90qw90lq917835lq9",
        "AKIAp2nSKQC5hSvVNtq2DZdqUj8YVTBp1MOzpfQnmKKwK9SmCIAlp4YxHtOD",
        "Bearer authentication is used, with a bearer token-of-some-kind-of-length",
        "a PRIVATE KEY begins with BEGIN",
        "eyJhbGciOiJIUzI1NiJ9",
        "iVBORw0KGgo+" + "cio" + "a1B2" * 8 + "/x9+",
    ],
)
def test_what_is_no_key_raises_no_alarm(text: str) -> None:
    """Placeholders, ids, words, and base64 by chance."""
    assert [] == _found(_interaction({"a": text}))
    assert text == redact_api_keys(text)


@pytest.mark.skipif(not TRAFFIC.exists(), reason="the recorded traffic stands beside the project, not in it")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST /v1/messages?token=hunter2 is not", "POST /v1/messages?token=REDACTED is not"),
        ("https://h/?a=1&Api_Key=abc&x=2#end", "https://h/?a=1&Api_Key=REDACTED&x=2#end"),
        ("https://h/?a=1&access_token=abc", "https://h/?a=1&access_token=REDACTED"),
        ("?page_token=abc&tokens=7&author=me", "?page_token=abc&tokens=7&author=me"),
        ("token=hunter2", "token=hunter2"),
    ],
)
def test_a_short_credential_in_a_query_is_hidden_by_its_name(text: str, shown: str) -> None:
    """In every message; a word before an equals sign outside a query is none."""
    assert shown == redact_api_keys(text)


def test_recorded_traffic_raises_no_alarm() -> None:
    """1,282 interactions of real programs: ids, signatures, images, cookies' remains."""
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert 1282 == len(rows)
    for number, row in enumerate(rows):
        sides = [row[side]["body"] or "" for side in ("request", "response")]
        asked, answered = (text if isinstance(text, str) else json.dumps(text) for text in sides)
        assert [] == _found(_interaction(asked.encode(), answered.encode(), url=row["request"]["url"])), number


def test_a_cassette_with_a_key_is_not_written(tmp_path: Path) -> None:
    """Not a byte; the old file stays, and the message says where and what to type."""
    path = tmp_path / "x.json"
    clean = Cassette(METADATA, (_interaction({"a": 1}, b"{}"),))
    assert clean.save(path)
    old = path.read_bytes()
    places = [_interaction({"a": KEY, "b": f"Bearer {WORD}"}), _interaction("", _delta(KEY[:9]), _delta(KEY[9:]))]
    with pytest.raises(CassetteError) as refused:
        Cassette(METADATA, tuple(places)).save(path)
    assert (
        f"{path} was not written, because this still looks like a key:\n"
        "  interaction 0, request a: an Anthropic key (sk-ant…)\n"
        "  interaction 0, request b: a bearer token (Bearer…)\n"
        "  interaction 1, response delta 0-1 of block 0: an Anthropic key (sk-ant…)\n"
        "Take it out with a filter, in pyproject.toml for all tests:\n"
        "  [tool.flag-harness.filters]\n"
        "  patterns = ['sk-ant-[A-Za-z0-9_-]{12,}', "
        "'(?i:bearer)\\s+(?=[A-Za-z._~+/-]{0,100}[0-9])[A-Za-z0-9._~+/-]{16,}=*']\n"
        "or on one test: @pytest.mark.harness_filters(patterns=[...]); and withdraw the key if it was a real one."
    ) == str(refused.value)
    assert (old, [path]) == (path.read_bytes(), list(tmp_path.iterdir()))
    with pytest.raises(CassetteError, match=r"\n  \.\.\. and 2 more\n"):
        Cassette(METADATA, (_interaction([KEY] * 10),)).save(path)


def test_a_file_that_is_no_cassette_is_searched_too() -> None:
    """By line, or by path where it is JSON; escapes and bytes that are no text hide nothing."""
    lines = f'a: 1\nbody: \'{{"x":"hi\\n{KEY}"}}\'\n'.encode()
    assert ["line 2: an Anthropic key (sk-ant…)"] == list(map(str, scan_file(lines)))
    assert ["line 1: an Anthropic key (sk-ant…)"] == list(map(str, scan_file(b"\xff " + KEY.encode() + b"\xfe")))
    assert ["a: an Anthropic key (sk-ant…)"] == list(map(str, scan_file(json.dumps({"a": KEY}).encode())))
    assert [] == scan_file(b"nothing")


def test_a_document_with_a_key_is_not_written_as_a_blob_either(tmp_path: Path) -> None:
    """Blobs hold the bytes that base64 hides. The pattern that is proposed takes the key out of them."""
    source = {"type": "base64", "media_type": "text/plain", "data": _document(b"words " * 1024)}
    asked = json.dumps({"messages": [{"content": [{"source": source}]}]}, separators=(",", ":"))
    kept = Cassette(METADATA, (_interaction(asked.encode()),))
    with pytest.raises(CassetteError, match=r"request messages\[0\]\.content\[0\]\.source\.data: an Anthropic key"):
        kept.save(tmp_path / "x.json")
    assert [] == list(tmp_path.iterdir())
    hidden = Filters(patterns=(KEY_SHAPES["an Anthropic key"],)).filter_interaction(kept.interactions[0])
    assert Cassette(METADATA, (hidden,)).save(tmp_path / "x.json")
    (blob,) = (tmp_path / "blobs").iterdir()
    assert b"words " * 1024 + b"REDACTED" == blob.read_bytes()


@given(st.text(max_size=20), st.lists(st.integers(0, 60), max_size=4), st.sampled_from(["text", "thinking"]))
def test_a_key_is_found_however_its_deltas_are_cut(before: str, cuts: list[int], kind: str) -> None:
    """And whatever stands before it, if it does not run into it."""
    text = f"{before} {KEY}."
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    parts = [text[start:stop] for start, stop in pairwise(places)]
    found = _found(_interaction("", *(_delta(part, 0, kind, kind) for part in parts)))
    assert 1 == len(found)


@given(st.sampled_from(sorted(KEYS.values())), st.sets(st.integers(0, 200)), st.booleans())
def test_a_key_is_found_whichever_of_its_characters_are_escaped(key: str, escaped: set[int], nested: bool) -> None:
    """In JSON, and in JSON inside of JSON."""
    written = "".join(
        f"\\u{ord(character):04x}" if place in escaped or character in '"\n' else character
        for place, character in enumerate(key)
    ).replace("/", "\\/")
    value = f'{{"a":"it is {written}"}}'
    document = json.dumps({"b": value}) if nested else value
    assert 1 == len(_found(_interaction(document.encode())))


def test_a_key_beside_the_compressed_content_is_found() -> None:
    """Gzip data may name the file that it was made of."""
    packed = io.BytesIO()
    with gzip.GzipFile(KEY, "wb", fileobj=packed) as file:
        file.write(b"plain words")
    head = Head(0.0, 200, (("content-encoding", "gzip"),))
    interaction = Interaction(
        Request("POST", "/v1/messages", (), b"{}"), (head, Chunk(0.1, packed.getvalue()), End(0.2))
    )
    (found,) = scan_cassette(METADATA, [interaction])
    assert "an Anthropic key" == found.kind


def test_a_key_in_a_request_that_got_no_answer_is_found() -> None:
    """Such a response has no head."""
    interaction = Interaction(
        Request("POST", "/v1/messages", (), json.dumps({"system": KEY}).encode()), (Cut(0.1, "eof"),)
    )
    (found,) = scan_cassette(METADATA, [interaction])
    assert "an Anthropic key" == found.kind


def test_gzip_data_that_expands_too_far_is_searched_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What begins in the first 2,000 bytes is found, and nothing after them is decompressed."""
    monkeypatch.setattr(compressed, "BASE_LIMIT_OF_DECOMPRESSED_BYTES", 2000)
    monkeypatch.setattr(compressed, "MAX_DECOMPRESSION_RATIO", 0)
    packed = gzip.compress(f"{KEY} ".encode() + random.Random(0).randbytes(9000).hex().encode()).decode("latin-1")
    body = json.dumps({"system": packed}).encode()
    interaction = Interaction(Request("POST", "/v1/messages", (), body), (End(0.1),))
    assert "an Anthropic key" in [found.kind for found in scan_cassette(METADATA, [interaction])]


def test_escapes_are_removed_a_limited_number_of_times() -> None:
    """Text that was escaped more often is searched as it then is."""
    text = "%" + "25" * 99 + "41"
    assert [text[: -2 * level - 2] + "41" for level in range(escapes.MAX_ENCODING_DEPTH + 1)] == [
        level.text for level in escapes.unescape_in_rounds(text)
    ]
