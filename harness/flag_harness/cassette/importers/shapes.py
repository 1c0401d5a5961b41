"""Parse the various forms in which other tools' cassettes store headers, bodies and statuses."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flag_harness.wire.timeline import Headers

_METHOD_PATTERN = re.compile(r"[A-Z]{1,16}")
_STATUS_LINE_PATTERN = re.compile(r"([1-5][0-9][0-9])(?: .*)?")


def parse_mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Return the value if it is a mapping. Raise `ValueError` if it is not; the message calls it `name`."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a mapping, not {_describe_value(value)}")  # noqa: TRY004 - a value read from a file
    return value


def parse_text(value: Any, name: str) -> str:
    """Return a text, or bytes decoded as text. Raise `ValueError` for any other value; the message calls it `name`."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, not {_describe_value(value)}")  # noqa: TRY004 - a value read from a file
    return value


def parse_method(value: Any) -> str:
    """Return an HTTP method in capitals. Raise `ValueError` if it is invalid."""
    method = parse_text(value, "method").upper()
    if not _METHOD_PATTERN.fullmatch(method):
        raise ValueError(f"method {value!r:.40} is invalid")
    return method


def parse_status(value: Any) -> int:
    """Parse an HTTP status: a number, digits or a status line. Raise `ValueError` if it is invalid."""
    line = _STATUS_LINE_PATTERN.fullmatch(value) if isinstance(value, str) else None
    number = int(line[1]) if line else value
    if not isinstance(number, int) or isinstance(number, bool) or not 100 <= number <= 599:
        raise ValueError(f"status must be a number from 100 to 599, not {_describe_value(value)}")
    return number


def parse_headers(value: Any) -> Headers:
    """Return headers as pairs of name and value. Raise `ValueError` if their form is unknown.

    Known forms are a mapping from names to a value or a list of values; a list of pairs, of `name: value` lines, or of
    mappings with `name` and `value`; and None.
    """
    if value is None:
        return ()
    pairs = value.items() if isinstance(value, dict) else map(_parse_header_pair, _require_header_list(value))
    return tuple(
        (parse_text(name, "a header's name"), text) for name, values in pairs for text in _parse_header_values(values)
    )


def parse_body(value: Any) -> bytes:
    """Parse a body, which may be text, bytes, a list of both, None, or a mapping that holds one of these.

    Such a mapping has the key `string`, `base64_string`, or both `string` and `encoding`, as vcrpy, its forks and
    Ruby's VCR write it. Raise `ValueError` for any other form.
    """
    match value:
        case None:
            return b""
        case bytes():
            return value
        case str():
            return value.encode("utf-8")
        case list():
            return b"".join(map(parse_body, value))
        case {"base64_string": str(encoded)}:
            return _decode_base64(encoded)
        case {"string": str(encoded), "encoding": "base64"}:
            return _decode_base64(encoded)
        case {"string": inner} if not isinstance(inner, dict):
            return parse_body(inner)
        case {} if not value:
            return b""
    raise ValueError(f"body must be text, bytes, or a mapping with string, not {_describe_value(value)}")


def encode_parsed_body(value: Any) -> bytes:
    """Encode a body that the file holds as parsed values as compact JSON.

    Raise `ValueError` if JSON cannot represent the values.
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
    except (TypeError, RecursionError):
        raise ValueError(f"parsed_body holds what JSON cannot represent: {_describe_value(value)}") from None


def _decode_base64(encoded: str) -> bytes:
    """Decode base64 that may contain line breaks."""
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError:
        raise ValueError(f"body is not base64: {_describe_value(encoded)}") from None


def _require_header_list(value: Any) -> Iterable[Any]:
    if not isinstance(value, list):
        raise ValueError(f"headers must be a mapping or a list, not {_describe_value(value)}")  # noqa: TRY004 - a value read from a file
    return value


def _parse_header_pair(value: Any) -> tuple[Any, Any]:
    match value:
        case [name, content]:
            return name, content
        case {"name": name, "value": content}:
            return name, content
        case str() if ":" in value:
            name, _, content = value.partition(":")
            return name, content.strip()
    raise ValueError(f"a header must be a name and a value, not {_describe_value(value)}")


def _parse_header_values(values: Any) -> Iterator[str]:
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, bytes):
            yield value.decode("latin-1")
        elif value is None or isinstance(value, (str, int, float)):
            yield "" if value is None else str(value).strip("\r\n")
        else:
            raise ValueError(f"a header's value must be text, not {_describe_value(value)}")


def _describe_value(value: Any) -> str:
    """Describe any value in a few characters, for an error message."""
    if isinstance(value, (dict, list)):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    return f"{value!r:.40}"
