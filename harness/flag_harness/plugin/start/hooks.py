"""The hooks that pytest calls in every project. They import what the rest of the plugin needs only if it is used."""

import pytest

from flag_harness.plugin.mark_descriptions import MARK_DESCRIPTIONS
from flag_harness.plugin.modes import CASES_PACKAGE, FEATURES_PLUGIN
from flag_harness.plugin.start.deferred_start import DEFERRED_START_NAME, DeferredStart
from flag_harness.plugin.start.first_look import IS_CONFIGURED_KEY, may_use_harness, mentions_harness


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Load `--feature` if the command line names the installed cases (`--pyargs flag_harness.conformance`).

    If the project has its `vcr` marks played by the harness, unregister the plugin that would play them too.
    """
    if mentions_harness(early_config):
        from flag_harness.plugin.vcr.options import unregister_other_plugin

        unregister_other_plugin(early_config.pluginmanager)
    if any(argument.startswith(CASES_PACKAGE) for argument in args):
        early_config.pluginmanager.import_plugin(FEATURES_PLUGIN)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, and configure the plugin, now or once a test uses it."""
    for mark in MARK_DESCRIPTIONS:
        config.addinivalue_line("markers", mark)
    if may_use_harness(config):
        from flag_harness.plugin.start.configure import configure_harness

        configure_harness(config)
    else:
        config.pluginmanager.register(DeferredStart(config), DEFERRED_START_NAME)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test with the mark `flag_matrix` by the combinations of its flags."""
    if IS_CONFIGURED_KEY in metafunc.config.stash:
        from flag_harness.plugin.combinations import parametrize_by_combinations

        parametrize_by_combinations(metafunc)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Make every test with the mark `flags` or `flag_matrix` run under its flags, even if it uses no fixture."""
    if IS_CONFIGURED_KEY in item.config.stash:
        from flag_harness.plugin.combinations import add_flags_of_marks

        add_flags_of_marks(item)
