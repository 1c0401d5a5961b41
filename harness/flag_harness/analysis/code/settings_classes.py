"""Find the environment variables from which the fields of pydantic settings classes are read."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from flag_harness.analysis.code.detected_flag import DetectedFlag
from flag_harness.analysis.code.syntax import string_literal, values_assigned_to_name

_SETTINGS_BASE_CLASS_NAME = "BaseSettings"
_ALIAS_KEYWORDS = ("validation_alias", "alias", "env")
_BOOLEAN_TYPES = ("bool", "bool | None", "Optional[bool]", "typing.Optional[bool]", "StrictBool")


@dataclass(frozen=True, slots=True)
class SettingsField:
    """A field of a pydantic settings class, and one environment variable from which it is read.

    Attributes:
        field_name: the name of the field.
        environment_variable: the environment variable.
        annotation: the type, as code.
        default: the expression of the default, or None.
        line: the line of the field.
    """

    field_name: str
    environment_variable: str
    annotation: str
    default: ast.expr | None
    line: int


def settings_fields(node: ast.ClassDef) -> Iterator[SettingsField]:
    """Yield the fields of a class that derives from `BaseSettings`, or from a class whose name ends with
    `BaseSettings`.

    A field that can be read from several variables is yielded once for each.
    """
    if not any(_base_class_name(base).endswith(_SETTINGS_BASE_CLASS_NAME) for base in node.bases):
        return
    prefix = next(
        (text for value in values_assigned_to_name(node, "env_prefix") if (text := string_literal(value))), ""
    )
    is_exact = any(getattr(value, "value", None) is True for value in values_assigned_to_name(node, "case_sensitive"))
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name, annotation = field.target.id, ast.unparse(field.annotation)
        variable = _alias_in_field_call(field.value) or prefix + name
        default = _default_in_field_call(field.value)
        yield SettingsField(name, variable if is_exact else variable.upper(), annotation, default, field.lineno)


def flags_in_settings_class(node: ast.ClassDef, path: str) -> Iterator[DetectedFlag]:
    """Yield a flag for each boolean field of a pydantic settings class."""
    for field in settings_fields(node):
        if field.annotation in _BOOLEAN_TYPES:
            is_on = getattr(field.default, "value", False) is True
            off, place = "false" if is_on else None, f"{path}:{field.line}"
            yield DetectedFlag(field.field_name.lower(), "env", field.environment_variable, "true", off, is_on, place)


def _base_class_name(base: ast.expr) -> str:
    return str(getattr(base, "attr", getattr(base, "id", "")))


def _field_call(value: ast.expr | None) -> ast.Call | None:
    """Return the call of `Field` that is assigned to a field, or None if the value is anything else."""
    is_call = isinstance(value, ast.Call) and _base_class_name(value.func) == "Field"
    return value if is_call and isinstance(value, ast.Call) else None


def _alias_in_field_call(value: ast.expr | None) -> str:
    """Return the name from which `Field` says that the field is read, the first if there are several.

    Return an empty string if the field is read from its own name.
    """
    call = _field_call(value)
    for keyword in call.keywords if call is not None else ():
        if keyword.arg in _ALIAS_KEYWORDS:
            literals = (one.value for one in ast.walk(keyword.value) if isinstance(one, ast.Constant))
            return next((text for text in literals if isinstance(text, str)), "")
    return ""


def _default_in_field_call(value: ast.expr | None) -> ast.expr | None:
    """Return the default of a field, which may be an argument of `Field`, or None if the field has no default."""
    call = _field_call(value)
    if call is None:
        return value
    return next((one.value for one in call.keywords if one.arg == "default"), call.args[0] if call.args else None)
