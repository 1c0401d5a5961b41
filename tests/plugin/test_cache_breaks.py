"""Broken cache prefixes of tests: in the summary, in the record, and as a reason to fail the run."""

import json
from pathlib import Path

import pytest

from flag_harness.record import CacheBreak, CacheTurn, load_record

CONFIGURATION = """
[tool.pytest.ini_options]
addopts = "--disable-recording --harness-upstream=simulator -p no:cacheprovider"
[tool.flag-harness.privacy]
addresses = { pattern = '[\\w.]+@[\\w.]+', action = "warn" }
"""
AGENT = """
import anthropic, pytest

RULES = "You are a careful assistant. Answer briefly. " * 200
MARK = {"cache_control": {"type": "ephemeral"}}

def ask(cassette, first, second, mark=MARK):
    client = anthropic.Anthropic(api_key="k", http_client=cassette.http_client())
    messages = []
    for start in (first, second):
        messages.append({"role": "user", "content": "Hello?"})
        system = [{"type": "text", "text": start + RULES, **mark}]
        answer = client.messages.create(model="claude-sonnet-4-6", max_tokens=9, system=system, messages=messages)
        messages.append({"role": "assistant", "content": answer.content[0].text})
"""
TIME = """
@pytest.mark.parametrize("number", range(2))
def test_time(cassette, number):
    ask(cassette, "It is 12:03. ", "It is 12:04. ")
"""
STABLE = """
def test_stable(cassette):
    ask(cassette, "It is noon. ", "It is noon. ")

def test_without_marks(cassette):
    ask(cassette, "It is 12:03. ", "It is 12:04. ", mark={})
"""
WASTEFUL = """
def test_wasteful(cassette):
    ask(cassette, "Alone. ", "Quite different words stand here instead of the others. " * 200)
"""
PRIVATE = """
def test_private(cassette):
    ask(cassette, "For jane.doe@example.com: ", "For john.roe@example.com and others: ")
"""
WORDS = (':"It is 12:03. You are a careful assista', ':"It is 12:04. You are a careful assista')


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose tests ask the simulated API."""
    pytester.makepyprojecttoml(CONFIGURATION)
    return pytester


def cache_lines(run: pytest.RunResult) -> list[str]:
    """The lines about the cache in the output of a run."""
    return [line for line in run.outlines if line.startswith("cache: ")]


def test_a_prompt_with_the_time_in_it_is_named_with_its_price(project: pytest.Pytester) -> None:
    """Two tests with the same cause share a line, which has the block, the byte, the words and the price."""
    project.makepyfile(AGENT + TIME + STABLE)
    run = project.runpytest("-q")
    run.assert_outcomes(passed=4)
    (line,) = cache_lines(run)
    assert (
        f"::test_time[0] and 1 other test: the cached prefix breaks at system[0], byte 19: {WORDS[0]!r} became "
        f"{WORDS[1]!r}; 2,006 tokens (simulated) are not read, $6.92 more per 1,000 runs"
    ) == line[line.index("::") :]


def test_the_record_holds_each_turn_and_each_break(project: pytest.Pytester) -> None:
    """The rows come from workers; tests without marks have no cache use."""
    project.makepyfile(AGENT + TIME + STABLE)
    path = Path(project.path, "run.jsonl")
    project.runpytest_subprocess("-n2", f"--harness-record={path}", "--harness-report-content=full")
    uses = {row.case.partition("::")[2]: row.cache_use for row in load_record(path).rows}
    assert None is uses["test_without_marks"]
    stable, time = uses["test_stable"], uses["test_time[1]"]
    assert stable is not None
    assert time is not None
    assert (2004, (), 0) == (stable.turns[1].tokens_read, stable.breaks, stable.tokens_never_read)
    assert (CacheBreak(1, "system[0]", 19, *WORDS, 2006, pytest.approx(0.0069207)),) == time.breaks
    assert CacheTurn(1, 0, 2006, 21, 2006, "system[0] changed at byte 19", "", "system[0]") == time.turns[1]
    assert (stable.dollars_saved or 0) > 0 > (time.dollars_saved or 0)


def test_a_record_without_content_has_no_words(project: pytest.Pytester) -> None:
    """The place and the price stay; on CI this is the default."""
    project.makepyfile(AGENT + TIME)
    project.runpytest("--harness-record=run.jsonl", "--harness-report-content=masked")
    text = Path(project.path, "run.jsonl").read_text()
    assert "12:03" not in text
    assert "system[0]" == json.loads(text.splitlines()[1])["cache"]["breaks"][0]["block"]


def test_personal_data_is_masked_before_words_are_cut_out(project: pytest.Pytester) -> None:
    """Not even a part of an address is shown."""
    project.makepyfile(AGENT + PRIVATE)
    run = project.runpytest("--harness-record=run.jsonl", "--harness-report-content=full")
    (line,) = cache_lines(run)
    for text in (line, Path(project.path, "run.jsonl").read_text()):
        assert not [name for name in ("jane", "doe@", "john", "roe@") if name in text]


def test_marks_that_only_cost_are_named(project: pytest.Pytester) -> None:
    """Two prompts are written and none is read; the run does not fail for it."""
    project.makepyfile(AGENT + WASTEFUL)
    run = project.runpytest("-q", "--harness-fail-on=cache-break")
    (line,) = cache_lines(run)
    assert pytest.ExitCode.OK == run.ret
    assert "::test_wasteful: its cache marks cost more than they save: " in line
    assert " none of them read, $" in line
    assert line.endswith(" per 1,000 runs more than without marks")


def test_the_run_fails_for_a_broken_prefix_if_asked(project: pytest.Pytester) -> None:
    """The rows of workers count too; without a broken prefix the run passes."""
    project.makepyfile(AGENT + TIME + STABLE)
    run = project.runpytest_subprocess("--harness-fail-on=cache-break", "-n2")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    assert pytest.ExitCode.OK == project.runpytest("--harness-fail-on=cache-break", "-k", "not time").ret
