"""The command `flag-harness init`."""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flag_harness.cli.init.example import EXAMPLE_AGENT
from flag_harness.cli.init.plan import ANSWER, PROMPT, Plan, conflicting_files, make_plan
from flag_harness.cli.init.repository import Repository, read_repository
from flag_harness.config import find_root, read_config
from flag_harness.errors import InitError
from flag_harness.files import write_atomically

_EXAMPLES = """examples:
  flag-harness init --dry-run
  flag-harness init
  flag-harness init --example      # in an empty folder

It reads code and runs none of it, until it runs the test that it wrote. No existing file is overwritten; the table
[tool.flag-harness] is added to the end of pyproject.toml. If that table exists, nothing is written.

Exit code: 0; 1 if the first test fails; 2 if a file cannot be written, or a package in a folder has its own
pyproject.toml."""
_EXAMPLE_FILE = "agent.py"
_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_WEAK_ANSWERS = tuple(f"assert '{text}' in " for text in (ANSWER, PROMPT))
"""What pytest prints if the agent returns or sends something else than the first test expects."""


def add_init_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `init` to the parser."""
    parser = subparsers.add_parser(
        "init",
        help="set up this repository: declare the flags that its code reads, write a first test and run it",
        description="Find the flags and the agent of this repository, declare the flags, write a test and run it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--dry-run", action="store_true", help="print what would be written, and write nothing")
    choice.add_argument("--example", action="store_true", help="write a small agent with two flags first: agent.py")
    parser.set_defaults(run=_run_init)


def _run_init(arguments: argparse.Namespace) -> int:
    root = find_root().absolute()
    if arguments.example:
        _write_example(root)
    repository = read_repository(root)
    if repository.root != Path.cwd():
        _print_lines(
            [f"The project is {repository.root}, where pytest looks for its settings; run the commands there.", ""]
        )
    _print_lines(_repository_lines(repository))
    if repository.settings is not None:
        read_config(repository.root / "pyproject.toml")  # raises if a setting is invalid
        _print_lines(_already_configured_lines(repository, *repository.settings))
        return 0
    _refuse_flags_of_packages(repository)
    if not repository.flags and not repository.agents and not repository.vcr:
        _print_lines(["Nothing was written.", *_missing_agent_lines(root)])
        return 0
    return _apply_plan(make_plan(repository), root, is_dry_run=arguments.dry_run)


def _refuse_flags_of_packages(repository: Repository) -> None:
    """Raise `InitError` if the agent, or without one all flags, are in folders that have their own pyproject.toml."""
    paths = [one.path for one in repository.agents[:1]] or [flag.place.rpartition(":")[0] for flag in repository.flags]
    packages = dict.fromkeys(_nested_package(repository.root, path) for path in paths)
    if packages and all(packages):
        lines = [f"{one} has its own pyproject.toml: run `flag-harness init` there" for one in packages]
        raise InitError("\n".join([*lines, "Nothing was written."]))


def _nested_package(root: Path, path: str) -> str:
    """Return the nearest folder below `root` that has a pyproject.toml and holds a file, or an empty string."""
    folders = Path(path).parents[:-1]
    return next((one.as_posix() for one in folders if (root / one / "pyproject.toml").is_file()), "")


def _apply_plan(plan: Plan, root: Path, *, is_dry_run: bool) -> int:
    """Write the files of a plan, run the test, and return the exit code; or print the files if it `is_dry_run`."""
    if existing := conflicting_files(plan, root):
        raise InitError(f"{existing[0]} exists, and init overwrites nothing; move it, then run flag-harness init again")
    if is_dry_run:
        _print_lines(_plan_lines(plan))
        return 0
    _write_plan(plan, root)
    if plan.existing_conftest:
        lines = (
            f"{plan.existing_conftest} exists, so the fixture harness_set_flags is in {plan.test}, for that file only."
        )
        _print_lines([lines, "Move the fixture there to use the flags in other test files.", ""])
    if plan.agent is None:
        if plan.has_vcr_marks:
            _print_lines(["Your tests with vcr marks play their cassettes: pytest", ""])
        _print_lines(_missing_agent_lines(root))
        return 0
    if plan.extras:
        _print_lines(
            [f"The test needs an extra that is not installed: pip install 'flag-harness[{','.join(plan.extras)}]'", ""]
        )
        _print_lines(_next_step_lines(plan, is_recorded=False))
        return 0
    return _record_and_play_test(plan, root)


def _write_plan(plan: Plan, root: Path) -> None:
    """Write the files of the plan, or none of them. Raise `InitError` if one cannot be written."""
    created: list[Path] = []
    lines: list[str] = []
    for file in sorted(plan.files, key=lambda file: file.path == "pyproject.toml"):
        path = root / file.path
        try:
            if file.path == "pyproject.toml" and path.exists():
                old = path.read_text(encoding="utf-8")
                write_atomically(path, (f"{old.rstrip()}\n\n{file.text}" if old.strip() else file.text).encode())
                lines.append(f"added to  {file.path}")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, file.text.encode())
                created.append(path)
                lines.append(f"wrote     {file.path}")
        except OSError as error:
            for one in created:
                one.unlink()
            raise InitError(f"{file.path} cannot be written, so nothing was written: {error}") from None
    _print_lines([*lines, ""])


def _write_example(root: Path) -> None:
    """Write an agent with two flags. Raise `InitError` if the project has an agent, or the file cannot be written."""
    path = root / _EXAMPLE_FILE
    if path.exists() or read_repository(root).agents:
        raise InitError(f"{root} has an agent already; set it up as it is: flag-harness init")
    try:
        write_atomically(path, EXAMPLE_AGENT.encode())
    except OSError as error:
        raise InitError(f"{path} cannot be written: {error}") from None
    _print_lines([f"wrote     {_EXAMPLE_FILE}", ""])


def _record_and_play_test(plan: Plan, root: Path) -> int:
    """Record the first test from the simulator, play it, and return the exit code."""
    recording = ("--record-mode=once", "--harness-upstream=simulator")
    for title, options in (("Recording it from the simulator", recording), ("Playing it, offline", ())):
        _print_lines([f"{title}: pytest {' '.join([*options, plan.test])}"])
        run = _run_pytest(root, [*options, plan.test])
        if _expects_too_much(run.stdout):
            (root / plan.test).write_text(plan.weaker_test, encoding="utf-8")
            _print_lines(
                [f"  The agent does not return what the model says, so {plan.test} expects less; expect more in it."]
            )
            run = _run_pytest(root, [*options, plan.test])
        if run.returncode != 0:
            _print_lines([run.stdout.rstrip(), run.stderr.rstrip(), "", *_failure_lines(plan, run.stdout, options)])
            return 1
        _print_lines([f"  {_pytest_summary_line(run.stdout)}"])
    inert = [line for line in run.stdout.splitlines() if ": changed no request in " in line]
    _print_lines([f"  {line}" for line in inert])
    _print_lines(["", *_next_step_lines(plan, is_recorded=True, has_inert=bool(inert))])
    return 0


def _run_pytest(root: Path, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    return subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def _expects_too_much(output: str) -> bool:
    """Return whether the first test fails under every combination, because of what it expects."""
    return any(text in output for text in _WEAK_ANSWERS) and not re.search(r"\d passed", output)


def _failure_lines(plan: Plan, output: str, options: Sequence[str]) -> Iterator[str]:
    command = f"pytest {' '.join([*options, plan.test])}"
    if missing := _MISSING_MODULE.search(output):
        yield f"The project needs {missing[1]}, which is not installed beside pytest. Install the project with what it"
        yield f"needs, such as: pip install -e . (or -r requirements.txt). Then: {command}"
        return
    yield "The first test fails. If pytest names flags that broke it, read what the agent did under them."
    yield f"Otherwise the proposed test is wrong: fix {plan.test}. Then: {command}"


def _pytest_summary_line(output: str) -> str:
    """Return pytest's summary line, such as `3 passed in 0.21s`, or `passed` if the output has none."""
    return next((line.strip("= ") for line in reversed(output.splitlines()) if " passed" in line), "passed")


