"""The command `flag-harness demo`, which tests a small agent under every combination of its flags."""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from flag_harness.analysis.blame import explain_failures
from flag_harness.cli.terminal import show_progress
from flag_harness.config import read_config
from flag_harness.errors import DemoError
from flag_harness.flag import Flag
from flag_harness.matrix import all_combinations, flag_space, parse_combination
from flag_harness.record import RunRow, load_record

_EXAMPLES = """examples:
  flag-harness demo
  flag-harness demo --keep shop      # then edit shop/agent.py, and run pytest there

Without --keep, the project is written to a new temporary folder, and stays there.

Exit code: 0, or 2 if the demo cannot run here."""

PROJECT_FILES = ("pyproject.toml", "agent.py", "test_agent.py", "fixtures/scenarios/support.toml")
RECORD_FILE = "run.jsonl"
BUGGY_LINE = 'if message["role"] == "user":'
FIXED_LINE = "if message is messages[-1]:"
"""The line of `agent.py` after the correction: only the last turn gets a cache mark, not every turn of the user."""

_COMPLETE_PAIRS_PATTERN = re.compile(r" \((\d+) of \1 pairs\)$")
_API_MESSAGE_PATTERN = re.compile(r"'message': '(.+?)'[,}]")
_REMOVED_ENVIRONMENT_PREFIXES = ("PYTEST_", "ANTHROPIC_")
"""The prefixes of variables that are not passed to the run, such as the options of a pytest around it, a key or an
address.
"""
_ANSI_CODE_BY_STYLE = {"bold": 1, "red": 31, "green": 32}


def add_demo_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `demo` to the parser."""
    parser = subparsers.add_parser(
        "demo",
        help="test a small agent under 16 combinations of flags, and see which flags broke it",
        description="Test a small agent that has four flags and a bug, offline, and see which flags broke it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--keep", metavar="DIR", type=Path, help="write the project to DIR, which must be new or empty")
    parser.set_defaults(run=_run_demo)


def _run_demo(arguments: argparse.Namespace) -> int:
    if find_spec("anthropic") is None:
        raise DemoError("the agent of the demo needs the SDK, which is not installed: pip install anthropic")
    project = _create_project(arguments.keep)
    _print_lines(["Testing a small support agent under all 16 combinations of its four flags (no key, no network) ..."])
    _print_lines(_report_lines(project, _run_tests(project)))
    return 0


def _create_project(keep: Path | None) -> Path:
    """Copy the project to `keep`, or to a new temporary folder. Raise `DemoError` if that fails."""
    try:
        if keep and keep.is_dir() and any(keep.iterdir()):
            raise DemoError(f"{keep} is not empty; name a folder that is: flag-harness demo --keep {keep}-demo")
        folder = keep or Path(tempfile.mkdtemp(prefix="flag-harness-demo-"))
        for name in PROJECT_FILES:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(files("flag_harness.demo").joinpath("project", name).read_bytes())
    except OSError as error:
        raise DemoError(
            f"the project of the demo cannot be written: {error}; name another folder: flag-harness demo --keep DIR"
        ) from None
    return folder


def _run_tests(project: Path) -> str:
    """Run the tests of the project, without other plugins, and return what pytest printed."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_REMOVED_ENVIRONMENT_PREFIXES)
    }
    environ = {**inherited, "PYTHONIOENCODING": "utf-8"}
    others = sorted({entry.name for entry in entry_points(group="pytest11")} - {"flag_harness"})
    options = [*(f"-pno:{name}" for name in others), "--color=no", f"--harness-record={RECORD_FILE}"]
    with show_progress("running the test 16 times"):
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *options],
            cwd=project,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if run.returncode != 1:
        raise DemoError(
            f"{run.stdout}\nthe tests of the demo should end with exit code 1, and ended with {run.returncode}; to run "
            f"them again: cd {shlex.quote(str(project))} && {_console_command('pytest')}"
        )
    return run.stdout


def _report_lines(project: Path, output: str) -> Iterator[str]:
    flags, rows = read_config(project / "pyproject.toml").flags, load_record(project / RECORD_FILE).rows
    smallest = min((row for row in rows if row.outcome == "failed"), key=lambda row: row.combination.count("+"))
    yield ""
    yield from _outcome_grid_lines(flags, rows)
    yield ""
    yield _add_color("What each flag changes in the requests (pytest prints more)", "bold")
    yield from _effect_lines(output)
    yield ""
    yield _add_color("Which flags broke it", "bold")
    yield f"  {_add_color(_describe_cause_of_failures(flags, rows), 'red')}"
    yield f"  400: {_api_error_message(smallest)}"
    yield ""
    yield _add_color("The smallest failing run", "bold")
    yield f"  cd {shlex.quote(str(project))}"
    yield f"  {_console_command('pytest')} {shlex.quote(smallest.case)}"
    yield ""
    yield from _next_step_lines(project)


