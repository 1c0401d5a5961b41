"""The form in which a run record stores the declaration of a flag."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec

from flag_harness.flag import SOURCE_KINDS, Flag


def flag_declaration(flag: Flag) -> dict[str, Any]:
    """Return a flag's declaration as plain JSON values. The name and empty optional fields are left out."""
    values = [(field, getattr(flag, field.name)) for field in fields(flag) if field.name != "name"]
    kept = {field.name: value for field, value in values if value not in (None, (), "") or value != field.default}
    described: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(kept))
    return described


def flag_from_declaration(name: str, declaration: Mapping[str, Any]) -> Flag:
    """Return the flag whose declaration `flag_declaration` returned.

    Raise `ValueError` naming its first invalid field.
    """
    source = {} if declaration.keys() & set(SOURCE_KINDS) else {"env": name}
    flag = msgspec.convert({**source, **declaration, "name": name}, Flag)
    if len(flag.labels) != len(flag.values):
        raise ValueError(f"it has {len(flag.values)} values and {len(flag.labels)} labels")
    return flag
