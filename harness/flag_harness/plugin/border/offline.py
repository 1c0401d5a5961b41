"""The environment variables of tests that are answered without the API."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flag_harness.plugin.modes import is_recording_disabled, record_mode_of_run

API_KEY_VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
"""The variables of which one must be set to reach the live API."""
FAKE_API_KEY = "offline"
"""The value of `ANTHROPIC_API_KEY` while a test plays recordings or the simulator: no real key is used or can leak."""

OFFLINE_ENVIRONMENT = {
    "ANTHROPIC_API_KEY": FAKE_API_KEY,
    "ANTHROPIC_AUTH_TOKEN": None,
    "ANTHROPIC_BASE_URL": None,
    "ANTHROPIC_CUSTOM_HEADERS": None,  # the SDK adds them to every request
}


def is_offline(config: pytest.Config) -> bool:
    """Return True if no request of the run can reach the live API."""
    if config.getoption("--harness-upstream") == "simulator":
        return True
    if config.getoption("--harness-verify"):
        return False
    return record_mode_of_run(config) == "none" and not is_recording_disabled(config)


def has_api_key() -> bool:
    """Return True if the environment has a key for the live API, other than the fake one."""
    return any(os.environ.get(name, FAKE_API_KEY) not in ("", FAKE_API_KEY) for name in API_KEY_VARIABLES)


def set_fake_api_key_if_needed(config: pytest.Config) -> None:
    """Set a fake API key until the end of the run, if no request can reach the API and the environment has no key.

    A module that makes a client when it is imported needs a key before any test begins.
    """
    if is_offline(config) and not has_api_key():
        _set_environment_variable(API_KEY_VARIABLES[0], FAKE_API_KEY)
        config.add_cleanup(lambda: _set_environment_variable(API_KEY_VARIABLES[0], None))


@contextmanager
def offline_environment(applies: bool) -> Iterator[None]:
    """If `applies` is true, hide the API's key and address in the environment inside the context, and restore them.

    A variable that the code inside the context has changed keeps its new value.
    """
    before = {name: os.environ.get(name) for name in OFFLINE_ENVIRONMENT if applies}
    for name in before:
        _set_environment_variable(name, OFFLINE_ENVIRONMENT[name])
    try:
        yield
    finally:
        for name, value in before.items():
            if os.environ.get(name) == OFFLINE_ENVIRONMENT[name]:
                _set_environment_variable(name, value)


def _set_environment_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
