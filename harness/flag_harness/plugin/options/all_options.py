"""Add all options. An option that another plugin adds is shared with it."""

import pytest

from flag_harness.plugin import check_hooks
from flag_harness.plugin.modes import CHECKS_PLUGIN_NAME
from flag_harness.plugin.options.run_options import (
    add_effects_options,
    add_locate_option,
    add_record_option,
    add_repeat_option,
    add_rerun_option,
    add_resume_option,
    add_retry_option,
    add_shard_options,
    add_verdict_option,
    add_verify_options,
)
from flag_harness.plugin.options.sweep_options import add_sweep_options
from flag_harness.plugin.options.traffic_options import (
    add_age_option,
    add_cost_option,
    add_fault_options,
    add_flag_options,
    add_traffic_options,
)
from flag_harness.plugin.start.first_look import mentions_harness


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of the harness, and register its checks before the conftest files are loaded."""
    if not pluginmanager.has_plugin(CHECKS_PLUGIN_NAME):
        pluginmanager.register(check_hooks, CHECKS_PLUGIN_NAME)
    parser.addini("flag_harness", "the lines of [tool.flag-harness], for projects without a pyproject.toml", default="")
    group = parser.getgroup("harness", "flag harness")
    add_traffic_options(group, pluginmanager)
    add_flag_options(group)
    add_age_option(group)
    add_cost_option(group)
    add_effects_options(group)
    add_locate_option(group)
    add_record_option(group)
    add_repeat_option(group)
    add_retry_option(group)
    add_verdict_option(group)
    add_resume_option(group)
    add_shard_options(group)
    add_rerun_option(group)
    config = pluginmanager.get_plugin("pytestconfig")
    if config is None or mentions_harness(config):
        from flag_harness.plugin.vcr.options import add_vcr_options  # imported here: most projects do not need it

        add_vcr_options(parser, pluginmanager)
    add_fault_options(group)
    add_sweep_options(group)
    add_verify_options(group)
