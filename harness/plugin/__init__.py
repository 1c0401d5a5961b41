"""The pytest plugin: options, marks, the `cassette` and `flags` fixtures, honesty at the end of a test, the table."""

from harness.plugin.fixtures import (
    _harness_cassette,
    _harness_cassette_path,
    _harness_combination,
    _harness_scenarios,
    cassette,
    flags,
)
from harness.plugin.honesty import (
    pytest_fixture_setup,
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_runtest_teardown,
)
from harness.plugin.marks import pytest_generate_tests, pytest_itemcollected
from harness.plugin.normalisers import harness_normalisers
from harness.plugin.options import pytest_addoption, pytest_configure, pytest_load_initial_conftests
from harness.plugin.routes import harness_respx
from harness.plugin.secrets import harness_filters
from harness.plugin.server import cassette_server

__all__ = [
    "_harness_cassette",
    "_harness_cassette_path",
    "_harness_combination",
    "_harness_scenarios",
    "cassette",
    "cassette_server",
    "flags",
    "harness_filters",
    "harness_normalisers",
    "harness_respx",
    "pytest_addoption",
    "pytest_configure",
    "pytest_fixture_setup",
    "pytest_generate_tests",
    "pytest_itemcollected",
    "pytest_load_initial_conftests",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
]
