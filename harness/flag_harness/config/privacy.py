"""Read `[tool.flag-harness.privacy]`, the detectors of personal data."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from flag_harness.config.settings import DetectorSettings, PrivacyAction
from flag_harness.errors import ConfigError
from flag_harness.toml_tables import TomlText, convert_table


class _DetectorTable(msgspec.Struct):
    """The keys of a detector in `[tool.flag-harness.privacy]`; see `DetectorSettings` for their meaning."""

    pattern: TomlText = ""
    function: TomlText = ""
    action: PrivacyAction = "mask"


def parse_detector_settings(table: Any, where: str) -> dict[str, DetectorSettings]:
    """Return the detectors of personal data in `table`, by name. `where` names the table in errors.

    In the table, each detector is a pattern, or a table with a pattern or a function.
    """
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table of detectors: phone = '\\+[0-9 ]{{8,}}'")
    return {name: _parse_detector(value, f"{where} {name}") for name, value in table.items()}


def _parse_detector(value: Any, where: str) -> DetectorSettings:
    if not isinstance(value, (str, Mapping)):
        raise ConfigError(
            f'{where} = {value!r} must be a pattern, or {{ pattern = "..." or function = "module:function", '
            f'action = "mask" }}'
        )
    detector = _DetectorTable(value) if isinstance(value, str) else convert_table(value, _DetectorTable, where)
    if bool(detector.pattern) == bool(detector.function):
        raise ConfigError(f'{where} needs either pattern = "..." or function = "module:function"')
    if detector.pattern:
        require_valid_pattern(detector.pattern, f"{where} pattern:")
    return DetectorSettings(detector.pattern, detector.function, detector.action)


def require_valid_pattern(pattern: str, where: str) -> None:
    """Raise `ConfigError`, whose message begins with `where`, if a pattern is not a regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{where} {pattern!r} is not a regular expression: {error}") from None
