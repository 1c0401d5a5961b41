"""Failing tests are run alone: if they pass, an earlier test has left state behind, and no flag is blamed."""

from pathlib import Path

import pytest

from flag_harness.plugin.special_runs.alone import arguments_without_tests, has_last_test_passed

CONFIGURATION = """
[tool.flag-harness.flags]
fast = "FAST"
slow = "SLOW"
"""
TEST = """
import pytest

seen = []

@pytest.mark.flag_matrix
def test_ask(flags):
    seen.append(flags.id)
    assert CONDITION, "crash"
"""
COUNTS = "len(seen) == 1"
"""Holds for the first combination of a process alone."""
SIMULATED = ("--disable-recording", "--harness-upstream=simulator")
AFTER_FAST = "seen[-2:] != ['fast', 'slow']"
"""Fails for one combination alone, and only just after another."""


@pytest.fixture(autouse=True)
def _failed_tests_run_alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS")


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository with a test that keeps a list between its runs."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=TEST.replace("CONDITION", COUNTS))
    return pytester


def _lines_about_failures(run: pytest.RunResult) -> list[str]:
    """Return the lines below `which flags broke it`."""
    lines = run.outlines
    start = next((index for index, line in enumerate(lines) if "which flags broke it" in line), len(lines))
    return [line for line in lines[start + 1 :] if not line.startswith(("=", "FAILED"))]


