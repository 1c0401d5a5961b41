"""Options whose names other plugins own, too."""

from typing import Any

import pytest

from flag_harness.plugin import features, modes
from flag_harness.plugin.options import all_options


class Parser:
    """Keeps the names of the options that are added."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, name: str, description: str = "") -> "Parser":
        """Return the parser itself, in place of a group."""
        return self

    def addoption(self, *names: str, **settings: Any) -> None:
        """Keep the names."""
        self.names += names

    def addini(self, name: str, help: str, default: Any = None) -> None:
        """Ignore settings: no other plugin has their names."""


SHARED = {"--feature", "--record-mode", "--disable-recording"}


@pytest.mark.parametrize("owner", ["xdist", "a plugin that is not installed"])
def test_an_option_is_left_to_another_installed_plugin(
    owner: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Only if it is installed: pytest refuses an option that two plugins add."""
    monkeypatch.setattr(
        modes, "_OTHER_PLUGINS_BY_OPTION", {**modes._OTHER_PLUGINS_BY_OPTION, **dict.fromkeys(SHARED, (owner,))}
    )
    parser: Any = Parser()
    manager = request.config.pluginmanager
    all_options.pytest_addoption(parser, manager)
    features.pytest_addoption(parser, manager)
    assert "--harness-upstream" in parser.names
    assert (set() if owner == "xdist" else SHARED) == SHARED & set(parser.names)
