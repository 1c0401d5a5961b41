"""A foreign file as plain values, whether it is JSON or YAML."""

from typing import Any

import msgspec

from harness.cassette.importers.limits import Limits
from harness.cassette.importers.yaml_values import plain_yaml


def plain_values(data: bytes, limits: Limits) -> Any:
    """What the file says. JSON is read as such, everything else as YAML. Raises `ValueError` in one line."""
    if len(data) > limits.file:
        raise ValueError(f"larger than {limits.file:,} bytes")
    if not data.lstrip().startswith((b"{", b"[")):
        return plain_yaml(data, limits)
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("not JSON: too many values inside each other") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        try:
            return plain_yaml(data, limits)  # YAML may begin with a brace too
        except ValueError:
            raise ValueError(f"not JSON: {error}") from None
