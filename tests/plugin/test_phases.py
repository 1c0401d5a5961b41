"""Misses in setup, call and teardown: each is told where it came, and leaves the tests that follow as they would be."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from flag_harness.cassette import Cassette

QUIET = ("-q", *(f"-pno:{name}" for name in ("hypothesispytest", "anyio", "respx")))
RECORD = (*QUIET, "--record-mode=rewrite", "--harness-upstream=simulator")
WORKERS = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
HEAD = """
import asyncio
import logging
import os

import httpx2
import pytest

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
BEFORE = httpx2.HTTPTransport.handle_request

def url():
    return os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com") + "/v1/messages"

def body(text):
    return {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}

def send(text):
    return httpx2.post(url(), json=body(text), headers=HEADERS).raise_for_status()

def swallow(text):
    try:
        send(text)
    except BaseException:
        pass

@pytest.fixture
def torn(cassette):
    yield
    send("torn")

@pytest.fixture
def quiet(cassette):
    yield
    swallow("quiet")

def check_nothing_is_left():
    assert BEFORE is httpx2.HTTPTransport.handle_request
    assert "mine" == os.environ["ANTHROPIC_API_KEY"]
    assert logging.Logger.handle.__module__ == "logging"
"""
MISSES = (
    HEAD
    + """
idle = pytest.mark.harness_no_request

@pytest.fixture
def early(cassette):
    send("early")

@pytest.fixture(scope="module")
def wide():
    send("wide")

@pytest.fixture
def cancelled(cassette):
    yield
    raise asyncio.CancelledError

@idle
def test_torn(torn): pass

@idle
def test_torn_again(torn): pass

def test_after_torn(): check_nothing_is_left()

@idle
def test_quiet(quiet): pass

def test_early(early): pass

def test_early_again(early): pass

def test_after_early(): check_nothing_is_left()

@idle
def test_wide(cassette, request): request.getfixturevalue("wide")

@idle
def test_wide_again(cassette, request): request.getfixturevalue("wide")

def test_after_wide(): check_nothing_is_left()

def test_call(cassette): send("call")

@idle
def test_cancelled(cancelled): pass

def test_after_cancelled(): check_nothing_is_left()

def test_skip(cassette):
    swallow("skip")
    pytest.skip("enough")

@pytest.mark.xfail(reason="a bug")
def test_xfail(cassette):
    swallow("xfail")
    assert 0

@idle
@pytest.mark.xfail(reason="a bug")
def test_xfail_torn(quiet): assert 0

@pytest.mark.harness_misses
@pytest.mark.xfail(reason="a bug")
def test_allowed(cassette):
    swallow("allowed")
    assert 0
"""
)
OUTCOMES = {
    "test_torn": "error",
    "test_torn_again": "error",
    "test_after_torn": "passed",
    "test_quiet": "error",
    "test_early": "error",
    "test_early_again": "error",
    "test_after_early": "passed",
    "test_wide": "failure",
    "test_wide_again": "failure",
    "test_after_wide": "passed",
    "test_call": "failure",
    "test_cancelled": "error",
    "test_after_cancelled": "passed",
    "test_skip": "failure",
    "test_xfail": "failure",
    "test_xfail_torn": "error",
    "test_allowed": "skipped",
}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project in whose environment there is a key."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "mine")
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = '--strict-markers'\n")
    return pytester


def _outcomes(project: pytest.Pytester) -> dict[str, str]:
    """What came of each test in the last run, the worst of its phases."""
    found: dict[str, str] = {}
    for case in ElementTree.parse(project.path / "junit.xml").iter("testcase"):
        tags = [child.tag for child in case if child.tag != "properties"]
        found[str(case.get("name"))] = max([*tags, found.get(str(case.get("name")), "passed")], key=_SEVERITY.index)
    return found


_SEVERITY = ["passed", "skipped", "failure", "error"]


def _section(run: pytest.RunResult, name: str) -> str:
    """The text under the heading of a test."""
    lines = run.stdout.lines
    start = next(place for place, line in enumerate(lines) if line.strip("_ ") == name)
    stop = next(place for place, line in enumerate(lines) if place > start and line[:3] in ("___", "==="))
    return "\n".join(lines[start + 1 : stop])


@WORKERS
def test_a_miss_is_told_in_its_phase_and_leaves_nothing_behind(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """Whichever phase it came in, swallowed or not, and whatever followed it but its mark; even an interrupted end."""
    project.makepyfile(test_it=MISSES)
    run = project.runpytest_subprocess(*QUIET, "--junitxml=junit.xml", *workers)
    assert OUTCOMES == _outcomes(project)
    output = run.stdout.str()
    assert "_finalizers" not in output
    assert 'send("torn")' not in output
    kept = json.loads((project.path / ".pytest_cache/v/flag-harness/misses").read_bytes())["misses"]
    missed = {row["test"].partition("::")[2] for row in kept} | {"test_wide_again"}  # pytest keeps the first one's
    assert {name for name, outcome in OUTCOMES.items() if outcome in ("error", "failure")} == missed | {
        "test_cancelled"
    }
    assert f"{len({row['test'] for row in kept})} tests: nothing is recorded" in output


def test_no_excuse_is_told_with_the_miss(project: pytest.Pytester) -> None:
    """In full."""
    project.makepyfile(test_it=MISSES)
    path = Path("recordings") / "test_it"
    for name, excuse in (("test_skip", "a skip"), ("test_xfail", "an expected failure")):
        run = project.runpytest_subprocess(*QUIET, f"test_it.py::{name}")
        assert (
            f"POST /v1/messages is not in {path}/{name}.json (0 interactions).\n"
            f"To record it: pytest test_it.py::{name} --record-mode=rewrite --harness-upstream=live\n\n"
            f"What came after it, {excuse}, is no excuse for that."
        ) == _section(run, name)


FAILURES = (
    HEAD
    + """
