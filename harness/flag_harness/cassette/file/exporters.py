"""Export cassettes to the formats of other tools. So far there is one, vcrpy's YAML."""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Interaction
from flag_harness.errors import CassetteError, require_extra
from flag_harness.wire.timeline import End, Head, Headers, body

Exporter = Callable[[Cassette, str], Iterator[bytes]]
"""A function that encodes a cassette as another tool's file, and yields the file in parts.

It takes the base URL that goes before the requests' paths.
"""

OVERLOADED_STATUS = 529
"""The API's status code for overload, for which HTTP defines no reason phrase."""


def export_vcrpy_yaml(cassette: Cassette, base_url: str) -> Iterator[bytes]:
    """Yield the cassette as YAML that vcrpy can read, in parts. URLs begin with `base_url`. Chunks and times are lost.

    Raise `CassetteError` if a connection broke, or if the client stopped reading a response, because vcrpy's format
    cannot express either.
    """
    with require_extra("vcr"):
        import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    def dump_yaml(value: Any) -> bytes:
        text: bytes = yaml.dump(value, Dumper=dumper, encoding="utf-8", allow_unicode=True, sort_keys=False)
        return text

    count = len(cassette.interactions)
    yield b"interactions:\n" if count else b"interactions: []\n"
    for number in range(count):  # one by one, because the library needs fifty times the memory of what it writes
        yield dump_yaml([_to_vcrpy_interaction(cassette, number, base_url.rstrip("/"))])
    yield b"version: 1\n"


EXPORT_FORMATS: Mapping[str, Exporter] = {"vcrpy": export_vcrpy_yaml}
"""The export function of each format, by the format's name for `--format`."""


def _to_vcrpy_interaction(cassette: Cassette, number: int, base_url: str) -> dict[str, Any]:
    one = cassette.interactions[number]
    head = _head_of_complete_response(one, f"{cassette.path or 'the cassette'}: interaction {number}")
    return {
        "request": {
            "method": one.request.method,
            "uri": base_url + one.request.path,
            "headers": _header_lists(one.request.headers),
            "body": decode_if_utf8(one.request.body),
        },
        "response": {
            "status": {"code": head.status, "message": _reason_phrase(head.status)},
            "headers": _header_lists(head.headers),
            "body": {"string": decode_if_utf8(body(one.response))},
        },
    }


def _head_of_complete_response(interaction: Interaction, name: str) -> Head:
    """Return the head of a response.

    Raise `CassetteError`, which calls the interaction `name`, if the response is incomplete.
    """
    head, end = interaction.response[0], interaction.response[-1]
    if not isinstance(head, Head) or not isinstance(end, End):
        raise CassetteError(f"{name}: its connection broke, which vcrpy cannot represent; export a cassette without it")
    if end.is_abandoned:
        raise CassetteError(
            f"{name}: the client stopped reading it, which vcrpy cannot represent; record it to its end"
        )
    return head


def _header_lists(headers: Headers) -> dict[str, list[str]]:
    """Return the values of each header by its name."""
    lists: dict[str, list[str]] = {}
    for name, value in headers:
        lists.setdefault(name, []).append(value)
    return lists


def decode_if_utf8(data: Any) -> Any:
    """Return bytes as text if they are UTF-8.

    Other bytes (which YAML writes as `!!binary`) and other values are unchanged.
    """
    try:
        return data.decode("utf-8") if isinstance(data, bytes) else data
    except UnicodeDecodeError:
        return data


def _reason_phrase(status: int) -> str:
    if status == OVERLOADED_STATUS:
        return "Overloaded"
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
