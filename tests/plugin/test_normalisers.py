"""Normalisers of a project, by its configuration and by a fixture."""

import pytest

RECORD = ("--record-mode=once", "--harness-upstream=simulator")
ASK = """
import uuid
import anthropic
import pytest

def test_ask(cassette):
    content = [{"role": "user", "content": "Hello."}]
    anthropic.Anthropic(max_retries=0).messages.create(
        model="claude-haiku-4-5", max_tokens=9, messages=content, metadata={"user_id": str(uuid.uuid4())}
    )
"""


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository whose agent sends another id at each run."""
    pytester.makepyfile(test_ask=ASK)
    return pytester


def test_a_path_of_the_configuration_is_left_out_of_what_is_compared(repository: pytest.Pytester) -> None:
    """Without it, the next run misses."""
    repository.makepyprojecttoml('[tool.flag-harness.normalise]\njson = ["metadata.user_id"]\n')
    for options in (RECORD, ()):
        repository.runpytest_subprocess(*options).assert_outcomes(passed=1)
    repository.makepyprojecttoml("[tool.flag-harness]\n")
    repository.runpytest_subprocess().assert_outcomes(failed=1)


def test_a_fixture_that_returns_no_normalisers_is_named(repository: pytest.Pytester) -> None:
    """With what it must return."""
    repository.makeconftest("import pytest\n\n@pytest.fixture\ndef harness_normalisers():\n    return 7\n")
    run = repository.runpytest_subprocess(*RECORD)
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(
        ["*test_ask.py::test_ask: the fixture harness_normalisers must return flag_harness.Normalisers, not 7*"]
    )
