"""Tests with the marks `vcr` and `flag_matrix`: each combination has a cassette of its own."""

import shutil
from pathlib import Path

import pytest
import yaml  # noqa: F401 - this and the next stay loaded between the runs of pytest in this process

import flag_harness.vcr  # noqa: F401
from flag_harness.plugin.run.names import name_without_combination

OTHERS = ("-p", "no:recording", "-p", "no:vcr", "-p", "no:cassetter", "-p", "no:xdist", "-p", "no:asyncio")
CONFIG = "[tool.flag-harness]\nvcr_marks = true\n[tool.flag-harness.flags]\nshort = 'SHORT'\n"
RECORDED = Path(__file__).parent / "vcr_suite" / "cassettes" / "test_marks" / "test_get.yaml"
TEST = """
import httpx2
import pytest

@pytest.mark.vcr
@pytest.mark.flag_matrix("short")
def test_get():
    assert 200 == httpx2.get("https://api.anthropic.com/v1/models").status_code
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with a test that has both marks, and the cassette that it had before it got `flag_matrix`."""
    pytester.makepyprojecttoml(CONFIG)
    pytester.makepyfile(test_it=TEST)
    folder = pytester.path / "cassettes" / "test_it"
    folder.mkdir(parents=True)
    shutil.copy(RECORDED, folder)
    return pytester


def test_the_earlier_cassette_is_played_for_off_and_the_others_are_not_recorded(project: pytest.Pytester) -> None:
    """The message names the earlier cassette and how to record; no flag is blamed, and nothing is to be imported."""
    run = project.runpytest_inprocess(*OTHERS)
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.fnmatch_lines(
        [
            "To record it: pytest 'test_it.py::test_get[[]short]' --record-mode=new_episodes",
            "cassettes/test_it/test_get.yaml is played for the combination 'off' only, not for 'short'",
            "not blamed on flags: not recorded: test_it.py::test_get[[]short]",
        ]
    )
    run.stdout.no_fnmatch_line("*cassette import*")
    run.stdout.no_fnmatch_line("*always fails*")


def test_a_cassette_for_off_wins_over_the_earlier_one(project: pytest.Pytester) -> None:
    """A copy that fits no request is played, and the miss says how to import it, because it exists."""
    folder = project.path / "cassettes" / "test_it"
    (folder / "test_get[off].yaml").write_text(RECORDED.read_text().replace("/v1/models", "/v1/others"))
    run = project.runpytest_inprocess(*OTHERS, "-k", "off")
    run.assert_outcomes(failed=1, deselected=1)
    run.stdout.fnmatch_lines(["*flag-harness cassette import 'cassettes/test_it/test_get[[]off].yaml'*"])


@pytest.mark.parametrize(("match_on", "is_loose"), [(["method", "path"], True), (["method", "body"], False)])
def test_a_matrix_that_does_not_compare_the_body_is_named(
    project: pytest.Pytester, match_on: list[str], is_loose: bool
) -> None:
    """The summary says so once for all combinations, with the setting to write."""
    project.makeconftest(f"import pytest\n@pytest.fixture\ndef vcr_config(): return {{'match_on': {match_on}}}\n")
    project.makepyfile(test_it=TEST.replace('.get("', '.post("').replace('models"', 'models", content=b"{}"'))
    folder = project.path / "cassettes" / "test_it"
    text = RECORDED.read_text().replace("GET", "POST").replace("body: ''", "body: '{}'")
    for name in ("test_get", "test_get[short]"):
        (folder / f"{name}.yaml").write_text(text)
    run = project.runpytest_inprocess(*OTHERS)
    run.assert_outcomes(passed=2)
    warning = "vcr_marks: 1 test with flag_matrix does not compare the body,*test_it.py::test_get*match_on = *'body'*"
    if is_loose:
        run.stdout.fnmatch_lines([warning])
    else:
        run.stdout.no_fnmatch_line("*does not compare the body*")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("test_a[off].yaml", "test_a.yaml"),
        ("test_a[off-b].yaml", "test_a[b].yaml"),
        ("test_a[b-off].yaml", "test_a[b].yaml"),
        ("test_a[offer].yaml", "test_a[offer].yaml"),
        ("test_a.yaml", "test_a.yaml"),
    ],
)
def test_a_name_loses_its_combination_only(name: str, plain: str) -> None:
    """Other parameters stay."""
    assert plain == name_without_combination(name, "off", "-")


def test_a_test_with_a_vcr_mark_runs_under_the_flags_that_the_command_line_pins(pytester: pytest.Pytester) -> None:
    """It needs no fixture for that; without pins, and without `vcr_marks`, nothing is set."""
    pytester.makepyfile(
        test_it="""
        import os
        import pytest

        @pytest.mark.vcr
        def test_short():
            assert "true" == os.environ.get("SHORT")
        """
    )
    for settings, options, expected in (
        (CONFIG, ("--harness-flags=short",), {"passed": 1}),
        (CONFIG, (), {"failed": 1}),
        (CONFIG.replace("vcr_marks = true", ""), ("--harness-flags=short",), {"failed": 1}),
    ):
        pytester.makepyprojecttoml(settings)
        pytester.runpytest_inprocess(*OTHERS, *options).assert_outcomes(**expected)
