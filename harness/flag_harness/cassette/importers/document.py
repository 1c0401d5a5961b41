"""Parse another tool's file, in JSON or YAML, into plain Python values."""

import json
from typing import Any

import msgspec

from flag_harness.cassette.importers.limits import ImportLimits


def parse_document(data: bytes, limits: ImportLimits) -> Any:
    """Parse JSON or YAML. Raise `ValueError` with a one-line message if the data is neither, or exceeds `limits`."""
    if len(data) > limits.max_file_bytes:
        raise ValueError(f"larger than {limits.max_file_bytes:,} bytes")
    data = _convert_to_utf8(data)
    if not data.lstrip().startswith((b"{", b"[")):
        return _parse_yaml(data, limits)
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("not JSON: too many levels of nesting") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        try:
            return _parse_yaml(data, limits)  # YAML may begin with a brace too
        except ValueError:
            raise ValueError(f"not JSON: {error}") from None


def _parse_yaml(data: bytes, limits: ImportLimits) -> Any:
    """Parse YAML. PyYAML is imported only here, because only the extra `vcr` installs it."""
    from flag_harness.cassette.importers.yaml_values import parse_yaml

    return parse_yaml(data, limits)


def _convert_to_utf8(data: bytes) -> bytes:
    """Convert text from any Unicode encoding to UTF-8 without a byte order mark."""
    encoding = json.detect_encoding(data)
    if encoding == "utf-8":
        return data
    try:
        return data.decode(encoding).encode("utf-8")
    except UnicodeError:
        raise ValueError(f"not text: it begins like {encoding.upper()}, and is not") from None