def _outcome_grid_lines(flags: Sequence[Flag], rows: Sequence[RunRow]) -> Iterator[str]:
    """Yield the lines of a table of the outcomes. The first two flags are in its rows, the others in its columns."""
    outcomes = {row.combination: row.outcome for row in rows}
    down, across = ([one.id for one in all_combinations(half)] for half in (flags[:2], flags[2:]))
    first = max(map(len, down))
    widths = [max(len(name), len("passed")) for name in across]
    yield f"  {'':<{first}}  {'  '.join(map(str.ljust, across, widths))}".rstrip()
    for name in down:
        cells = [outcomes[_join_combination_ids(name, other)] for other in across]
        padded = [
            _add_color(cell, "red" if cell == "failed" else "green") + " " * (width - len(cell))
            for cell, width in zip(cells, widths, strict=True)
        ]
        yield f"  {name:<{first}}  {'  '.join(padded)}".rstrip()


def _join_combination_ids(first: str, second: str) -> str:
    return "+".join(one for one in (first, second) if one != "off") or "off"


def _effect_lines(output: str) -> Iterator[str]:
    """Yield a line for each flag with the first change of requests that pytest's output ascribes to it in all runs."""
    effects: dict[str, str] = {}
    flag = ""
    for line in _find_output_section(output, "what each flag changes"):
        name, _, effect = line.partition("  ")
        flag = name or flag
        if _COMPLETE_PAIRS_PATTERN.search(effect):
            effects.setdefault(flag, _COMPLETE_PAIRS_PATTERN.sub("", effect).strip())
    width = max(map(len, effects), default=0)
    yield from (f"  {name:<{width}}  {effect}" for name, effect in effects.items())


def _find_output_section(output: str, title: str) -> list[str]:
    """Return the lines of one section of pytest's output."""
    _, _, rest = output.partition(f" {title} -")
    lines = rest.splitlines()[1:]
    end = next((index for index, line in enumerate(lines) if line.startswith(("--", "=="))), len(lines))
    return lines[:end]


def _describe_cause_of_failures(flags: Sequence[Flag], rows: Sequence[RunRow]) -> str:
    combinations = [(parse_combination(flags, row.combination), row.outcome == "passed") for row in rows]
    return str(explain_failures(flag_space(tuple(flags)), [(one.row, passed) for one, passed in combinations if one]))


def _api_error_message(row: RunRow) -> str:
    """Return the API's message inside the SDK's error, or the whole error if it has another form."""
    message = _API_MESSAGE_PATTERN.search(row.reason)
    return message[1] if message else row.reason


def _next_step_lines(project: Path) -> Iterator[str]:
    """Yield lines that say what the user can do next."""
    lines = (project / "agent.py").read_text(encoding="utf-8").splitlines()
    number = next(index for index, line in enumerate(lines, start=1) if BUGGY_LINE in line)
    yield _add_color("Next", "bold")
    pytest = _console_command("pytest")
    yield f"  1. Fix the bug: in agent.py, line {number}, write `{FIXED_LINE}`, and run `{pytest}` again."
    yield '  2. Test your own agent: "Ten minutes to your own suite" in the README.'
    report = f"{_console_command('flag-harness')} report"
    yield f"  3. Look at the record of this run: `{report} metrics {RECORD_FILE}` says what each flag costs, and"
    extra = "" if find_spec("jinja2") else " (it needs jinja2: pip install 'flag-harness[report]')"
    yield f"     `{report} build {RECORD_FILE} -o report.html` writes a page{extra}."


def _console_command(name: str) -> str:
    """Return the shell command for a console script: its name if the shell finds it, else `python -m ...`."""
    found = which(name)
    if found and Path(found).parent == Path(sys.executable).parent:
        return name
    modules = {"pytest": "pytest", "flag-harness": "flag_harness.cli"}
    return f"{shlex.quote(sys.executable)} -m {modules[name]}"


def _add_color(text: str, style: str) -> str:
    """Return the text in a colour if the output is a terminal, unless NO_COLOR is set."""
    is_plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    return text if is_plain else f"\033[{_ANSI_CODE_BY_STYLE[style]}m{text}\033[0m"


def _print_lines(lines: Iterable[str]) -> None:
    """Print and flush lines. Print a question mark for each character that the output cannot encode."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "replace").decode(encoding), flush=True)
