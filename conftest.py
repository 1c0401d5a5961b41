"""Adds `--feature` to this checkout's runs."""

import pytest


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin behind `--feature`, wherever the run starts."""
    pluginmanager.import_plugin("flag_harness.plugin.features")
