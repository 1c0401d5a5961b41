"""Tests that do not use the harness run without its hooks, as fast as if it were not installed."""

import pytest

PLAIN = "def test_plain():\n    pass\n"
CALLED_HOOKS = """
import pytest

HOOKS = ("setup", "call", "teardown", "makereport", "logreport")

def called_hooks(config):
    hooks = [getattr(config.hook, f"pytest_runtest_{name}") for name in HOOKS]
    found = [one for hook in (*hooks, config.hook.pytest_fixture_setup) for one in hook.get_hookimpls()]
    return sorted({one.function.__module__ for one in found if one.function.__module__.startswith("flag_harness")})

@pytest.fixture(autouse=True, scope="session")
def _write_hooks(request):
    with open(request.config.rootpath / "hooks.txt", "a") as file:
        print(called_hooks(request.config), file=file)
"""
ASKING = """
from pathlib import Path
import anthropic

def ask(text):
    anthropic.Anthropic(max_retries=0).messages.create(
        model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": text}]
    )
"""


def _called_hooks(pytester: pytest.Pytester) -> set[str]:
    return {*(pytester.path / "hooks.txt").read_text(encoding="utf-8").splitlines()}


@pytest.mark.parametrize("table", ["", '[tool.flag-harness.flags]\nstreaming = "ENABLE_STREAMING"\n'])
@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_no_hook_is_called_for_tests_that_do_not_use_the_harness(
    pytester: pytest.Pytester, table: str, workers: tuple[str, ...]
) -> None:
    """In one process and in workers, whether or not the project has a table of ours."""
    pytester.makepyprojecttoml(table)
    pytester.makeconftest(CALLED_HOOKS)
    pytester.makepyfile(test_it=PLAIN, test_more=PLAIN)
    run = pytester.runpytest_inprocess if not workers else pytester.runpytest_subprocess
    run(*workers, "-p", "no:asyncio").assert_outcomes(passed=2)
    assert {"[]"} == _called_hooks(pytester)


@pytest.mark.parametrize("use", ["def test_use(cassette): pass", "@pytest.mark.flags(a=True)\ndef test_use(): pass"])
def test_one_test_that_uses_the_harness_brings_its_hooks(pytester: pytest.Pytester, use: str) -> None:
    """With a fixture or a mark, in a project without a table."""
    pytester.makeconftest(CALLED_HOOKS)
    pytester.makepyfile(test_it=PLAIN, test_use=f"import pytest\n{use}\n")
    pytester.runpytest_inprocess("-p", "no:asyncio")
    assert "flag_harness.plugin.border.border" in next(iter(_called_hooks(pytester)))


def test_an_option_brings_the_hooks(pytester: pytest.Pytester) -> None:
    """`--record-mode=none` means all tests of the run."""
    pytester.makeconftest(CALLED_HOOKS)
    pytester.makepyfile(test_it=PLAIN)
    pytester.runpytest_inprocess("--record-mode=none", "-p", "no:asyncio").assert_outcomes(passed=1)
    assert "flag_harness.plugin.border.run_border" in next(iter(_called_hooks(pytester)))


@pytest.mark.parametrize("table", ["", '[tool.flag-harness.flags]\nstreaming = "ENABLE_STREAMING"\n'])
def test_a_cassette_that_is_requested_while_the_test_runs_is_checked(pytester: pytest.Pytester, table: str) -> None:
    """Nothing at collection says that the test uses the harness; a miss fails it all the same."""
    pytester.makepyprojecttoml(table)
    pytester.makepyfile(
        test_it=ASKING
        + "\ndef test_ask(request):\n    request.getfixturevalue('cassette')\n    ask(Path('t').read_text())\n"
    )
    (pytester.path / "t").write_text("Hello.", encoding="utf-8")
    record = pytester.runpytest_inprocess("--record-mode=once", "--harness-upstream=simulator")
    record.assert_outcomes(passed=1)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    (pytester.path / "t").write_text("Bye.", encoding="utf-8")
    missed = pytester.runpytest_inprocess()
    assert 1 == missed.parseoutcomes()["failed"]
    missed.stdout.fnmatch_lines(["*messages[[]0].content: recorded 'Hello.', sent 'Bye.'"])


def test_a_conftest_may_give_tests_the_cassette_after_collection(pytester: pytest.Pytester) -> None:
    """A hook that adds the fixture to the collected tests brings the checks."""
    pytester.makeconftest(
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        item.fixturenames.append('cassette')\n"
    )
    pytester.makepyfile(test_it=PLAIN)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*sent no request*"])
