"""The settings of a project: `[tool.flag-harness]` in its `pyproject.toml`, or lines in its `pytest.ini`."""

from flag_harness.config.ini import INI_KEY
from flag_harness.config.root import find_root
from flag_harness.config.settings import (
    ACTIONS,
    BUDGETS,
    CREDENTIAL_HEADERS,
    DIFF_FIGURES,
    FILTERS,
    NORMALISERS,
    SHIPPED_AGENT,
    Action,
    Config,
    DetectorSettings,
    DiffSettings,
    GrowthLimit,
    SweepSettings,
    read_config,
    read_project_config,
    read_settings_table,
)

__all__ = [
    "ACTIONS",
    "BUDGETS",
    "CREDENTIAL_HEADERS",
    "DIFF_FIGURES",
    "FILTERS",
    "INI_KEY",
    "NORMALISERS",
    "SHIPPED_AGENT",
    "Action",
    "Config",
    "DetectorSettings",
    "DiffSettings",
    "GrowthLimit",
    "SweepSettings",
    "find_root",
    "read_config",
    "read_project_config",
    "read_settings_table",
]
