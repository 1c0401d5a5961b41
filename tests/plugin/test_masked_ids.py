"""A secret among a test's parameters stands neither in its id, nor in anything that is named after it."""

import anthropic  # noqa: F401 - imported once here, not by each of the runs in this process
import pytest

import flag_harness.plugin.test.traffic  # noqa: F401 - as above

SECRET, KEY, PERSON, MARKED = "corp-1234567890", "sk-ant-api03-" + "b" * 40 + "AA", "Ada Lovelace", "mine-77"
TEST = """
import os, anthropic, pytest

SECRET, KEY, PERSON, MARKED = os.environ["PLANTED"].split(";")

@pytest.mark.harness_filters(patterns=["mine-[0-9]+"])
@pytest.mark.parametrize("word", [SECRET, KEY, "plain", 7, MARKED, pytest.param("x", id=f"of {PERSON}")])
@pytest.mark.flag_matrix("streaming")
def test_ask(cassette, word):
    messages = [{"role": "user", "content": "hello"}]
    anthropic.Anthropic().messages.create(model="claude-haiku-4-5", max_tokens=100, messages=messages)
    assert word != KEY

@pytest.mark.parametrize("word", ["corp-9"])
def test_other(word): pass
"""
PROJECT = """
[tool.flag-harness.flags]
streaming = "ENABLE_STREAMING"
[tool.flag-harness.filters]
patterns = ["corp-[0-9]+"]
[tool.flag-harness.privacy]
person = { pattern = "Ada L[a-z]+", action = "refuse" }
"""
RECORD = (
    "--record-mode=rewrite",
    "--harness-upstream=simulator",
    "-rA",
    "-v",
    "--junitxml=j.xml",
    "--harness-record=r",
)


@pytest.fixture(autouse=True)
def _plant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", ";".join((SECRET, KEY, PERSON, MARKED)))


def _readable(pytester: pytest.Pytester, run: pytest.RunResult) -> set[str]:
    """The secrets that stand in the output, or in a file or its name."""
    files = [path for path in pytester.path.rglob("*") if path.is_file() and path.name != "pyproject.toml"]
    texts = [f"{path} {path.read_bytes()!r}" for path in files] + [*run.outlines, *run.errlines]
    return {secret for secret in (SECRET, KEY, PERSON, MARKED) if any(secret in text for text in texts)}


def test_a_secret_in_an_id_is_hidden_wherever_the_id_is_shown(pytester: pytest.Pytester) -> None:
    """In names of files, reports, records and pytest's cache. A test that does not use the harness keeps its id."""
    pytester.makepyprojecttoml(PROJECT)
    pytester.makepyfile(test_ask=TEST)
    run = pytester.runpytest_inprocess(*RECORD)
    run.assert_outcomes(passed=11, failed=2)
    assert set() == _readable(pytester, run)
    run.stdout.fnmatch_lines_random(
        ["*::test_ask?off-plain? PASSED*", "*::test_ask?off-of REDACTED-*? PASSED*", "*::test_other?corp-9? PASSED*"]
    )
    failed = next(line.split()[1] for line in run.outlines if line.startswith("FAILED"))
    pytester.runpytest_inprocess(*RECORD, failed).assert_outcomes(failed=1)


def test_what_only_a_fixture_s_filter_finds_in_an_id_is_not_recorded(pytester: pytest.Pytester) -> None:
    """The fixture is not known when tests are collected; the error says what to write."""
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makeconftest(
        "import pytest\nfrom flag_harness.cassette import Filters\n"
        "@pytest.fixture(scope='session')\ndef harness_filters():\n    return Filters(patterns=['corp-[0-9]+'])\n"
    )
    pytester.makepyfile(test_ask=TEST)
    run = pytester.runpytest_inprocess(*RECORD, "-k", "off-corp")
    run.assert_outcomes(failed=1, deselected=12)
    run.stdout.fnmatch_lines(['*json was not written, because the id of the test holds*pytest.param(..., id="key")*'])
    assert not list(pytester.path.rglob("recordings/**/*.json"))
