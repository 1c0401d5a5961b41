"""Read the configuration and the options, and register the parts of the plugin."""

import pytest

from flag_harness.config import read_config
from flag_harness.errors import HarnessError
from flag_harness.plugin.combinations import configure_flag_options
from flag_harness.plugin.deferred_parts import DeferredPluginParts, is_harness_configured, needs_parts_for_all_tests
from flag_harness.plugin.evidence.rerun import configure_rerun
from flag_harness.plugin.limits import budget
from flag_harness.plugin.limits.cost_limit import configure_cost_limit
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.redact.normalisers import normalisers_in_configuration
from flag_harness.plugin.redact.secrets import filters_in_configuration
from flag_harness.plugin.redact.test_ids import TestIdMask
from flag_harness.plugin.resume.paid_answers import configure_paid_answers
from flag_harness.plugin.resume.resume import configure_resume, register_resumer
from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY, CassetteUseTracker
from flag_harness.plugin.run.conflicting_fixtures import FixtureConflicts
from flag_harness.plugin.special_runs.shard import configure_shard
from flag_harness.plugin.start.first_look import IS_CONFIGURED_KEY
from flag_harness.plugin.sweep.options import configure_sweep
from flag_harness.plugin.test.faults import configure_faults
from flag_harness.plugin.verdicts.flag_verdicts import register_flag_verdicts
from flag_harness.plugin.verdicts.provider_trouble import register_provider_failure_repeater
from flag_harness.plugin.verdicts.repetitions import register_repetition_maker


def _register_verifier(config: pytest.Config) -> None:
    """Register the verifier if the command line has `--harness-verify`. Raise `HarnessError` for a bad budget."""
    if not config.getoption("--harness-verify"):
        return
    dollars = config.getoption("--harness-verify-budget")
    if not 0 <= dollars < float("inf"):
        raise HarnessError(f"--harness-verify-budget={dollars}: give US dollars, 0 or more, such as 0.50")
    from flag_harness.plugin.special_runs.verify import RecordingVerifier  # imported here: few runs need it

    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    config.pluginmanager.register(
        RecordingVerifier(dollars / workers, config.getoption("--harness-upstream")), "harness-verify"
    )


def configure_harness(config: pytest.Config) -> None:
    """Read `[tool.flag-harness]` and the options, and register the parts of the plugin."""
    config.stash[IS_CONFIGURED_KEY] = True
    try:
        config.stash[CONFIG_KEY] = read_config(config.rootpath / "pyproject.toml")
        if config.stash[CONFIG_KEY].filters or config.stash[CONFIG_KEY].privacy:
            filters_in_configuration(config)
        if config.stash[CONFIG_KEY].normalise:
            normalisers_in_configuration(config)
        configure_resume(config)
        configure_rerun(config)
        configure_flag_options(config)
        configure_faults(config)
        configure_shard(config)
        configure_cost_limit(config)
        configure_sweep(config)
        _register_verifier(config)
        register_repetition_maker(config)
        register_provider_failure_repeater(config)
        register_flag_verdicts(config)
        configure_paid_answers(config)
        register_resumer(config)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    _register_plugin_parts(config)


def _register_plugin_parts(config: pytest.Config) -> None:
    """Register the parts of the plugin that act on the collection and, once a test needs them, those that act on each
    test.
    """
    config.stash[CASSETTE_USE_TRACKER_KEY] = CassetteUseTracker(config)
    config.pluginmanager.register(config.stash[CASSETTE_USE_TRACKER_KEY], "flag-harness-claims")
    if (follows_all := needs_parts_for_all_tests(config)) or is_harness_configured(config):
        from flag_harness.plugin.border.offline import set_fake_api_key_if_needed
        from flag_harness.plugin.parts import register_plugin_parts  # imported here: most runs do not need it

        set_fake_api_key_if_needed(config)
        register_plugin_parts(config)
    if not follows_all:
        config.pluginmanager.register(DeferredPluginParts(), "flag-harness-waiting-parts")
    config.pluginmanager.register(budget, "flag-harness-budget")
    config.pluginmanager.register(TestIdMask(), "flag-harness-id-mask")
    config.pluginmanager.register(FixtureConflicts(config), "flag-harness-fixture-conflicts")
