"""Delay registering the parts of the plugin that act on each test until a collected test uses the harness.

In a run without such a test, no hook of the harness is called for any test.
"""

import pytest

from flag_harness.config import Config
from flag_harness.plugin.mark_descriptions import HARNESS_MARKS
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.modes import CHECKS_PLUGIN_NAME, is_main_process_of_xdist
from flag_harness.plugin.start.first_look import OPTIONS_WITHOUT_PREFIX

_FIXTURE_PREFIX = "harness_"
"""Every fixture of the harness has a name with this prefix, or requests a fixture that has one."""
_OPTIONS_THAT_NEED_ANOTHER = frozenset({"harness_upstream", "harness_runs", "harness_verify_budget"})
"""Options that have a default, and that do nothing unless another option is given too."""


DEFERRED_PARTS_KEY = pytest.StashKey[list[object]]()
"""The stash key of the parts of the plugin that are registered now, except the checks of each test."""


def needs_parts_for_all_tests(config: pytest.Config) -> bool:
    """Return True if an option or a setting needs the parts of the plugin even if no test uses the harness.

    Also return True in the main process of pytest-xdist, which does not know yet which tests its workers collect.
    """
    if config.stash[CONFIG_KEY].vcr_marks or config.stash[CONFIG_KEY].border == "run":
        return True
    if is_main_process_of_xdist(config):
        return True
    options = vars(config.option)
    own = (name for name in options if name.startswith("harness_") and name not in _OPTIONS_THAT_NEED_ANOTHER)
    return any(options.get(name) for name in (*OPTIONS_WITHOUT_PREFIX, *own))


def is_harness_configured(config: pytest.Config) -> bool:
    """Return True if the project configures the harness."""
    return config.stash[CONFIG_KEY] != Config()


def has_harness_fixture_or_mark(item: pytest.Item) -> bool:
    """Return True if a test has a fixture or a mark of the harness."""
    if any(name.startswith(_FIXTURE_PREFIX) for name in getattr(item, "fixturenames", ())):
        return True
    return any(mark.name in HARNESS_MARKS for mark in item.iter_markers())


class DeferredPluginParts:
    """Registers the parts of the plugin that act on each test, once a test that uses the harness is collected.

    If no test uses the harness, unregisters the parts that are registered already.
    """

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Register the parts, or unregister them if no test uses the harness."""
        config = session.config
        if any(map(has_harness_fixture_or_mark, session.items)):
            from flag_harness.plugin.parts import register_plugin_parts  # imported here: most runs do not need it

            register_plugin_parts(config)
            return
        for part in config.stash.get(DEFERRED_PARTS_KEY, []):
            config.pluginmanager.unregister(part)
        if DEFERRED_PARTS_KEY in config.stash:
            del config.stash[DEFERRED_PARTS_KEY]
        if config.pluginmanager.has_plugin(CHECKS_PLUGIN_NAME):
            config.pluginmanager.unregister(name=CHECKS_PLUGIN_NAME)
