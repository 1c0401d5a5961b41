"""The pytest plugin.

Its options are in `options/`. `start/` has the hooks that pytest calls in every project; they import the rest once
something uses it. `test/` has the hooks and fixtures of single tests, and `run/` the hooks of a whole run. Each other
folder has one subject; code of the subject that does not need pytest is outside of `plugin/`: in `sweep/`, `vcr/`,
`analysis/verdict/` and `cassette/redact/`. The submodules are private; docs/api.md lists what tests may use.

A new hook that acts on tests is a method of a class in the folder of its subject, or in `test/` if it has no other. A
new class is registered in `parts.py`.
"""

from flag_harness.plugin.options.all_options import pytest_addoption
from flag_harness.plugin.start.hooks import (
    pytest_configure,
    pytest_generate_tests,
    pytest_itemcollected,
    pytest_load_initial_conftests,
)
from flag_harness.plugin.test.fixtures import (
    cassette,
    cassette_server,
    flags_fixture,
    harness_cassette,
    harness_cassette_path,
    harness_cassette_server,
    harness_combination,
    harness_filters,
    harness_normalisers,
    harness_respx,
    harness_scenarios,
    harness_score,
    harness_set_flags,
)

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
