"""The fixture that sets the LaunchDarkly flags of a repository, as text."""

from collections.abc import Sequence

from flag_harness.analysis.code.detected_flag import DetectedFlag

_FIXTURE_IMPORTS = """
import ldclient
{pytest}from ldclient.config import Config
from ldclient.integrations.test_data import TestData
"""
_FIXTURE = """
KEYS = {{{keys}}}


@pytest.fixture
def harness_set_flags():
    data = TestData.data_source()
    ldclient.set_config(Config("none", update_processor_class=data, send_events=False))

    def set_flags(combination):
        for name, key in KEYS.items():
            data.update(data.flag(key).value_for_all(combination.values[name]))

    yield set_flags
    ldclient.set_config(Config("none", offline=True))  # other tests get the defaults that the code names"""


def launchdarkly_lines(flags: Sequence[DetectedFlag]) -> list[str]:
    """Return the lines of a test module that set flags through the SDK's test data; none if there are no flags."""
    return (_FIXTURE_IMPORTS.format(pytest="") + _fixture_code(flags)).splitlines() if flags else []


def launchdarkly_conftest_text(flags: Sequence[DetectedFlag]) -> str:
    """Return the text of a conftest.py that sets flags through the SDK's test data, without the service."""
    docstring = '"""Sets the flags of LaunchDarkly in the tests of this folder."""\n'
    return docstring + _FIXTURE_IMPORTS.format(pytest="import pytest\n") + _fixture_code(flags) + "\n"


def _fixture_code(flags: Sequence[DetectedFlag]) -> str:
    return _FIXTURE.format(keys=", ".join(f'"{flag.name}": "{flag.key}"' for flag in flags))
