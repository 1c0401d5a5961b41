"""What a record says for the gate: the hashes of declared files, what was imported, and how pytest ended."""

import hashlib
import signal
from pathlib import Path

import pytest

from flag_harness.record import GateFiles, RunHeader, find_record_problem, load_record

GATE = """
[tool.pytest.ini_options]
pythonpath = ["test"]
[tool.flag-harness.gate]
files = ["*.py", "prompts/*.md"]
test = "test"
policy = { tests = ["*"] }
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Return a project with a gate, whose test imports one of two modules in TEST."""
    monkeypatch.delenv("TEST_ENV", raising=False)
    pytester.makepyprojecttoml(GATE)
    for path, text in {"agent.py": "X = 1\n", "other.py": "", "prompts/support.md": "one", "data.txt": ""}.items():
        (pytester.path / "test" / path).parent.mkdir(parents=True, exist_ok=True)
        (pytester.path / "test" / path).write_text(text, encoding="utf-8")
    pytester.makepyfile(test_it="def test_a():\n    import agent\n")
    return pytester


def _header(suite: pytest.Pytester, *options: str) -> RunHeader:
    suite.runpytest_subprocess("--harness-record=run.jsonl", *options)
    return load_record(suite.path / "run.jsonl").header


def _tested(header: RunHeader) -> GateFiles:
    assert header.gate_files
    return header.gate_files


@pytest.mark.parametrize("options", [[], ["-n2"]])
def test_declared_files_are_hashed_whoever_reads_them(suite: pytest.Pytester, options: list[str]) -> None:
    """Prompts too, though no module is behind them; the imports of workers are collected."""
    header = _header(suite, *options)
    tested = _tested(header)
    assert ["agent.py", "other.py", "prompts/support.md"] == sorted(tested.digest_by_path)
    assert hashlib.sha256(b"one").hexdigest() == tested.digest_by_path["prompts/support.md"]
    assert (("agent.py",), ()) == (tested.imported_paths, tested.changed_paths)
    assert 0 == header.exit_status
    assert "" == find_record_problem((suite.path / "run.jsonl").read_bytes())


def test_a_file_that_changes_during_the_run_is_named(suite: pytest.Pytester) -> None:
    """Changed, added or removed."""
    suite.makepyfile(
        test_it="""
        from pathlib import Path

        def test_a():
            folder = Path("test")
            (folder / "prompts" / "support.md").write_text("two")
            (folder / "new.py").write_text("")
            (folder / "other.py").unlink()
        """
    )
    assert ("new.py", "other.py", "prompts/support.md") == _tested(_header(suite)).changed_paths


def test_the_variable_names_a_folder_outside_of_the_project(
    suite: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TEST_ENV comes before the setting."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "agent.py").write_text("X = 2\n", encoding="utf-8")
    monkeypatch.setenv("TEST_ENV", str(elsewhere))
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    suite.makepyprojecttoml(GATE.replace('pythonpath = ["test"]', ""))
    tested = _tested(_header(suite))
    assert ({"agent.py": hashlib.sha256(b"X = 2\n").hexdigest()}, ("agent.py",)) == (
        tested.digest_by_path,
        tested.imported_paths,
    )


def test_a_module_from_another_folder_does_not_count_as_imported(suite: pytest.Pytester) -> None:
    """PROD's own copy, for example: the record names it among the project's files."""
    (suite.path / "prod").mkdir()
    (suite.path / "prod" / "agent.py").write_text("X = 1\n", encoding="utf-8")
    suite.makepyprojecttoml(GATE.replace('pythonpath = ["test"]', 'pythonpath = ["prod"]'))
    header = _header(suite)
    assert () == _tested(header).imported_paths
    assert "prod/agent.py" in header.digest_by_file


def test_a_project_without_a_gate_has_no_hashes(suite: pytest.Pytester) -> None:
    """Nor has a run in a folder that only holds tests."""
    suite.makepyprojecttoml("[tool.pytest.ini_options]\npythonpath = ['test']\n")
    assert None is _header(suite).gate_files


def test_a_mistake_in_the_gate_stops_a_run_that_writes_evidence(suite: pytest.Pytester) -> None:
    """In one line, before the tests; other runs do not read the table."""
    suite.makepyprojecttoml(GATE.replace("policy", "polcy"))
    run = suite.runpytest_subprocess("--harness-record=run.jsonl")
    run.stderr.fnmatch_lines(
        ["ERROR: *pyproject.toml:*: [[]tool.flag-harness.gate[]] has no key 'polcy'; the nearest is*"]
    )
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    assert not (suite.path / "run.jsonl").exists()
    suite.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("test", "status"),
    [
        ("def test_a(): assert False", 1),
        ("def test_a(): raise KeyboardInterrupt", 2),
        ("def helper(): pass", 5),
        ("import no_such_module", 2),
    ],
)
def test_the_record_says_how_pytest_ended(suite: pytest.Pytester, test: str, status: int) -> None:
    """Failures of tests without a cassette leave no row, but they show here."""
    suite.makepyfile(test_it=test)
    assert status == _header(suite).exit_status


def test_failures_that_plugins_find_at_the_end_show_too(suite: pytest.Pytester) -> None:
    """The record is written after every plugin has had its say on the exit status."""
    suite.makeconftest(
        """
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_sessionfinish(session):
            session.exitstatus = 1
        """
    )
    assert 1 == _header(suite).exit_status


