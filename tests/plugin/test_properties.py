"""The properties of a test in JUnit files, and in files of pytest-json-ctrf."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

TEST = """
import os, anthropic, pytest

@pytest.mark.flag_matrix("streaming")
def test_ask(cassette, flags):
    body = dict(model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": "Where is my refund?"}])
    for event in anthropic.Anthropic().messages.create(**body, stream=bool(os.environ.get("ENABLE_STREAMING"))):
        pass  # an answer that is not streamed yields its fields

def test_plain():
    pass
"""
CTRF = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    item._ctrf_metadata = {"tags": [], "parameters": {"harness_combination": repr(getattr(item, "callspec", None))}}
    result = yield
    with open("ctrf.txt", "a") as file:
        file.write(f"{item.name} {item._ctrf_metadata['parameters'].get('harness_combination')}\\n")
    return result
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyprojecttoml('[tool.flag-harness.flags]\nstreaming = "ENABLE_STREAMING"\n')
    pytester.makepyfile(test_it=TEST)
    pytester.makeconftest(CTRF)
    return pytester


def _properties(file: Path) -> dict[str, dict[str, str]]:
    return {
        str(case.get("name")): {str(one.get("name")): str(one.get("value")) for one in case.iter("property")}
        for case in ElementTree.parse(file).iter("testcase")
    }


def test_a_junit_file_says_under_which_flags_a_test_ran_and_what_it_used(suite: pytest.Pytester) -> None:
    """For tests that use the harness, in one process and in workers; a recorded test names its cassette."""
    record = suite.runpytest_subprocess(
        "--record-mode=once", "--harness-upstream=simulator", "--junitxml=first.xml", "-p", "no:asyncio", "-n", "2"
    )
    record.assert_outcomes(passed=3)
    first = _properties(suite.path / "first.xml")
    assert {"test_ask[off]", "test_ask[streaming]", "test_plain"} == first.keys()
    assert {} == first["test_plain"]
    streamed = first["test_ask[streaming]"]
    assert ("streaming", "1", "simulator") == tuple(
        streamed[f"harness_{name}"] for name in ("combination", "requests", "upstream")
    )
    assert int(streamed["harness_input_tokens"]) > 5
    assert int(streamed["harness_output_tokens"]) > 0
    assert float(streamed["harness_cost"]) > 0
    suite.runpytest_subprocess("--junitxml=second.xml", "-p", "no:asyncio").assert_outcomes(passed=3)
    played = _properties(suite.path / "second.xml")["test_ask[off]"]
    assert ("off", "recordings/test_it/test_ask[off].json", "simulator, recorded") == tuple(
        played[f"harness_{name}"] for name in ("combination", "cassette", "upstream")
    )


def test_the_parameters_of_ctrf_hold_the_same(suite: pytest.Pytester) -> None:
    """They replace the text with which pytest-json-ctrf describes a combination."""
    suite.runpytest_subprocess(
        "--disable-recording", "--harness-upstream=simulator", "-p", "no:asyncio"
    ).assert_outcomes(passed=3)
    lines = (suite.path / "ctrf.txt").read_text("utf-8").splitlines()
    assert ["test_ask[off] off", "test_ask[streaming] streaming", "test_plain None"] == lines
