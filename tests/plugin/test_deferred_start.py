"""A project without settings and options of the harness: the plugin waits for a test that uses it."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.plugin.mark_descriptions import MARK_DESCRIPTIONS
from flag_harness.plugin.start.deferred_start import DEFERRED_START_NAME, FIXTURE_NAMES
from flag_harness.plugin.start.first_look import may_use_harness

HEAD = "import os, unittest\nimport pytest\n\n"
FUNCTION = "\ndef test_it():\n    assert os.environ['ENABLE_STREAMING']\n"
STARTED = {
    "flag_harness",
    "flag_harness.fault_arguments",
    "flag_harness.plugin",
    "flag_harness.plugin.check_hooks",
    "flag_harness.plugin.mark_descriptions",
    "flag_harness.plugin.modes",
    "flag_harness.plugin.test",
    "flag_harness.plugin.test.fixtures",
}
"""The modules that a run imports if it does not use the harness, besides those of `options/` and `start/`."""


@pytest.mark.parametrize("arguments", [[], ["-k", "test"], ["-n1"]])
def test_a_run_without_the_harness_imports_little(pytester: pytest.Pytester, arguments: list[str]) -> None:
    """No library is imported, and of the harness only what adds the options and looks at the tests."""
    pytester.makepyfile(
        """
        import sys

        def test_it():
            print(*(name for name in sys.modules if name.partition(".")[0] in
                    ("flag_harness", "anthropic", "pydantic", "msgspec", "httpx2", "tomllib")), file=open("out", "w"))
        """
    )
    command = (sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", "-p", "no:respx", "-p", "no:platformdirs")
    pytester.run(*command, *arguments).assert_outcomes(passed=1)
    found = {*(pytester.path / "out").read_text().split()}
    rooms = ("flag_harness.plugin.options", "flag_harness.plugin.start")
    assert STARTED == {name for name in found if not name.startswith(rooms)}
    assert "flag_harness.plugin.start.configure" not in found


@pytest.mark.parametrize(
    "source",
    [
        "@pytest.mark.flags(streaming=True)" + FUNCTION,
        "@pytest.mark.flags(streaming=True)\nclass TestIt:\n    def test_it(self):\n"
        "        assert os.environ['ENABLE_STREAMING']\n",
        "@pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.flags(streaming=True))])"
        + FUNCTION.replace("()", "(x)"),
        "class TestIt(unittest.TestCase):\n    @pytest.mark.flags(streaming=True)\n    def test_it(self):\n"
        "        assert os.environ['ENABLE_STREAMING']\n",
        FUNCTION + "\npytestmark = pytest.mark.flags(streaming=True)\n",
    ],
    ids=["function", "class", "parameter", "unittest", "module"],
)
def test_a_mark_configures_it(pytester: pytest.Pytester, source: str) -> None:
    """Wherever the mark stands, its test runs under its flags."""
    pytester.makepyfile(test_a="def test_plain():\n    pass\n", test_b=HEAD + source)
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_first_test_is_repeated_and_has_no_secret_in_its_id(pytester: pytest.Pytester) -> None:
    """Although the hooks that do this were registered while it was collected."""
    key = "sk-ant-api03-" + "a1B2" * 20
    pytester.makepyfile(
        HEAD
        + f"@pytest.mark.flag_matrix('streaming')\n@pytest.mark.harness_repeat(2)\n@pytest.mark.parametrize('key', "
        f"['{key}'])\ndef test_it(cassette, key):\n    pass\n"
    )
    run = pytester.runpytest("--collect-only", "-q", "-p", "no:cacheprovider")
    run.stdout.fnmatch_lines(["*test_it[[]*off*-repeat2]", "*test_it[[]*streaming*-repeat2]", "4 tests collected*"])
    run.stdout.no_fnmatch_line(f"*{key}*")


def test_the_marks_of_a_parameter_hide_nothing_less(pytester: pytest.Pytester) -> None:
    """A test may use a cassette through a mark of one parameter alone."""
    key = "sk-ant-api03-" + "a1B2" * 20
    mark = "pytest.mark.harness_filters(patterns=['corp-[0-9]+'])"
    pytester.makepyfile(
        HEAD + f"@pytest.mark.parametrize('key', [pytest.param('{key}', marks={mark})])\ndef test_it(key): pass\n"
    )
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["cassette", "flags", "harness_cassette_path", "harness_scenarios"])
def test_a_fixture_that_a_running_test_asks_for_configures_it(pytester: pytest.Pytester, name: str) -> None:
    """The tests of the run count as collected by then."""
    pytester.makepyfile(
        f"""
        from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY

        def test_a(request):
            request.node.add_marker("harness_no_request")
            assert request.getfixturevalue({name!r}) is not None
            assert {{"test_it.py"}} == request.config.stash[CASSETTE_USE_TRACKER_KEY]._files

        def test_b(request):
            request.node.add_marker("harness_no_request")
            request.getfixturevalue({name!r})
        """
    )
    pytester.makepyfile(test_it=(pytester.path / f"{sys._getframe().f_code.co_name}.py").read_text())
    pytester.runpytest("-p", "no:cacheprovider", "test_it.py").assert_outcomes(passed=2)


def test_a_module_that_failed_before_it_was_configured_is_remembered(pytester: pytest.Pytester) -> None:
    """The run does not say that the cassettes of such a module belong to no test."""
    pytester.makepyfile(
        test_a="1 / 0", test_b="import pytest\n\n@pytest.mark.harness_no_request\ndef test_b(cassette): pass\n"
    )
    orphan = pytester.mkdir("recordings") / "test_a" / "test_a.json"
    orphan.parent.mkdir()
    orphan.write_text("{}")
    run = pytester.runpytest("--continue-on-collection-errors", "-p", "no:cacheprovider")
    run.assert_outcomes(passed=1, errors=1)
    run.stdout.no_fnmatch_line("*belong*to no test*")


def test_it_stays_unconfigured_while_tests_run(pytester: pytest.Pytester) -> None:
    """No hook of it is left for them."""
    pytester.makepyfile(
        f"""
        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin({DEFERRED_START_NAME!r})
            for name in ("setup", "call", "teardown", "makereport", "protocol", "logreport"):
                hook = getattr(pytestconfig.hook, f"pytest_runtest_{{name}}")
                assert not [one for one in hook.get_hookimpls() if "flag_harness" in one.function.__module__]
        """
    )
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_every_fixture_is_known(pytester: pytest.Pytester) -> None:
    """A test that uses one must have it configured."""
    lines = pytester.runpytest("--fixtures", "-q").outlines
    own = {line.partition(" ")[0] for line in lines if "flag_harness/plugin/" in line}
    assert FIXTURE_NAMES == own


def test_marks_and_options_are_shown(pytester: pytest.Pytester) -> None:
    """Though nothing uses them yet."""
    shown = pytester.runpytest("--markers").stdout.str()
    assert all(f"@pytest.mark.{mark.partition(':')[0]}" in shown for mark in MARK_DESCRIPTIONS)
    pytester.runpytest("--help").stdout.fnmatch_lines(["*--record-mode*", "*--harness-sweep*", "*--harness-verify*"])


@pytest.mark.parametrize(
    ("file", "text", "is_used"),
    [
        ("pyproject.toml", '[tool."Flag_Harness"]\n', True),
        ("pyproject.toml", "[tool.harness]\n", True),
        ("pyproject.toml", "[tool.test-harness]\n", False),
        ("setup.cfg", "[tool:pytest]\nflag_harness =\n", True),
        ("tox.ini", "[pytest]\n", False),
    ],
)
def test_a_file_that_mentions_it_is_read(pytester: pytest.Pytester, file: str, text: str, *, is_used: bool) -> None:
    """Even under a wrong name, which reading it reports."""
    (pytester.path / file).write_text(text)
    config = pytester.parseconfig()
    assert is_used == may_use_harness(config)


@pytest.mark.parametrize(
    ("arguments", "is_used"),
    [
        (["--harness-max-cost=0"], True),
        (["--harness-upstream=simulator"], True),
        (["--harness-upstream=live", "--harness-seed=0"], False),
        (["--record-mode=none"], True),
        (["-k", "a=b"], True),
        (["-k", "a", "-x"], False),
    ],
)
def test_an_option_configures_it(pytester: pytest.Pytester, arguments: list[str], *, is_used: bool) -> None:
    """If its value is not the default."""
    assert is_used == may_use_harness(pytester.parseconfig(*arguments))


def test_a_settings_file_that_cannot_be_read_configures_it(pytester: pytest.Pytester) -> None:
    """Reading the settings then says why."""
    config: Any = SimpleNamespace(stash=pytest.Stash(), rootpath=pytester.path)
    (pytester.path / "pyproject.toml").mkdir()
    assert may_use_harness(config)


def test_the_marks_of_the_first_test_are_checked(pytester: pytest.Pytester) -> None:
    """When it is collected, as those of the tests that follow."""
    pytester.makepyfile(HEAD + "@pytest.mark.faults('overlodaed')\ndef test_it(cassette):\n    pass\n")
    run = pytester.runpytest("-p", "no:cacheprovider", "--collect-only")
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(["*test_it: @pytest.mark.faults: *overloaded*"])
