"""The settings of a project: `[tool.flag-harness]` in its `pyproject.toml`."""

from flag_harness.config.settings import (
    CREDENTIAL_HEADERS,
    FILTERS,
    NORMALISERS,
    SHIPPED_AGENT,
    Config,
    read_config,
)

__all__ = ["CREDENTIAL_HEADERS", "FILTERS", "NORMALISERS", "SHIPPED_AGENT", "Config", "read_config"]
