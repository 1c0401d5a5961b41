"""The extras: what runs without them, and what is said where one is missing."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.errors import MissingExtraError, require_extra

LIBRARIES = ("httptools", "jinja2", "pytest_asyncio", "rich", "streamlit", "uvicorn", "yaml")
"""What only extras bring."""

WITHOUT = """
import sys

for name in [*sys.modules]:
    if name.partition(".")[0] in ("flag_harness", *{blocked}):
        del sys.modules[name]
sys.modules.update(dict.fromkeys({blocked}))
"""
"""Makes every import of these libraries fail as if they were not installed, also where they were imported before."""

SUITE = """
import anthropic
import pytest

def ask():
    message = {"role": "user", "content": "Which open lines are there?"}
    client = anthropic.Anthropic(max_retries=0)
    return client.messages.create(model="claude-sonnet-5-5", max_tokens=9, messages=[message]).content[0].text

@pytest.mark.scenario("notes")
def test_ask(cassette):
    assert "Two." == ask()
"""
ROOT = Path(__file__).parents[1]


def _run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest in a process in which no library of an extra can be imported."""
    pytester.makepyfile(without=WITHOUT.format(blocked=LIBRARIES))
    return pytester.runpytest_subprocess("-p", "without", "-p", "no:asyncio", *options)


def _suite(pytester: pytest.Pytester, text: str) -> None:
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    scenarios = pytester.mkdir("fixtures") / "scenarios"
    scenarios.mkdir()
    (scenarios / "notes.toml").write_text('[[turn]]\ntext = "Two."\n', encoding="utf-8")
    pytester.makepyfile(test_ask=text)


def test_a_suite_is_recorded_and_played_without_any_extra(pytester: pytest.Pytester) -> None:
    """The core is enough for `cassette`: the simulator is recorded in this process, without a server."""
    _suite(pytester, SUITE)
    _run(pytester, "--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=1)
    assert ["test_ask.json"] == [path.name for path in (pytester.path / "recordings").rglob("*.json")]
    _run(pytester).assert_outcomes(passed=1)


def test_a_server_without_its_extra_is_one_line(pytester: pytest.Pytester) -> None:
    """`cassette_server` says what to install, and no flag is blamed for it."""
    matrix = "import pytest\n@pytest.mark.flag_matrix('streaming')\ndef test_ask(cassette_server): pass\n"
    _suite(pytester, matrix)
    run = _run(pytester)
    run.assert_outcomes(errors=2)
    run.stdout.fnmatch_lines(["not blamed on flags: a library is not installed: test_ask.py::*"])
    run.stdout.no_fnmatch_line("always fails*")
    run.stdout.fnmatch_lines(["cassette_server: uvicorn is not installed: pip install 'flag-harness[[]serve]'"])


def test_a_suite_of_vcr_marks_without_its_extra_is_one_line(pytester: pytest.Pytester) -> None:
    """Before anything is collected."""
    pytester.makepyprojecttoml("[tool.flag-harness]\nvcr_marks = true\n")
    run = _run(pytester)
    assert 4 == run.ret
    run.stderr.fnmatch_lines(
        ["ERROR: [[]tool.flag-harness[]] vcr_marks: yaml is not installed: pip install 'flag-harness[[]vcr]'"]
    )


def test_a_report_without_its_extra_is_one_line(pytester: pytest.Pytester) -> None:
    """Before any test runs; a report in Markdown needs no extra."""
    _suite(pytester, SUITE)
    options = ("--disable-recording", "--harness-upstream=simulator")
    run = _run(pytester, *options, "--harness-report=out.html")
    assert 4 == run.ret
    run.stderr.fnmatch_lines(["ERROR: --harness-report: jinja2 is not installed: pip install 'flag-harness[[]report]'"])
    _run(pytester, *options, "--harness-report=out.md").assert_outcomes(passed=1)
    assert "No run failed: 1 of 1 passed" in (pytester.path / "out.md").read_text("utf-8")


def test_the_cases_without_their_extra_are_one_line(pytester: pytest.Pytester) -> None:
    """Before anything is collected."""
    run = _run(pytester, "--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), str(ROOT / "cases"))
    assert 4 == run.ret
    run.stderr.fnmatch_lines(["ERROR: the cases: pytest_asyncio is not installed: pip install 'flag-harness[[]agent]'"])


@pytest.mark.usefixtures("cold")
def test_the_cases_need_nothing_that_is_for_developers_only(pytester: pytest.Pytester) -> None:
    """The README's first command installs the extra `agent`, and collects below `tests` too."""
    developers = ("aiohttp", "brotli", "hypothesis", "trio", "uvloop", "vcr", "zstandard")
    blocked = [name for name in (*LIBRARIES, *developers) if name != "pytest_asyncio"]
    pytester.makepyfile(without=WITHOUT.format(blocked=blocked))
    plugins = (
        "-p",
        "without",
        "-p",
        "no:xdist",
        "-p",
        "no:hypothesispytest",
        "-p",
        "no:respx",
        "-p",
        "no:cacheprovider",
    )
    run = pytester.runpytest_subprocess(
        *plugins,
        "--rootdir",
        str(ROOT),
        "-c",
        str(ROOT / "pyproject.toml"),
        "--feature=all",
        "--collect-only",
        str(ROOT / "cases"),
        str(ROOT / "tests"),
    )
    assert 0 == run.ret
    run.stdout.fnmatch_lines(["*25 tests collected*"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["serve", "simulator", "--port", "0"], "uvicorn is not installed: pip install 'flag-harness[serve]'"),
        (["cassette", "show", "CASSETTE"], "rich is not installed: pip install 'flag-harness[report]'"),
        (["ui"], "streamlit is not installed: pip install 'flag-harness[ui]'"),
        (["report", "build", "-o", "x.html"], "jinja2 is not installed: pip install 'flag-harness[report]'"),
        (["cassette", "import", "x.yaml", "--to", "new"], "yaml is not installed: pip install 'flag-harness[vcr]'"),
        (
            ["cassette", "export", "CASSETTE", "--format", "vcrpy", "--to", "new"],
            "yaml is not installed: pip install 'flag-harness[vcr]'",
        ),
    ],
)
def test_a_command_without_its_extra_is_one_line(
    tmp_path: Path, arguments: list[str], expected: str, warm_run: Callable[..., Any]
) -> None:
    """And exits with 2."""
    (tmp_path / "x.yaml").write_text("interactions: []\nversion: 1\n", encoding="utf-8")
    cassette = str(ROOT / "recordings" / "matrix" / "off.json")
    script = f"{WITHOUT.format(blocked=LIBRARIES)}from flag_harness.cli import main\nsys.exit(main(sys.argv[1:]))"
    named = [cassette if one == "CASSETTE" else one for one in arguments]
    run = warm_run([sys.executable, "-c", script, *named], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (2, "", f"{expected}\n") == (run.returncode, run.stdout, run.stderr)


def test_another_error_of_an_import_stays_as_it_is() -> None:
    """Only a module that is not there is taken for a missing extra."""
    with pytest.raises(ImportError, match="cannot import name"), require_extra("vcr"):
        from json import nothing  # type: ignore[attr-defined]  # noqa: F401
    message = r"^nowhere is not installed: pip install 'flag-harness\[vcr\]'$"
    with pytest.raises(MissingExtraError, match=message), require_extra("vcr"):
        __import__("nowhere.inside")
