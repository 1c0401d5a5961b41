"""Add the command-line options, and set up the plugin. An option that another plugin adds is shared with it."""

import pytest

from flag_harness.config import INI_KEY, read_config
from flag_harness.errors import HarnessError
from flag_harness.plugin import check_hooks
from flag_harness.plugin.combinations import add_flag_options, configure_flags
from flag_harness.plugin.deferred_parts import (
    CHECKS_PLUGIN_NAME,
    DeferredPluginParts,
    is_configured,
    needs_parts_around_all_tests,
)
from flag_harness.plugin.evidence.rerun import add_rerun_option, configure_rerun
from flag_harness.plugin.limits import budget
from flag_harness.plugin.limits.age import add_age_option
from flag_harness.plugin.limits.cost_limit import add_cost_option, configure_cost_limit
from flag_harness.plugin.marks import CONFIG_KEY, MARK_DESCRIPTIONS
from flag_harness.plugin.modes import CASES_PACKAGE, RECORD_MODES, UPSTREAM_NAMES, is_option_of_other_plugin
from flag_harness.plugin.record_options import add_effects_options, add_record_option
from flag_harness.plugin.redact.normalisers import normalisers_in_configuration
from flag_harness.plugin.redact.secrets import filters_in_configuration
from flag_harness.plugin.redact.test_ids import TestIdMask
from flag_harness.plugin.resume.paid_answers import configure_paid_answers
from flag_harness.plugin.resume.resume import add_resume_option, configure_resume, start_resuming
from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY, CassetteUseTracker
from flag_harness.plugin.run.conflicting_fixtures import FixtureConflicts
from flag_harness.plugin.special_runs.options import add_locate_option, add_verify_options, register_verifier
from flag_harness.plugin.special_runs.shard import add_shard_options, configure_shard
from flag_harness.plugin.sweep.options import add_sweep_options, configure_sweep
from flag_harness.plugin.test.faults import add_fault_options, configure_faults
from flag_harness.plugin.vcr.options import add_vcr_options, unregister_other_plugin
from flag_harness.plugin.verdicts.flag_verdicts import add_verdict_option, register_flag_verdicts
from flag_harness.plugin.verdicts.provider_trouble import add_retry_option, register_provider_failure_repeater
from flag_harness.plugin.verdicts.repetitions import add_repeat_option, register_repetition_maker


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of the harness, and register its checks before the conftest files are loaded."""
    if not pluginmanager.has_plugin(CHECKS_PLUGIN_NAME):
        pluginmanager.register(check_hooks, CHECKS_PLUGIN_NAME)
    parser.addini(INI_KEY, "the lines of [tool.flag-harness], for projects without a pyproject.toml", default="")
    group = parser.getgroup("harness", "flag harness")
    _add_traffic_options(group, pluginmanager)
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
    add_vcr_options(parser, pluginmanager)
    add_fault_options(group)
    add_sweep_options(group)
    add_verify_options(group)


def _add_traffic_options(group: pytest.OptionGroup, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options that say who answers requests, and what is recorded."""
    if not is_option_of_other_plugin("--record-mode", pluginmanager):
        group.addoption(
            "--record-mode",
            choices=RECORD_MODES,
            default=None,
            help="none: play cassettes only (default); once: record if there is no recording; new_episodes: record "
            "what it does not hold; all: record everything and keep the old; rewrite: record everything anew",
        )
    if not is_option_of_other_plugin("--disable-recording", pluginmanager):
        group.addoption(
            "--disable-recording",
            action="store_true",
            default=False,
            help="send requests straight to the upstream; neither read nor write cassettes",
        )
    group.addoption(
        "--harness-upstream",
        choices=UPSTREAM_NAMES,
        default="live",
        help="who answers requests that are not played from a cassette: the live API (default) or the simulator",
    )


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Load `--feature` if the command line names the installed cases (`--pyargs flag_harness.conformance`).

    If the project has its `vcr` marks played by the harness, unregister the plugin that would play them too.
    """
    unregister_other_plugin(early_config.pluginmanager)
    if any(argument.startswith(CASES_PACKAGE) for argument in args):
        early_config.pluginmanager.import_plugin("flag_harness.plugin.features")


def pytest_configure(config: pytest.Config) -> None:
    """Read `[tool.flag-harness]`, and register the marks and the parts of the plugin."""
    try:
        config.stash[CONFIG_KEY] = read_config(config.rootpath / "pyproject.toml")
        if config.stash[CONFIG_KEY].filters or config.stash[CONFIG_KEY].privacy:
            filters_in_configuration(config)
        if config.stash[CONFIG_KEY].normalise:
            normalisers_in_configuration(config)
        configure_resume(config)
        configure_rerun(config)
        configure_flags(config)
        configure_faults(config)
        configure_shard(config)
        configure_cost_limit(config)
        configure_sweep(config)
        register_verifier(config)
        register_repetition_maker(config)
        register_provider_failure_repeater(config)
        register_flag_verdicts(config)
        configure_paid_answers(config)
        start_resuming(config)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    for mark in MARK_DESCRIPTIONS:
        config.addinivalue_line("markers", mark)
    _register_plugin_parts(config)


def _register_plugin_parts(config: pytest.Config) -> None:
    """Register the parts of the plugin that act on the collection and, once a test needs them, those that act on each
    test.
    """
    config.stash[CASSETTE_USE_TRACKER_KEY] = CassetteUseTracker(config)
    config.pluginmanager.register(config.stash[CASSETTE_USE_TRACKER_KEY], "flag-harness-claims")
    if (follows_all := needs_parts_around_all_tests(config)) or is_configured(config):
        from flag_harness.plugin.border.offline import set_offline_api_key
        from flag_harness.plugin.parts import register_plugin_parts  # imported here: most runs do not need it

        set_offline_api_key(config)
        register_plugin_parts(config)
    if not follows_all:
        config.pluginmanager.register(DeferredPluginParts(), "flag-harness-waiting-parts")
    config.pluginmanager.register(budget, "flag-harness-budget")
    config.pluginmanager.register(TestIdMask(config), "flag-harness-id-mask")
    config.pluginmanager.register(FixtureConflicts(config), "flag-harness-fixture-conflicts")
