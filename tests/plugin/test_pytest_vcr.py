"""A suite written for pytest-vcr, unchanged: it passes where it passes there, and fails where it fails there."""

import importlib.util
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.loopback import LoopbackServer

SUITE = Path(__file__).parent / "pytest_vcr_suite"
OURS = ("-p", "no:recording", "-p", "no:vcr")
THEIRS = ("-p", "no:recording", "-p", "no:flag_harness")
OTHERS = ("-p", "no:cassetter", "-p", "no:cacheprovider", "-p", "no:xdist")
CONFIG = "[tool.flag-harness]\nvcr_marks = 'pytest-vcr'\n"

needs_pytest_vcr = pytest.mark.skipif(
    importlib.util.find_spec("pytest_vcr") is None,
    reason="pytest-vcr is not installed here; `nox -s moving_in` compares with it",
)
needs_both = pytest.mark.skipif(
    importlib.util.find_spec("pytest_vcr") is None or importlib.util.find_spec("pytest_recording") is None,
    reason="pytest-vcr and pytest-recording are not installed here; `nox -s moving_in` has both",
)


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """The suite in a project that asks for its marks to be played."""
    shutil.copytree(SUITE, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    pytester.makepyprojecttoml(CONFIG)
    return pytester


def _outcomes(suite: pytest.Pytester, *arguments: str) -> dict[str, bool]:
    """Return whether each test has passed."""
    report = suite.path / "report.xml"
    suite.runpytest_subprocess(*arguments, *OTHERS, f"--junit-xml={report}", timeout=120)
    cases = ElementTree.parse(report).iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}": not len(case) for case in cases}


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
def test_the_suite_runs_unchanged(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Passes and failures are those that the tests' names tell, with clients of either library."""
    pytest.importorskip(library)
    monkeypatch.setenv("SUITE_HTTP_LIBRARY", library)
    outcomes = _outcomes(suite, *OURS)
    assert 10 == len(outcomes)
    assert {test: "test_fails_" not in test for test in outcomes} == outcomes


@needs_pytest_vcr
@pytest.mark.parametrize("ours", [OURS, ("-p", "no:recording")], ids=["blocked", "installed"])
def test_outcomes_are_those_of_pytest_vcr(suite: pytest.Pytester, ours: tuple[str, ...]) -> None:
    """Test by test, also if pytest-vcr is installed and its mark is taken over."""
    assert _outcomes(suite, *THEIRS) == _outcomes(suite, *ours)


@needs_both
@pytest.mark.parametrize("owner", ["pytest-vcr", "pytest-recording"])
def test_two_plugins_that_claim_the_mark_do_not_stop_the_run(pytester: pytest.Pytester, owner: str) -> None:
    """They refuse each other; the project's configuration settles it, and the header says whose mark it is."""
    folder = pytester.mkdir("cassettes")
    (folder / "test_it").mkdir()
    for target in (folder, folder / "test_it"):
        shutil.copy(SUITE / "cassettes" / "test_get.yaml", target)
    pytester.makepyprojecttoml(f"[tool.flag-harness]\nvcr_marks = '{owner}'\n")
    pytester.makepyfile(
        test_it="""
        import httpx2
        import pytest

        @pytest.mark.vcr
        def test_get():
            assert 200 == httpx2.get("https://api.anthropic.com/v1/models").status_code
        """
    )
    run = pytester.runpytest_subprocess(*OTHERS)
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(
        [
            f"vcr_marks: flag-harness plays @pytest.mark.vcr, in the manner of {owner}, and not pytest-recording or "
            "pytest-vcr; -p no:flag_harness gives it back"
        ]
    )


@pytest.fixture
def project(pytester: pytest.Pytester, loopback_server: LoopbackServer) -> pytest.Pytester:
    """A project with one test, which sends a request to a server on loopback."""
    pytester.makepyprojecttoml(CONFIG)
    pytester.makepyfile(
        test_it=f"""
        import httpx2
        import pytest

        @pytest.mark.vcr
        def test_get(vcr_cassette):
            assert 200 == httpx2.get("{loopback_server.url}/one").status_code
        """
    )
    return pytester


def test_what_is_missing_is_recorded_once(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """By default, as in pytest-vcr; the second run plays it."""
    run = project.runpytest_subprocess(*OURS, *OTHERS)
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(["vcr_marks: recorded 1 answer in cassettes/test_get.yaml"])
    project.runpytest_subprocess(*OURS, *OTHERS).assert_outcomes(passed=1)
    assert ["/one"] == loopback_server.received


def test_the_command_line_overrules_the_suite(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """As in pytest-vcr, and unlike in pytest-recording; a miss names the option to use."""
    run = project.runpytest_subprocess(*OURS, *OTHERS, "--vcr-record=none")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["To record it: pytest test_it.py::test_get --vcr-record=new_episodes"])
    assert [] == loopback_server.received


def test_cassettes_can_be_left_alone(project: pytest.Pytester, loopback_server: LoopbackServer) -> None:
    """Under `--disable-vcr`, each run sends its requests, and nothing is written."""
    project.runpytest_subprocess(*OURS, *OTHERS).assert_outcomes(passed=1)
    before = (project.path / "cassettes" / "test_get.yaml").read_bytes()
    project.runpytest_subprocess(*OURS, *OTHERS, "--disable-vcr").assert_outcomes(passed=1)
    assert ["/one", "/one"] == loopback_server.received
    assert before == (project.path / "cassettes" / "test_get.yaml").read_bytes()


def test_the_old_option_says_which_is_new(project: pytest.Pytester) -> None:
    """It works, with a warning."""
    run = project.runpytest_subprocess(*OURS, *OTHERS, "--vcr-record-mode=all")
    run.assert_outcomes(passed=1, warnings=1)
    run.stdout.fnmatch_lines(["*DeprecationWarning: --vcr-record-mode is deprecated; use --vcr-record"])


def test_a_method_that_is_not_supported_is_named(project: pytest.Pytester) -> None:
    """With those that are."""
    project.makepyfile(test_it="def test_it(vcr):\n    vcr.use_cassette('one')")
    run = project.runpytest_subprocess(*OURS, *OTHERS)
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "E*AttributeError: vcr_marks: vcr.use_cassette has not been set, and is no method that vcr_marks has; it "
            "has register_matcher, register_serializer and register_persister"
        ]
    )


def test_the_mark_and_the_cassette_fixture_exclude_each_other(project: pytest.Pytester) -> None:
    """Both would answer."""
    project.makepyfile(test_it="def test_it(cassette, vcr_cassette): pass")
    run = project.runpytest_subprocess(*OURS, *OTHERS)
    run.stdout.fnmatch_lines(["E*test_it: use either @pytest.mark.vcr or the cassette fixture, not both"])