def _repository_lines(repository: Repository) -> Iterator[str]:
    width = max((len(flag.name) for flag in repository.flags), default=0)
    yield f"Flags that the code reads: {len(repository.flags)}"
    yield from (f"  {flag.name:<{width}}  {flag.key}  ({flag.place})" for flag in repository.flags)
    if repository.agents:
        best, *others = repository.agents
        more = f", and {len(others)} more" if others else ""
        yield f"Agent: {best.name or best.path} ({best.path}:{best.line}{more})"
    if repository.vcr:
        yield f"Tests with vcr marks: they run as they are ({repository.vcr})"
    for path, reason in repository.unreadable.items():
        yield f"Left out, because it {reason}: {path}"
    yield ""


def _already_configured_lines(repository: Repository, settings: Mapping[str, Any], source: Path) -> Iterator[str]:
    declared = str(settings.get("flags", {}))
    missing = [flag for flag in repository.flags if flag.key not in declared and flag.name not in declared]
    yield f"{source.relative_to(repository.root)} has settings of the harness already, so nothing was written."
    if missing:
        yield "Flags that it does not declare:"
        yield from (f"  {flag.name} = {flag.declaration}" for flag in missing)
    yield "To run the tests: pytest"


def _plan_lines(plan: Plan) -> Iterator[str]:
    for file in plan.files:
        yield f"--- {file.path}"
        yield file.text
    yield "Nothing was written. To write these files: flag-harness init"


def _missing_agent_lines(root: Path) -> Iterator[str]:
    yield "No function that takes a prompt alone calls messages.create, messages.stream or messages.tool_runner."
    yield "So there is no test yet. Go on with one of these:"
    if not (root / _EXAMPLE_FILE).exists():
        yield "  flag-harness init --example     writes a small agent with two flags here, and its test"
    yield "  flag-harness demo --keep demo   writes a project that is set up, and runs its tests"
    yield '  docs/tutorial.md, and the README under "Ten minutes to your own suite": a test of your own agent'


def _next_step_lines(plan: Plan, *, is_recorded: bool, has_inert: bool = False) -> Iterator[str]:
    yield "Next"
    if has_inert:
        yield "  0. Have the code read these flags when it runs, or set them as docs/flags.md says under"
        yield '     "Settings that are read once, files and arguments": so far, no combination differs in them.'
    if not is_recorded:
        yield f"  0. Record it: pytest --record-mode=once --harness-upstream=simulator {plan.test}"
    yield f"  1. In {plan.test}, ask what your users ask, and assert what they need."
    yield "  2. In fixtures/scenarios/hello.toml, answer it: tool calls, refusals, long answers."
    yield "  3. Record it again, then run pytest: --record-mode=rewrite --harness-upstream=simulator"
    yield "  4. Break a flag on purpose, and read which one the end of the run names."


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