async def send_async(text):
    async with httpx2.AsyncClient() as client:
        await client.post(url(), json=body(text), headers=HEADERS)

async def fail():
    raise ValueError("mine")

async def together(*tasks):
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(task)

def test_raises(cassette):
    with pytest.raises(ValueError):
        swallow("raises")

def test_fail(cassette):
    swallow("fail")
    pytest.fail("mine", pytrace=False)

def test_group(cassette):
    asyncio.run(together(send_async("group"), send_async("group")))

def test_mixed(cassette):
    asyncio.run(together(fail(), send_async("mixed")))

def test_unrelated(cassette):
    swallow("unrelated")
    asyncio.run(together(fail()))
"""
)


def test_a_miss_is_shown_with_whatever_failure_it_led_to(project: pytest.Pytester) -> None:
    """With pytest's own, and with groups; a group of misses alone is told as misses are."""
    project.makepyfile(test_it=FAILURES)
    run = project.runpytest_subprocess(*QUIET, "-p", "no:cacheprovider")
    run.assert_outcomes(failed=5)

    def miss(name: str) -> str:
        return f"POST /v1/messages is not in recordings/test_it/{name}.json (0 interactions)."

    def command(name: str) -> str:
        return f"To record it: pytest test_it.py::{name} --record-mode=rewrite --harness-upstream=live"

    assert f"mine\n\n{miss('test_fail')}\n{command('test_fail')}" == _section(run, "test_fail")
    group = "POST /v1/messages is not in recordings/test_it/test_group.json: nothing is recorded"
    assert f"{group} (as in test_it.py::test_raises)" == _section(run, "test_group")
    assert f"E       Failed: DID NOT RAISE ValueError\nE       \nE       {miss('test_raises')}\n" in _section(
        run, "test_raises"
    )
    for name in ("test_mixed", "test_unrelated"):
        section = _section(run, name)
        assert f"  | {miss(name)}\n" in section
        assert f"  | {command(name)}\n" in section
        assert "ValueError: mine" in section
        assert "FailedMiss" not in section


LATE = (
    HEAD
    + """
def test_sends(torn): send("call")

@pytest.fixture
def broken(torn):
    yield
    raise ValueError

@pytest.fixture
def broken_last():
    yield
    raise ValueError

def test_breaks(broken): send("call")

def test_breaks_last(broken_last, cassette): send("call")
"""
)


def test_what_a_fixture_sends_in_its_teardown_is_recorded_and_played(project: pytest.Pytester) -> None:
    """It must be played too, but not before its turn; a test whose teardown fails writes nothing."""
    project.makepyfile(test_it=LATE)
    project.runpytest_subprocess(*RECORD).assert_outcomes(passed=3, errors=2)
    (path,) = project.path.rglob("recordings/**/*.json")
    assert "test_sends.json" == path.name
    assert [("call", False), ("torn", True)] == [
        (one.decoded_body["messages"][0]["content"], one.in_teardown) for one in Cassette.load(path).interactions
    ]
    project.runpytest_subprocess(*QUIET, "-ktest_sends").assert_outcomes(passed=1)
    unplayed = f"1 of 2 recorded interactions of {path.relative_to(project.path)} were not played: "
    for source, outcomes, heading, place in (
        (LATE.replace('send("torn")', "pass"), {"passed": 1, "errors": 1}, "ERROR at teardown of test_sends", 1),
        (LATE.replace('send("call")', "pass"), {"failed": 1}, "test_sends", 0),
    ):
        project.makepyfile(test_it=source)
        run = project.runpytest_subprocess(
            *QUIET,
            "-ktest_sends",
        )
        run.assert_outcomes(**outcomes, deselected=2)
        assert _section(run, heading).startswith(("The test sent no request.", f"{unplayed}{place}.\n"))


def test_a_failed_teardown_counts_in_the_table(project: pytest.Pytester) -> None:
    """As a failure, though the test's own code had passed; an expected failure counts as that."""
    expected = "\n@pytest.mark.xfail\ndef test_expected(cassette):\n    send('call')\n    assert 0\n"
    expected += "\n@pytest.mark.xfail(strict=False)\ndef test_unexpected(cassette): send('call')\n"
    project.makepyfile(test_it=LATE + expected)
    run = project.runpytest_subprocess(*RECORD, "-pno:cacheprovider")
    run.stdout.fnmatch_lines(["5 cases under one combination: 2 failed, 1 passed, 1 xfailed, 1 xpassed; *"])
    assert {"test_sends.json", "test_unexpected.json"} == {path.name for path in Path(project.path).rglob("*.json")}


def test_a_subtest_is_no_case(project: pytest.Pytester) -> None:
    """Its requests are those of its test; a miss in it is told by it and by its test, and grouped once."""
    pytest.importorskip("_pytest.subtests")
    source = "\ndef test_it(cassette, subtests):\n    for text in 'ab':\n        with subtests.test(text): send(text)\n"
    project.makepyfile(test_it=HEAD + source)
    run = project.runpytest_subprocess(*RECORD)
    run.stdout.fnmatch_lines(["1 case under one combination: 1 passed; requests: 2, *"])
    project.runpytest_subprocess(*QUIET).stdout.fnmatch_lines(
        ["1 case under one combination: 1 passed; requests: 2, *"]
    )
    project.makepyfile(test_it=HEAD + source.replace("'ab'", "'ac'"))
    missed = project.runpytest_subprocess(*QUIET)
    missed.assert_outcomes(failed=2)
    assert 1 == missed.stdout.str().count("1 test: `messages[0].content`, 1 word: 'b' → 'c'")
