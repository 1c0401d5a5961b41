"""Register the parts of the plugin that act on each test. A run that does not use the harness never imports this
module.
"""

import pytest

from flag_harness.plugin import check_hooks
from flag_harness.plugin.border.border import BORDER_KEY, NetworkBorder
from flag_harness.plugin.border.late_work import LateWorkReporter
from flag_harness.plugin.border.run_border import register_run_network_border
from flag_harness.plugin.border.tracebacks import RepeatedErrorHider
from flag_harness.plugin.border.wide_fixtures import WideScopeFixtureHooks
from flag_harness.plugin.deferred_parts import DEFERRED_PARTS_KEY
from flag_harness.plugin.limits.age import max_recording_age
from flag_harness.plugin.limits.spending import register_cost_preview
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.modes import CHECKS_PLUGIN_NAME, is_recording_disabled
from flag_harness.plugin.redact.secrets import REPORT_MASK_KEY, ReportMask
from flag_harness.plugin.run.flag_effects import FlagEffects
from flag_harness.plugin.run.flag_reads import FlagReadReporter
from flag_harness.plugin.run.misses import MissCollector
from flag_harness.plugin.run.run_record import RunRecorder
from flag_harness.plugin.run.summary import RunSummary
from flag_harness.plugin.special_runs.alone import LoneTestRunner
from flag_harness.plugin.special_runs.locate import register_flag_search
from flag_harness.plugin.test.faults import FaultReporter
from flag_harness.plugin.vcr.options import configure_vcr


def register_plugin_parts(config: pytest.Config) -> None:
    """Register the parts of the plugin that act on each test. Do nothing if they are registered already."""
    if DEFERRED_PARTS_KEY in config.stash:
        return
    plugins = config.pluginmanager
    if not plugins.has_plugin(CHECKS_PLUGIN_NAME):
        plugins.register(check_hooks, CHECKS_PLUGIN_NAME)
    parts: list[object] = []
    config.stash[DEFERRED_PARTS_KEY] = parts

    def register_plugin(plugin: object, name: str) -> None:
        if plugins.register(plugin, f"flag-harness-{name}") is not None:  # None if `-p no:NAME` blocks it
            parts.append(plugin)

    mask = config.stash[REPORT_MASK_KEY] = ReportMask()
    has_detectors = config.stash[CONFIG_KEY].privacy is not None or is_recording_disabled(config)
    summary, effects = RunSummary(max_recording_age(config), has_detectors=has_detectors), FlagEffects(config)
    register_plugin(FaultReporter(), "fault-reporter")
    register_plugin(RepeatedErrorHider(), "repeated-errors")
    register_plugin(mask, "secrets")
    register_plugin(summary, "summary")
    register_plugin(RunRecorder(config, summary), "record")
    register_plugin(effects, "effects")
    register_flag_search(config, effects)
    if not hasattr(config, "workerinput"):
        register_plugin(LoneTestRunner(config, effects), "alone")
    if config.stash[CONFIG_KEY].vcr_marks:
        configure_vcr(config)
    register_plugin(MissCollector(config, effects), "misses")
    register_plugin(FlagReadReporter(), "flag-reads")
    register_cost_preview(config)
    register_run_network_border(config)
    border = config.stash[BORDER_KEY] = NetworkBorder(config)
    register_plugin(border, "border")
    register_plugin(WideScopeFixtureHooks(border), "wide-fixtures")
    register_plugin(LateWorkReporter(config, border), "late-work")
