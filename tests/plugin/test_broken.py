"""Cassettes that cannot be read: a failure that says what to type, and a rewrite that mends them."""

import json
from pathlib import Path

import pytest

QUIET = ("-q", *(f"-pno:{name}" for name in ("hypothesispytest", "anyio", "respx")))
SIMULATED = "--harness-upstream=simulator"
ASK = """
import os

import httpx2
import pytest

def ask(text):
    url = os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com") + "/v1/messages"
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}
    httpx2.post(url, json=body, headers={"x-api-key": "k", "anthropic-version": "2023-06-01"}).raise_for_status()
"""
ONE = ASK + "\ndef test_it(cassette): ask('one')\n"
SHARED = """
@pytest.fixture
def harness_cassette_path(request):
    return request.config.rootpath / "recordings" / "shared.json"
"""
TWO = ASK + SHARED + "\ndef test_a(cassette): ask('a')\n\ndef test_b(cassette): ask('b')\n"
CONFLICT = "<<<<<<< ours\n{}\n=======\n"


def _record(pytester: pytest.Pytester, source: str = ONE, *options: str) -> pytest.RunResult:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n")
    pytester.makepyfile(test_it=source)
    return pytester.runpytest_subprocess(*QUIET, "--record-mode=rewrite", SIMULATED, *options)


def _lengthened(text: str) -> str:
    """A hand edit that makes a recorded JSON body longer than its chunks say."""
    assert '"role": "assistant"' in text
    return text.replace('"role": "assistant"', '"role": "assistants"')


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda text: "{", "Input data was truncated"),
        (lambda text: CONFLICT + text, "JSON is malformed: invalid character (byte 0)"),
        (
            _lengthened,
            "interaction 0: the chunks hold * bytes, the JSON body *: the file was edited;*",
        ),
    ],
    ids=["truncated", "conflict", "edited"],
)
def test_a_broken_cassette_is_told_in_two_lines_and_mended_by_a_rewrite(
    pytester: pytest.Pytester, broken: object, reason: str
) -> None:
    """In every mode that reads it; the rewrite says what it has replaced."""
    assert callable(broken)
    _record(pytester).assert_outcomes(passed=1)
    path = pytester.path / "recordings" / "test_it" / "test_it.json"
    before = path.read_text()
    path.write_text(broken(before))
    for mode in ("none", "once", "new_episodes", "all"):
        run = pytester.runpytest_subprocess(*QUIET, f"--record-mode={mode}", SIMULATED)
        run.assert_outcomes(errors=1)
        run.stdout.fnmatch_lines(
            [
                "*ERROR at setup of test_it*",
                f"{path}: cannot be read as a cassette: {reason}",
                f"To record it anew: pytest test_it.py::test_it --record-mode=rewrite {SIMULATED}",
                "=*",
            ],
            consecutive=True,
        )
    run = _record(pytester)
    run.assert_outcomes(passed=1)
    lost = "could not be read and was recorded anew; what other tests had recorded in it is lost"
    run.stdout.fnmatch_lines([f"recordings/test_it/test_it.json {lost}"])
    assert (
        json.loads(before)["interactions"][0]["request"] == json.loads(path.read_text())["interactions"][0]["request"]
    )
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=1)


def test_a_cassette_that_breaks_while_it_is_added_to_fails_its_test(pytester: pytest.Pytester) -> None:
    """It is not replaced: only a rewrite may leave out what was there."""
    path = pytester.path / "recordings" / "test_it" / "test_it.json"
    _record(pytester).assert_outcomes(passed=1)
    pytester.makepyfile(test_it=ONE.replace("ask('one')", "ask('one'); cassette.plan.cassette_path.write_text('{')"))
    run = pytester.runpytest_subprocess(*QUIET, "--record-mode=all", SIMULATED)
    run.assert_outcomes(passed=1, errors=1)
    run.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_it*", f"{path}: cannot be read as a cassette: *", "=*"], consecutive=True
    )
    assert "{" == path.read_text()


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "workers"])
def test_a_broken_cassette_that_tests_share_is_mended_by_all_of_them(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """The failure says that others have a part in it."""
    _record(pytester, TWO).assert_outcomes(passed=2)
    path = pytester.path / "recordings" / "shared.json"
    path.write_text("{")
    run = pytester.runpytest_subprocess(*QUIET, "-ktest_a")
    run.stdout.fnmatch_lines(
        [
            "To record it anew: pytest test_it.py::test_a --record-mode=rewrite --harness-upstream=live",
            "Other tests may have recorded in it: record those anew, too.",
        ],
        consecutive=True,
    )
    run = _record(pytester, TWO, *workers)
    run.stdout.fnmatch_lines(["recordings/shared.json could not be read and was recorded anew; *"])
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=2)


COUNTING = """
from flag_harness.cassette import Cassette

loads, load = [], Cassette.load.__func__

def counted(cls, path):
    loads.append(path)
    return load(cls, path)

Cassette.load = classmethod(counted)

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"loaded: {len(loads)}")
"""


