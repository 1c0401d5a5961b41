"""The settings of a project: `[tool.flag-harness]` in its `pyproject.toml`, or lines in its `pytest.ini`."""

from flag_harness.config.ini import INI_KEY
from flag_harness.config.root import find_root
from flag_harness.config.settings import (
    BUDGET_NAMES,
    CREDENTIAL_HEADERS,
    DIFF_FIGURES,
    FILTER_KINDS,
    NORMALISER_KINDS,
    PRIVACY_ACTIONS,
    SHIPPED_AGENT,
    Config,
    DetectorSettings,
    DiffSettings,
    GrowthLimit,
    PrivacyAction,
    SweepSettings,
    read_config,
    read_project_config,
    read_settings_table,
)

__all__ = [
    "BUDGET_NAMES",
    "CREDENTIAL_HEADERS",
    "DIFF_FIGURES",
    "FILTER_KINDS",
    "INI_KEY",
    "NORMALISER_KINDS",
    "PRIVACY_ACTIONS",
    "SHIPPED_AGENT",
    "Config",
    "DetectorSettings",
    "DiffSettings",
    "GrowthLimit",
    "PrivacyAction",
    "SweepSettings",
    "find_root",
    "read_config",
    "read_project_config",
    "read_settings_table",
]
