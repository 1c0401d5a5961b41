"""Our cassettes in stock vcrpy's hands."""

from pathlib import Path

import httpx
import pytest
import vcr

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.file.exporters import export_vcrpy_yaml
from flag_harness.cassette.importers import import_cassette
from flag_harness.errors import CassetteError
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response, body

HEADERS = (("content-type", "application/json"), ("request-id", "req_1"))
STREAM = (
    b'event: ping\ndata: {"type": "ping"}\n\nevent: message_stop\ndata: {"text":"\xc3\xa9 \xf0\x9f\x8e\x89"   }\n\n'
)
URL = "https://api.anthropic.com"


def _answer(status: int, data: bytes, kind: str = "application/json") -> Response:
    headers = (("content-type", kind), ("request-id", "req_1"), ("request-id", "req_2"))
    return Head(0.0, status, headers), *([Chunk(0.0, data)] if data else []), End(0.0)


def _cassette(*responses: Response) -> Cassette:
    asked = [Request("POST", f"/v1/messages?n={n}", HEADERS[:1], b'{"n":%d}' % n) for n in range(len(responses))]
    return Cassette(CassetteMetadata("live", ""), tuple(map(Interaction, asked, responses)))


ALL = _cassette(
    _answer(200, b'{"a": "\xc3\xa9\\n"}'),
    _answer(200, STREAM, "text/event-stream"),
    _answer(529, b"{}"),
    _answer(200, bytes(range(256)), "application/octet-stream"),
    _answer(204, b""),
    _answer(299, b"odd"),
)


def test_stock_vcrpy_plays_what_was_exported(tmp_path: Path) -> None:
    """Through httpx, byte for byte, with statuses, phrases and repeated headers."""
    path = tmp_path / "exported.yaml"
    path.write_bytes(b"".join(export_vcrpy_yaml(ALL, f"{URL}/")))
    with vcr.use_cassette(str(path), record_mode="none") as played, httpx.Client() as client:
        for one in ALL.interactions:
            response = client.post(URL + one.request.url, content=one.request.body)
            head = one.response[0]
            assert isinstance(head, Head)
            assert (head.status, body(one.response)) == (response.status_code, response.content)
            assert head.headers[0][1] == response.headers["content-type"]
            assert ["req_1", "req_2"] == response.headers.get_list("request-id")
        assert played.all_played
    assert (["OK", "OK", "Overloaded", "OK", "No Content", ""]) == [
        response["status"]["message"] for response in played.responses
    ]


def test_an_exported_cassette_imported_again_is_the_same() -> None:
    """But for chunks and times, which vcrpy does not keep."""
    again = import_cassette(b"".join(export_vcrpy_yaml(ALL, URL))).cassette
    assert [one.request for one in ALL.interactions] == [one.request for one in again.interactions]
    assert [body(one.response) for one in ALL.interactions] == [body(one.response) for one in again.interactions]
    assert [one.response[0] for one in ALL.interactions] == [one.response[0] for one in again.interactions]


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ((Cut(0.1, "refused"),), "its connection broke, which vcrpy cannot represent; export a cassette without it"),
        (
            (Head(0.0, 200, ()), Chunk(0.1, b"x"), Cut(0.2, "reset")),
            "its connection broke, which vcrpy cannot represent; export a cassette without it",
        ),
        (
            (Head(0.0, 200, ()), Chunk(0.1, b"x"), End(0.2, is_abandoned=True)),
            "the client stopped reading it, which vcrpy cannot represent; record it to its end",
        ),
    ],
)
def test_what_vcrpy_cannot_tell_is_not_told_wrongly(response: Response, why: str) -> None:
    """An export that played as if all had been well would be a lie."""
    with pytest.raises(CassetteError) as caught:
        list(export_vcrpy_yaml(_cassette(_answer(200, b"{}"), response), URL))
    assert f"the cassette: interaction 1: {why}" == str(caught.value)
