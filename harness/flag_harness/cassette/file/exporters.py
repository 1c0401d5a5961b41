"""Our cassettes as those of others: vcrpy's YAML."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Interaction
from flag_harness.errors import CassetteError, require_extra
from flag_harness.wire.timeline import End, Head, Headers, body

Export = Callable[[Cassette, str], bytes]
"""A cassette and the base URL to give its requests, as the bytes of a foreign file."""

OVERLOADED = 529
"""The API's own status, which HTTP has no phrase for."""


def vcrpy_yaml(cassette: Cassette, base_url: str) -> bytes:
    """The cassette as stock vcrpy reads it. Chunks and times are lost; hosts are not kept, so all get `base_url`.

    Raises `CassetteError` naming an interaction that vcrpy has no words for: one whose connection broke, or whose
    response the client did not read to its end.
    """
    with require_extra("vcr"):
        import yaml

    rows = [_row(cassette, number, base_url.rstrip("/")) for number in range(len(cassette.interactions))]
    document = {"interactions": rows, "version": 1}
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: bytes = yaml.dump(document, Dumper=dumper, encoding="utf-8", allow_unicode=True, sort_keys=False)
    return text


FORMATS: Mapping[str, Export] = {"vcrpy": vcrpy_yaml}
"""What can be exported to, by the name that `--format` takes."""


def _row(cassette: Cassette, number: int, base_url: str) -> dict[str, Any]:
    one = cassette.interactions[number]
    head = _head(one, f"{cassette.path or 'the cassette'}: interaction {number}")
    return {
        "request": {
            "method": one.request.method,
            "uri": base_url + one.request.path,
            "headers": _headers(one.request.headers),
            "body": _text(one.request.body),
        },
        "response": {
            "status": {"code": head.status, "message": _phrase(head.status)},
            "headers": _headers(head.headers),
            "body": {"string": _text(body(one.response))},
        },
    }


def _head(one: Interaction, name: str) -> Head:
    head, end = one.response[0], one.response[-1]
    if not isinstance(head, Head) or not isinstance(end, End):
        raise CassetteError(f"{name}: its connection broke, which vcrpy cannot tell; export a cassette without it")
    if end.abandoned:
        raise CassetteError(f"{name}: the client stopped reading it, which vcrpy cannot tell; record it to its end")
    return head


def _headers(headers: Headers) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in headers:
        lists.setdefault(name, []).append(value)
    return lists


def _text(data: bytes) -> str | bytes:
    """Text where a YAML file can hold it as such, else the bytes, which become `!!binary`."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def _phrase(status: int) -> str:
    if status == OVERLOADED:
        return "Overloaded"
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
