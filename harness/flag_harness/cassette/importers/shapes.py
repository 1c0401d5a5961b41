"""The shapes in which foreign cassettes write headers, bodies and statuses, read into one."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flag_harness.wire.timeline import Headers

_METHOD = re.compile(r"[A-Z]{1,16}")
_STATUS_LINE = re.compile(r"([1-5][0-9][0-9])(?: .*)?")


def as_mapping(value: Any, name: str) -> Mapping[str, Any]:
    """`value`, where it is a mapping. Raises `ValueError` naming it."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a mapping, not {_shown(value)}")  # noqa: TRY004 - a value read from a file
    return value


def as_text(value: Any, name: str) -> str:
    """Text, or bytes that are text. Raises `ValueError` naming it."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, not {_shown(value)}")  # noqa: TRY004 - a value read from a file
    return value


def as_method(value: Any) -> str:
    """A method, in capitals. Raises `ValueError` where it is none."""
    method = as_text(value, "method").upper()
    if not _METHOD.fullmatch(method):
        raise ValueError(f"method {value!r:.40} is none")
    return method


def as_status(value: Any) -> int:
    """An HTTP status written as a number, as its digits, or as a status line. Raises `ValueError` where it is none."""
    line = _STATUS_LINE.fullmatch(value) if isinstance(value, str) else None
    number = int(line[1]) if line else value
    if not isinstance(number, int) or isinstance(number, bool) or not 100 <= number <= 599:
        raise ValueError(f"status must be a number from 100 to 599, not {_shown(value)}")
    return number


def as_headers(value: Any) -> Headers:
    """Headers as pairs. Read are: a mapping to a value or a list of values, a list of pairs, of lines, or of
    `{"name", "value"}`, and nothing at all. Raises `ValueError` where it is none of these.
    """
    if value is None:
        return ()
    pairs = value.items() if isinstance(value, dict) else map(_pair, _listed(value))
    return tuple((as_text(name, "a header's name"), text) for name, values in pairs for text in _header_values(values))


def as_bytes(value: Any) -> bytes:
    """A body: text, bytes, a list of such parts, nothing, or a mapping that holds one of these.

    The mapping's key is `string`, `base64_string` or `encoding` beside `string`, as vcrpy, its forks and Ruby's VCR
    write it. Raises `ValueError` where it is none of these.
    """
    match value:
        case None:
            return b""
        case bytes():
            return value
        case str():
            return value.encode("utf-8")
        case list():
            return b"".join(map(as_bytes, value))
        case {"base64_string": str(encoded)}:
            return _decoded(encoded)
        case {"string": str(encoded), "encoding": "base64"}:
            return _decoded(encoded)
        case {"string": inner} if not isinstance(inner, dict):
            return as_bytes(inner)
        case {} if not value:
            return b""
    raise ValueError(f"body must be text, bytes, or a mapping with string, not {_shown(value)}")


def serialised(value: Any) -> bytes:
    """A parsed body as compact JSON. Raises `ValueError` where JSON cannot say it."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
    except (TypeError, RecursionError):
        raise ValueError(f"parsed_body holds what JSON cannot say: {_shown(value)}") from None


def _decoded(encoded: str) -> bytes:
    """What base64 stands for, with the line breaks that writers put in."""
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        raise ValueError(f"body is not base64: {_shown(encoded)}") from None


def _listed(value: Any) -> Iterable[Any]:
    if not isinstance(value, list):
        raise ValueError(f"headers must be a mapping or a list, not {_shown(value)}")  # noqa: TRY004 - a value read from a file
    return value


def _pair(value: Any) -> tuple[Any, Any]:
    match value:
        case [name, content]:
            return name, content
        case {"name": name, "value": content}:
            return name, content
        case str() if ":" in value:
            name, _, content = value.partition(":")
            return name, content.strip()
    raise ValueError(f"a header must be a name and a value, not {_shown(value)}")


def _header_values(values: Any) -> Iterator[str]:
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, bytes):
            yield value.decode("latin-1")
        elif value is None or isinstance(value, (str, int, float)):
            yield "" if value is None else str(value).strip("\r\n")
        else:
            raise ValueError(f"a header's value must be text, not {_shown(value)}")


def _shown(value: Any) -> str:
    """A value in few characters, whatever it holds."""
    if isinstance(value, (dict, list)):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    return f"{value!r:.40}"