@pytest.mark.parametrize(
    ("mode", "test", "loads"),
    [("none", "test_a", 1), ("once", "test_a", 1), ("once", "test_b", 2), ("rewrite", "test_a", 1)],
)
def test_a_cassette_is_read_once_to_be_played_and_once_to_be_written(
    pytester: pytest.Pytester, mode: str, test: str, loads: int
) -> None:
    """What is written is put into what others may have written meanwhile."""
    _record(pytester, TWO, "-ktest_a").assert_outcomes(passed=1)
    pytester.makeconftest(COUNTING)
    run = pytester.runpytest_subprocess(*QUIET, f"--record-mode={mode}", SIMULATED, f"-k{test}")
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines([f"loaded: {loads}"])


@pytest.mark.parametrize("mode", ["all", "new_episodes", "once"])
def test_nothing_is_added_to_what_another_upstream_answered(pytester: pytest.Pytester, mode: str) -> None:
    """Nor sent, though it be swallowed; what is recorded plays on."""
    _record(pytester, TWO, "-ktest_a").assert_outcomes(passed=1)
    path = pytester.path / "recordings" / "shared.json"
    before = path.read_bytes()
    swallowing = TWO.replace("ask('b')", "\n    try: ask('b')\n    except BaseException: pass")
    pytester.makepyfile(test_it=swallowing.replace("test_a", "test_a" if mode == "once" else "test_c"))
    run = pytester.runpytest_subprocess(*QUIET, f"--record-mode={mode}", "-ktest_b")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "POST /v1/messages was not sent: recordings/shared.json was recorded from: simulator, and "
            f"--record-mode={mode} would add answers of: live. A cassette holds answers of one upstream.",
            "To record it anew: pytest test_it.py::test_b --record-mode=rewrite --harness-upstream=live",
        ],
        consecutive=True,
    )
    assert before == path.read_bytes()
    if mode != "all":
        pytester.makepyfile(test_it=TWO)
        pytester.runpytest_subprocess(*QUIET, f"--record-mode={mode}", "-ktest_a").assert_outcomes(passed=1)


def test_where_there_is_a_limit_a_rewrite_renews_the_moment(pytester: pytest.Pytester) -> None:
    """In one line, and only of a recording that is too old; without a limit the file stays as it is."""
    _record(pytester).assert_outcomes(passed=1)
    path = pytester.path / "recordings" / "test_it" / "test_it.json"
    now = json.loads(path.read_text())["envelope"]["recorded_at"]
    old = path.read_text().replace(now, "2020-01-01T00:00:00Z")
    path.write_text(old)
    _record(pytester).assert_outcomes(passed=1)
    _record(pytester, ONE, "--harness-max-age=9999w").assert_outcomes(passed=1)
    assert old == path.read_text()
    _record(pytester, ONE, "--harness-max-age=30d:fail").assert_outcomes(passed=1)
    changed = [pair for pair in zip(old.splitlines(), path.read_text().splitlines(), strict=True) if pair[0] != pair[1]]
    ((before, after),) = changed
    assert '    "recorded_at": "2020-01-01T00:00:00Z",' == before
    assert after > before
    pytester.runpytest_subprocess(*QUIET, "--harness-max-age=30d:fail").assert_outcomes(passed=1)


def test_a_shared_cassette_is_as_old_as_its_oldest_part(pytester: pytest.Pytester) -> None:
    """Until all of its tests have been recorded in one run."""
    _record(pytester, TWO).assert_outcomes(passed=2)
    path = pytester.path / "recordings" / "shared.json"

    def moment() -> str:
        recorded_at: str = json.loads(path.read_text())["envelope"]["recorded_at"]
        return recorded_at

    path.write_text(path.read_text().replace(moment(), "2020-01-01T00:00:00Z"))
    changed = TWO.replace("'a'", "'anew'")
    _record(pytester, changed, "-ktest_a").assert_outcomes(passed=1)
    assert "2020-01-01T00:00:00Z" == moment()
    _record(pytester, changed, "--harness-max-age=30d").assert_outcomes(passed=2)
    assert "2020-01-01T00:00:00Z" < moment()


def test_without_a_cache_what_tests_share_can_be_recorded_anew(pytester: pytest.Pytester) -> None:
    """And what a test recorded that other conditions define is kept, unless nothing speaks of it any more."""
    several = "@pytest.mark.parametrize('value', ['d', 'e'])\ndef test_d(cassette, value): ask(value)\n"
    source = TWO + several + "\nif os.environ.get('ELSEWHERE'):\n    def test_c(cassette): ask('c')\n"
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n")
    path = Path(pytester.path / "recordings" / "shared.json")
    pytester.makeconftest("import os\nos.environ['ELSEWHERE'] = '1'\n")
    _record(pytester, source).assert_outcomes(passed=5)
    source = source.replace("'d', 'e'", "'d'")
    pytester.makeconftest("")
    _record(pytester, source, "-pno:cacheprovider").assert_outcomes(passed=3)
    assert [True, True, False] == [f"test_{name}" in path.read_text() for name in ("c", "d[d]", "d[e]")]
    _record(pytester, TWO, "-pno:cacheprovider").assert_outcomes(passed=2)
    assert "test_c" not in path.read_text()
