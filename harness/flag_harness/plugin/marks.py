"""The flags that a mark can name, and the key of the configuration that declares them."""

from collections.abc import Sequence

import pytest

from flag_harness.config import Config
from flag_harness.flag import SHIPPED_FLAGS, Flag
from flag_harness.plugin.modes import FEATURES_PLUGIN

CONFIG_KEY = pytest.StashKey[Config]()
"""The stash key of the project's configuration, `[tool.flag-harness]`."""


def declared_flags(config: pytest.Config) -> tuple[Flag, ...]:
    """Return the flags that the project declares."""
    return config.stash[CONFIG_KEY].flags


def all_flags(config: pytest.Config) -> tuple[Flag, ...]:
    """Return the flags that a mark can name: those that the project declares and, if it uses them, those of the
    reference agent.

    The project uses the flags of the reference agent if it declares no flags of its own, or if its conftest adds the
    option `--feature`, as that of the harness's own cases does.
    """
    declared = declared_flags(config)
    return merge_flags(declared, SHIPPED_FLAGS) if config.pluginmanager.has_plugin(FEATURES_PLUGIN) else declared


def merge_flags(flags: Sequence[Flag], others: Sequence[Flag]) -> tuple[Flag, ...]:
    """Return `flags`, followed by each of `others` that shares no name or source with them."""
    taken = {word for flag in flags for word in (flag.name, flag.source)}
    return (*flags, *(flag for flag in others if not {flag.name, flag.source} & taken))
