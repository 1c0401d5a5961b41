"""The pytest plugin.

Here are its options and the hooks of collection; `test/` has the hooks and fixtures that act on single tests, `run/`
those of a whole run, and each other folder has one subject. What does not need pytest belongs to the package of the
same name outside `plugin/`: `sweep/`, `vcr/`, `analysis/verdict/`, `cassette/redact/`. The submodules are private;
docs/api.md lists what tests may use.
"""

from flag_harness.plugin.combinations import pytest_generate_tests, pytest_itemcollected
from flag_harness.plugin.options import pytest_addoption, pytest_configure, pytest_load_initial_conftests
from flag_harness.plugin.redact.normalisers import harness_normalisers
from flag_harness.plugin.redact.secrets import harness_filters
from flag_harness.plugin.test.fixtures import (
    cassette,
    flags_fixture,
    harness_cassette,
    harness_cassette_path,
    harness_combination,
    harness_scenarios,
    harness_set_flags,
)
from flag_harness.plugin.test.respx_routes import harness_respx
from flag_harness.plugin.test.server import cassette_server, harness_cassette_server
from flag_harness.plugin.verdicts.scores import harness_score

__all__ = [
    "cassette",
    "cassette_server",
    "flags_fixture",
    "harness_cassette",
    "harness_cassette_path",
    "harness_cassette_server",
    "harness_combination",
    "harness_filters",
    "harness_normalisers",
    "harness_respx",
    "harness_scenarios",
    "harness_score",
    "harness_set_flags",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_itemcollected",
    "pytest_load_initial_conftests",
]