def test_a_killed_run_leaves_a_record_that_says_so(suite: pytest.Pytester) -> None:
    """It has neither a digest nor an exit status."""
    suite.makepyfile(test_it=f"import os\ndef test_a(): os.kill(os.getpid(), {int(signal.SIGKILL)})")
    assert -1 == _header(suite).exit_status
    assert "it has no digest" in find_record_problem(Path(suite.path / "run.jsonl").read_bytes())


WHOLE: dict[str, object] = {"left_out_by": "", "ignored_paths": (), "selected_tests": (), "deselected": ()}


@pytest.mark.parametrize(
    ("where", "options", "changes"),
    [
        ("line", "test_it.py::test_a test_it.py --color=no", {"selected_tests": ("test_it.py::test_a", "test_it.py")}),
        ("line", "-o python_functions=test_a", {"left_out_by": "-o python_functions=test_a"}),
        ("line", "-o xfail_strict=true -c tox.ini -p removes", {"deselected": ("test_it.py::test_b",)}),
        (
            "addopts",
            "-k test_a . --ignore=sub --ignore=no",
            {"ignored_paths": ("sub",), "deselected": ("test_it.py::test_b", "test_it.py::test_plain")},
        ),
        (
            "addopts",
            "-m harness_no_request --deselect=test_it.py::test_b --stepwise",
            {"left_out_by": "--stepwise", "deselected": ("test_it.py::test_b", "test_it.py::test_plain")},
        ),
        ("variable", "--ignore-glob=*/x --ignore-glob=*/y", {"left_out_by": "--ignore-glob=*/x,*/y"}),
    ],
)
def test_the_record_says_which_tests_the_options_left_out(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, where: str, options: str, changes: dict[str, object]
) -> None:
    """Wherever they were set, and whether or not a plugin says so. Paths and node ids are relative to the root."""
    added = options if where == "addopts" else ""
    monkeypatch.setenv("PYTEST_ADDOPTS", options if where == "variable" else "")
    pytester.makepyprojecttoml(
        f"[tool.flag-harness]\n[tool.pytest.ini_options]\ntestpaths = ['.']\naddopts = '{added}'\n"
    )
    pytester.makefile(".ini", tox="[pytest]\ntestpaths = .\n")
    pytester.makepyfile(removes="def pytest_collection_modifyitems(items): items[:] = [items[0], items[2]]")
    mark = "@pytest.mark.harness_no_request\n@pytest.mark.flags()\n"
    tests = "".join(f"{mark}def test_{name}(cassette): pass\n" for name in "ab")
    pytester.makepyfile(test_it=f"import pytest\n{tests}def test_plain(): pass\n")
    pytester.mkdir("sub")
    pytester.syspathinsert()
    pytester.runpytest_inprocess(*(options.split() if where == "line" else ()), "--harness-record=run.jsonl", "-q")
    header = load_record(pytester.path / "run.jsonl").header
    assert {**WHOLE, **changes} == {name: getattr(header, name) for name in WHOLE}


def test_settings_from_outside_of_the_project_may_leave_out_tests(
    pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nobody who reviews the project sees them."""
    other = tmp_path_factory.mktemp("elsewhere") / "pytest.ini"
    other.write_text("[pytest]\npython_functions = test_a\n", encoding="utf-8")
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile("def test_a(): pass")
    pytester.runpytest_inprocess("-c", str(other), "--rootdir=.", "--harness-record=run.jsonl", "-q")
    assert f"-c {other}" == load_record(pytester.path / "run.jsonl").header.left_out_by


def test_a_run_that_stopped_at_a_failure_has_failed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `-x`, what comes after the failure does not run, but the exit status tells the gate.

    A module that skips itself is named, too.
    """
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    skipping = 'import pytest\npytest.importorskip("no_such_module")\ndef test_c(): pass'
    pytester.makepyfile(test_it="def test_a(): assert False\ndef test_b(): pass", test_gone=skipping)
    pytester.runpytest_inprocess("--harness-record=run.jsonl", "-q")
    header = load_record(pytester.path / "run.jsonl").header
    assert (1, ("test_gone.py",)) == (header.exit_status, header.ignored_paths)


@pytest.mark.parametrize("options", [[], ["-n2"]])
def test_the_record_says_which_prompts_the_tests_opened(suite: pytest.Pytester, options: list[str]) -> None:
    """In TEST, and in PROD, whoever opened them; the hashing of the files does not count."""
    gate = GATE.replace('test = "test"', 'test = "test"\nprod = "prod"')
    suite.makepyprojecttoml(gate)
    for path in ("test/prompts/other.md", "prod/prompts/support.md", "test/prompts/unread.md"):
        (suite.path / path).parent.mkdir(parents=True, exist_ok=True)
        (suite.path / path).write_text("x", encoding="utf-8")
    suite.makepyfile(
        test_it="""
        import os
        from pathlib import Path

        def test_a():
            Path("prod/prompts/support.md").read_text()
            os.close(os.open(b"test/prompts/other.md", os.O_RDONLY))
        """
    )
    tested = _tested(_header(suite, *options))
    assert (("prompts/other.md",), ("prompts/support.md",)) == (tested.opened_paths, tested.paths_opened_in_prod)
