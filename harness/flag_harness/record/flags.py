"""The form in which a run record stores the declaration of a flag."""

from dataclasses import fields
from typing import Any

import msgspec

from flag_harness.flag import Flag


def flag_declaration(flag: Flag) -> dict[str, Any]:
    """Return a flag's declaration as plain JSON values. The name and empty optional fields are left out."""
    values = [(field, getattr(flag, field.name)) for field in fields(flag) if field.name != "name"]
    kept = {field.name: value for field, value in values if value not in (None, (), "") or value != field.default}
    described: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(kept))
    return described