@pytest.mark.parametrize(
    "options", [(), ("--harness-locate", "-k", "test_ask"), ("--junitxml", "own.xml", "test_it.py")]
)
def test_state_that_an_earlier_test_leaves_is_blamed_on_no_flag(
    repository: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """The failing combination passes alone, so the test before it is named, and both are in the command."""
    run = repository.runpytest_subprocess(*options)
    assert [
        "fails only after other tests, and passes alone: test_it.py::test_ask[fast]",
        "  test_it.py::test_ask[off] leaves state behind that breaks it: a module global, a class attribute, a cached "
        "client, a wide fixture",
        "  To reproduce: pytest 'test_it.py::test_ask[off]' 'test_it.py::test_ask[fast]'",
    ] == _lines_about_failures(run)
    assert ("own.xml" in options) is Path("own.xml").exists()
    again = repository.runpytest_subprocess("test_it.py::test_ask[off]", "test_it.py::test_ask[fast]")
    again.assert_outcomes(passed=1, failed=1)


def test_a_flag_that_breaks_a_test_alone_is_blamed(repository: pytest.Pytester) -> None:
    """Also if each combination fails once one has failed."""
    repository.makepyfile(test_it=TEST.replace("CONDITION", "'slow' not in flags"))
    assert [
        "fails when slow: 1 test (test_it.py::test_ask[*])",
        "  To reproduce: pytest 'test_it.py::test_ask[slow]'",
    ] == _lines_about_failures(repository.runpytest_subprocess())


def test_a_leak_that_breaks_one_combination_is_found_by_locating(repository: pytest.Pytester) -> None:
    """It looks like two flags."""
    repository.makepyfile(test_it=TEST.replace("CONDITION", AFTER_FAST))
    lines = _lines_about_failures(repository.runpytest_subprocess("--harness-locate"))
    assert "  To reproduce: pytest 'test_it.py::test_ask[fast]' 'test_it.py::test_ask[slow]'" == lines[-1]


@pytest.mark.parametrize("locates", [False, True])
def test_a_leak_of_a_test_long_before_is_found_by_locating(repository: pytest.Pytester, locates: bool) -> None:
    """Bisection names it; without it, the run says how to find it."""
    repository.makepyfile(
        test_a="import builtins\n\ndef test_first():\n    builtins.leaked = True\n\ndef test_second():\n    pass\n",
        test_it="import builtins\n" + TEST.replace("CONDITION", "not hasattr(builtins, 'leaked')"),
    )
    lines = _lines_about_failures(repository.runpytest_subprocess(*(["--harness-locate"] if locates else [])))
    assert "fails only after other tests, and passes alone: test_it.py::test_ask[off]" == lines[0]
    assert lines[1:] == (
        [
            "  test_a.py::test_first leaves state behind that breaks it: a module global, a class attribute, a cached "
            "client, a wide fixture",
            "  To reproduce: pytest test_a.py::test_first 'test_it.py::test_ask[off]'",
        ]
        if locates
        else [
            "  An earlier test leaves state behind (a module global, a class attribute, a cached client, a wide "
            "fixture), or it fails now and then",
            "  To find that test: add --harness-locate",
        ]
    )


def test_a_test_that_fails_now_and_then_is_said_to(repository: pytest.Pytester) -> None:
    """Nothing that ran before makes it fail again."""
    condition = "seen[-1] != 'fast' or __import__('os').path.exists('ran') or open('ran', 'w').close()"
    repository.makepyfile(test_it=TEST.replace("CONDITION", condition))
    lines = _lines_about_failures(repository.runpytest_subprocess("--harness-locate"))
    assert lines[1].endswith("or it fails now and then")
    assert 2 == len(lines)


@pytest.mark.parametrize("options", [("--disable-recording",), ("--record-mode=once",)])
def test_a_test_is_not_run_alone_if_that_may_cost_or_write(
    repository: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """The live API would answer, or a cassette would be recorded."""
    lines = _lines_about_failures(repository.runpytest_subprocess(*options))
    assert "fails when fast, or when slow: 1 test (test_it.py::test_ask[*])" == lines[0]


def test_a_run_that_the_first_failure_ends_looks_for_state_too(repository: pytest.Pytester) -> None:
    """`-x` does not end the runs that look for the cause."""
    run = repository.runpytest_subprocess("-x", *SIMULATED)
    assert (
        "  To reproduce: pytest 'test_it.py::test_ask[off]' 'test_it.py::test_ask[fast]' " + " ".join(SIMULATED)
    ) == _lines_about_failures(run)[2]


def test_workers_have_orders_of_their_own(repository: pytest.Pytester) -> None:
    """The test that ran before is that of the same worker."""
    run = repository.runpytest_subprocess("-n", "1")
    assert (
        "  To reproduce: pytest 'test_it.py::test_ask[off]' 'test_it.py::test_ask[fast]'"
        == (_lines_about_failures(run)[2])
    )


def test_a_run_that_takes_long_to_start_runs_nothing_alone(repository: pytest.Pytester) -> None:
    """A flag is named as before."""
    repository.makeconftest(
        "import pytest\nfrom flag_harness.plugin.special_runs import alone\n"
        "alone.MAX_SECONDS_IF_SUSPECT = alone.MAX_SECONDS_TO_FIRST_RESULT = -1.0\n"
    )
    lines = _lines_about_failures(repository.runpytest_subprocess())
    assert "fails when fast, or when slow: 1 test (test_it.py::test_ask[*])" == lines[0]


def test_a_process_that_hangs_is_killed(repository: pytest.Pytester) -> None:
    """It says nothing, so a flag is named."""
    repository.makeconftest(
        "import os, sys\nfrom flag_harness.plugin.special_runs import alone\nalone.MAX_SECONDS_OF_LONE_RUN = 0.1\n"
        "sys.executable = os.path.join(sys.prefix, 'bin', 'python')  # no fork of the warm one, which nobody may kill\n"
    )
    lines = _lines_about_failures(repository.runpytest_subprocess())
    assert "fails when fast, or when slow: 1 test (test_it.py::test_ask[*])" == lines[0]


def test_arguments_that_select_tests_or_write_files_are_left_out() -> None:
    """What the tests need stays."""
    given = ["-n", "4", "tests", "--junitxml=a.xml", "--html", "b.html", "-x", "--env", "staging", "-k", "ask"]
    assert ["--env", "staging", "-k", "ask"] == arguments_without_tests(given, ["tests"])


@pytest.mark.parametrize(
    ("inside", "passed"),
    [
        ('<testcase name="a"/>', True),
        ('<testcase name="b"><failure/></testcase><testcase name="a"/>', True),
        ('<testcase name="a"><failure/></testcase><testcase name="a"/>', False),
        ('<testcase name="a"><error/></testcase>', False),
        ('<testcase name="a"><skipped/></testcase>', None),
        ("", None),
        ("<", None),
    ],
)
def test_the_result_is_that_of_the_last_test(tmp_path: Path, inside: str, passed: bool | None) -> None:
    """An error of its teardown counts, a skip says nothing."""
    file = tmp_path / "result.xml"
    file.write_text(f"<testsuites><testsuite>{inside}</testsuite></testsuites>")
    assert has_last_test_passed(file) is passed
    assert has_last_test_passed(tmp_path / "none.xml") is None
