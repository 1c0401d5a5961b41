"""The declaration of a flag, as a run record holds it."""

from dataclasses import fields
from typing import Any

import msgspec

from flag_harness.flag import Flag


def flag_values(flag: Flag) -> dict[str, Any]:
    """Return a flag's declaration as plain JSON values, without its name and without empty fields."""
    values = {field.name: getattr(flag, field.name) for field in fields(flag) if field.name != "name"}
    kept = {name: value for name, value in values.items() if value not in (None, (), "")}
    described: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(kept))
    return described
