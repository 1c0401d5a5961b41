"""Fixtures of other plugins with the harness's names: reported at collection, with the fixture to write instead."""

import pytest

OTHER = "import pytest\n@pytest.fixture\ndef cassette(): return 'theirs'\n"
MARKED = "import pytest\n@pytest.mark.flags(streaming=True)\ndef test_it(cassette): assert cassette\n"
PLAIN = "def test_it(cassette): assert cassette == 'theirs'\n"
INSTEAD = "write harness_cassette instead of cassette"


def _run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)


@pytest.mark.parametrize(
    ("module", "options"), [("conftest", ()), ("other_plugin", ("-p", "other_plugin"))], ids=["wins", "loses"]
)
def test_a_conflicting_fixture_of_a_marked_test_stops_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, module: str, options: tuple[str, ...]
) -> None:
    """Whichever of the two the test would get, both are named."""
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    pytester.makepyfile(**{module: OTHER, "test_it": MARKED})
    run = _run(pytester, *options)
    assert pytest.ExitCode.INTERRUPTED == run.ret
    run.stdout.fnmatch_lines(["*test_it.py::test_it gets the fixture 'cassette' of *", f"*{INSTEAD}*"])
    assert module in run.stdout.str()
    assert "flag_harness" in run.stdout.str()


def test_a_conflicting_fixture_in_a_project_with_a_configuration_stops_the_run(pytester: pytest.Pytester) -> None:
    """An unmarked test that means the harness would send its requests to the live API."""
    pytester.makepyprojecttoml("[tool.flag-harness]\nmodel = 'claude-haiku-4-5'\n")
    pytester.makepyfile(conftest=OTHER, test_it=PLAIN)
    run = _run(pytester)
    assert pytest.ExitCode.INTERRUPTED == run.ret
    run.stdout.fnmatch_lines([f"*{INSTEAD}*"])


def test_a_conflicting_fixture_elsewhere_is_only_named(pytester: pytest.Pytester) -> None:
    """A test that shows no sign of the harness may mean the other plugin."""
    pytester.makepyfile(conftest=OTHER, test_it=PLAIN)
    run = _run(pytester)
    run.assert_outcomes(passed=1)
    run.stdout.fnmatch_lines(["flag harness: test_it.py::test_it gets the fixture 'cassette' of conftest*"])


def test_a_fixture_that_builds_on_the_harness_is_no_conflict(pytester: pytest.Pytester) -> None:
    """An override may take the fixture that it replaces."""
    override = "import pytest\n@pytest.fixture\ndef cassette(cassette): return cassette\n"
    marked = MARKED.replace("@pytest.mark.flags", "@pytest.mark.harness_no_request\n@pytest.mark.flags")
    pytester.makepyfile(conftest=override, test_it=marked)
    _run(pytester).assert_outcomes(passed=1)


def test_a_fixture_that_names_that_of_the_harness_ends_the_conflict(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it does not matter which plugins are installed."""
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    override = "import pytest\n@pytest.fixture\ndef cassette(harness_cassette): return harness_cassette\n"
    marked = MARKED.replace("@pytest.mark.flags", "@pytest.mark.harness_no_request\n@pytest.mark.flags")
    pytester.makepyfile(conftest=override, other_plugin=OTHER, test_it=marked)
    _run(pytester, "-p", "other_plugin").assert_outcomes(passed=1)


def test_a_fixture_that_stops_the_run_is_not_named_twice(pytester: pytest.Pytester) -> None:
    """A marked test and an unmarked one get the same foreign fixture."""
    pytester.makepyfile(conftest=OTHER, test_it=MARKED, test_other=PLAIN)
    run = _run(pytester)
    assert pytest.ExitCode.INTERRUPTED == run.ret
    assert 1 == run.stdout.str().count(INSTEAD)


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_fixture_that_sets_no_declared_flag_is_named(pytester: pytest.Pytester, is_declared: bool) -> None:
    """Whoever writes `harness_set_flags` and forgets to declare its flags is told what to write."""
    source = 'set = "harness_set_flags"' if is_declared else 'env = "PLANNER"'
    pytester.makepyprojecttoml(f"[tool.flag-harness.flags]\nplanner = {{ {source} }}\n")
    override = "import pytest\n@pytest.fixture\ndef harness_set_flags(): return lambda combination: None\n"
    pytester.makepyfile(conftest=override, test_it="def test_it(): pass\n")
    run = _run(pytester)
    run.assert_outcomes(passed=1)
    line = "flag harness: the fixture harness_set_flags of conftest, * is never used*declare those that*"
    (run.stdout.no_fnmatch_line if is_declared else lambda one: run.stdout.fnmatch_lines([one]))(line)


def test_a_misspelled_mark_is_named(pytester: pytest.Pytester) -> None:
    """If it is registered, or the test does not use the harness, it is somebody's own."""
    pytester.makepyprojecttoml("[tool.flag-harness]\n[tool.pytest]\nmarkers = ['flag: ours']\n")
    test = "import pytest\n@pytest.mark.{}\n@pytest.mark.harness_no_request\ndef test_it({}): pass\n"
    pytester.makepyfile(
        test_a=test.format("scenrio('refund')", "cassette"),
        test_b=test.format("flag", "cassette"),
        test_c="import pytest\n@pytest.mark.fault\ndef test_it(): pass\n",
    )
    ignore = "-Wignore::pytest.PytestUnknownMarkWarning"
    run = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio", ignore)
    lines = [line for line in run.stdout.lines if "which does nothing" in line]
    assert [
        "flag harness: test_a.py::test_it has the mark 'scenrio', which does nothing; the nearest is 'scenario': "
        "write @pytest.mark.scenario, or register 'scenrio' under `markers` if it is yours"
    ] == lines


@pytest.mark.parametrize(
    ("root", "package", "command"),
    [
        ("[tool.ruff]\n", '[tool.flag-harness.flags]\nfast = "FAST"\n', "packages/triage"),
        (
            '[tool.pytest.ini_options]\naddopts = ""\n',
            '[tool.flag-harness.flags]\nfast = "FAST"\n',
            "--rootdir=packages/triage packages/triage",
        ),
        ("[tool.flag-harness]\n", '[tool.flag-harness.flags]\nfast = "FAST"\n', ""),
        ("[tool.ruff]\n", "[tool", ""),
    ],
    ids=[
        "a package is configured",
        "pytest is configured at the root",
        "the root is configured",
        "the package's file is invalid",
    ],
)
def test_a_package_that_has_the_settings_is_named_if_pytest_runs_above_it(
    pytester: pytest.Pytester, root: str, package: str, command: str
) -> None:
    """Its tests would run under flags that it does not have."""
    pytester.makepyprojecttoml(root)
    tests = pytester.path / "packages" / "triage" / "tests"
    tests.mkdir(parents=True)
    (tests.parent / "pyproject.toml").write_text(package)
    (tests / "test_agent.py").write_text("def test_agent(flags):\n    pass\n")
    run = pytester.runpytest_inprocess("-p", "no:asyncio", f"--rootdir={pytester.path}")
    line = f"*packages/triage/pyproject.toml has [[]tool.flag-harness] and the root has none: run pytest {command}"
    if command:
        assert pytest.ExitCode.USAGE_ERROR == run.ret
        run.stderr.fnmatch_lines([line])
    else:
        run.assert_outcomes(passed=1)
