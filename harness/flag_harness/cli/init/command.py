"""The command `flag-harness init`: read a repository, write the files of a plan, and run the first test."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from flag_harness.cli.init.example import EXAMPLE_AGENT
from flag_harness.cli.init.first_test import (
    agent_name_and_location,
    missing_flag_lines,
    next_step_lines,
    play_first_test,
    print_and_flush,
    record_first_test,
)
from flag_harness.cli.init.plan import InitPlan, conflicting_files, make_init_plan
from flag_harness.cli.init.repository import Repository, read_repository
from flag_harness.cli.init.repository_lines import already_configured_lines, repository_lines, undeclared_flag_lines
from flag_harness.cli.init.write import write_plan
from flag_harness.config import find_root, read_config, read_settings_table
from flag_harness.config.root import PYPROJECT
from flag_harness.errors import InitError
from flag_harness.files import write_atomically
from flag_harness.wording import join_names

_EXAMPLES = """examples:
  flag-harness init --dry-run
  flag-harness init
  flag-harness init --example      # in an empty folder

It reads code and runs none of it, until it runs the test that it wrote. No existing file is overwritten; the table
[tool.flag-harness.flags] is added to the end of pyproject.toml. If it exists, only a first test is written, if none
has the mark flag_matrix.

Exit code: 0; 1 if the first test fails; 2 if a file cannot be written, or a package in a folder has its own
pyproject.toml."""
_EXAMPLE_FILE = "agent.py"
_MAX_LISTED_AGENTS = 3
"""The most agents whose first test is tried."""
_MAX_LISTED_FUNCTIONS = 5
"""The most functions that are named if `init` cannot call them."""


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
    repository = _read_package_or_root(root)
    if repository.root != Path.cwd():
        print_and_flush(
            [f"The project is {repository.root}, where pytest looks for its settings; run the commands there.", ""]
        )
    if repository.harness_settings is not None:
        read_config(repository.root / "pyproject.toml")  # raises if a setting is invalid
    print_and_flush(repository_lines(repository))
    if repository.harness_settings is not None and not _needs_first_test(repository):
        print_and_flush(already_configured_lines(repository, repository.harness_settings[1]))
        return 0
    if repository.has_flag_table:
        print_and_flush(undeclared_flag_lines(repository))
    _refuse_flags_of_packages(repository)
    if not (repository.flags or repository.agents or repository.uncallable_functions or repository.vcr_plugin):
        print_and_flush(["Nothing was written.", *_missing_agent_lines(repository)])
        return 0
    return _apply_plan(make_init_plan(repository), repository, is_dry_run=arguments.dry_run)


def _needs_first_test(repository: Repository) -> bool:
    """Return whether a project with settings lacks declared flags or a test with `flag_matrix`, and `init` can write
    these.
    """
    if repository.has_flag_table:
        return bool(repository.declared_keys and repository.agents) and not repository.has_matrix_tests
    return repository.harness_settings is not None and repository.harness_settings[1].name == PYPROJECT


def _read_package_or_root(root: Path) -> Repository:
    """Read the repository at `root` or, in a monorepo, the package in which the command runs.

    The package is read if it has a pyproject.toml and `root`, a folder above it, does not configure the harness.
    """
    folders = [folder for folder in (Path.cwd(), *Path.cwd().parents) if root in folder.parents]
    package = next((folder for folder in folders if (folder / PYPROJECT).is_file()), None)
    if package is None or read_settings_table(root / PYPROJECT) is not None:
        return read_repository(root)
    return replace(read_repository(package), outer_root=root)


def _refuse_flags_of_packages(repository: Repository) -> None:
    """Raise `InitError` if the agent (or, without an agent, every flag) is in a folder with a pyproject.toml of its
    own.
    """
    paths = [one.file_path for one in repository.agents[:1]] or [
        flag.location.rpartition(":")[0] for flag in repository.flags
    ]
    packages = dict.fromkeys(_find_package_of_file(repository.root, path) for path in paths)
    if packages and all(packages):
        lines = [f"{one} has its own pyproject.toml: run `flag-harness init` there" for one in packages]
        raise InitError("\n".join([*lines, "Nothing was written."]))


def _find_package_of_file(root: Path, path: str) -> str:
    """Return the nearest folder below `root` that contains the file `path` and has a pyproject.toml, or an empty
    string.
    """
    folders = Path(path).parents[:-1]
    return next((one.as_posix() for one in folders if (root / one / "pyproject.toml").is_file()), "")


def _apply_plan(plan: InitPlan, repository: Repository, *, is_dry_run: bool) -> int:
    """Write the files of a plan, run the first test, and return the exit code. If `is_dry_run`, only print the
    files.
    """
    if existing := conflicting_files(plan, repository.root):
        raise InitError(f"{existing[0]} exists, and init overwrites nothing; move it, then run flag-harness init again")
    if is_dry_run:
        print_and_flush(_plan_lines(plan, repository))
        return 0
    if plan.agent is not None and not plan.missing_extras:
        return _run_first_test_of_agent(plan, repository)
    print_and_flush([*write_plan(plan, repository.root).report_lines, "", *_note_lines(plan, repository)])
    if plan.agent is None:
        vcr = ["Your tests with vcr marks play their cassettes: pytest", ""] if plan.has_vcr_marks else []
        print_and_flush([*vcr, *_missing_test_lines(plan, repository)])
        return 0
    extras = ",".join(plan.missing_extras)
    print_and_flush([f"The test needs an extra that is not installed: pip install 'flag-harness[{extras}]'", ""])
    print_and_flush(next_step_lines(plan, is_recorded=False))
    return 0


def _run_first_test_of_agent(plan: InitPlan, repository: Repository) -> int:
    """Write, record and play the first test of the most likely agent. If that agent sends no request, try the next
    ones.

    Return the exit code.
    """
    failures = []
    for choice in _plans_of_agents(plan, repository):
        written = write_plan(choice, repository.root)
        print_and_flush([*written.report_lines, "", *_note_lines(choice, repository)])
        if (failure := record_first_test(choice, repository.root)) is None:
            return play_first_test(choice, repository.root)
        if failure.has_sent_requests:
            print_and_flush(failure.advice_lines)
            return 1
        failures.append(failure)
        written.remove_written_files()
        print_and_flush([f"  It sent no request: {failure.error_line}"])
    write_plan(plan, repository.root)
    print_and_flush(failures[0].advice_lines)
    return 1


def _plans_of_agents(plan: InitPlan, repository: Repository) -> Iterator[InitPlan]:
    """Yield the plan for the most likely agent, and then plans for the next ones whose test can be run."""
    yield plan
    for agent in repository.agents[1:_MAX_LISTED_AGENTS]:
        choice = make_init_plan(replace(repository, agents=(agent,)))
        if not choice.missing_extras and not conflicting_files(choice, repository.root):
            print_and_flush([f"Trying another agent: {agent_name_and_location(agent)}", ""])
            yield choice


def _note_lines(plan: InitPlan, repository: Repository) -> list[str]:
    """Return lines with what the user should know about the files of a plan."""
    return [*_outer_root_lines(repository), *_conftest_lines(plan)]


def _outer_root_lines(repository: Repository) -> Iterator[str]:
    """Yield lines that say that a package of a monorepo becomes the root of its pytest runs, and what to do."""
    if (outer := repository.outer_root) is not None:
        yield "[tool.pytest.ini_options] in pyproject.toml makes this folder the root of its runs, in place of"
        yield f"{outer}. Copy the settings of pytest there that its tests need."
        yield f"In {outer}, run its tests with: pytest {repository.root.relative_to(outer).as_posix()}"
        yield ""


def _conftest_lines(plan: InitPlan) -> list[str]:
    if not plan.existing_conftest:
        return []
    if not plan.test_path:
        return [
            f"{plan.existing_conftest} exists. Add the fixtures of the flags to it:",
            "",
            plan.flag_fixtures.conftest_text,
        ]
    names = join_names(plan.flag_fixtures.fixture_names)
    be, pronoun = ("is", "it") if len(plan.flag_fixtures.fixture_names) == 1 else ("are", "them")
    place = f"{plan.existing_conftest} exists, so {names} {be} in {plan.test_path}, for that file only."
    return [place, f"Move {pronoun} to {plan.existing_conftest} to use the flags in other test files.", ""]


def _write_example(root: Path) -> None:
    """Write an agent with two flags. Raise `InitError` if the project has an agent, or the file cannot be written."""
    path = root / _EXAMPLE_FILE
    if path.exists() or read_repository(root).agents:
        raise InitError(f"{root} has an agent already; set it up as it is: flag-harness init")
    try:
        write_atomically(path, EXAMPLE_AGENT.encode())
    except OSError as error:
        raise InitError(f"{path} cannot be written: {error}") from None
    print_and_flush([f"wrote     {_EXAMPLE_FILE}", ""])


def _plan_lines(plan: InitPlan, repository: Repository) -> Iterator[str]:
    for file in plan.files:
        yield f"--- {file.path}"
        yield file.text
    yield from _note_lines(plan, repository)
    if plan.agent is None:
        yield from [*_missing_test_lines(plan, repository), ""]
    elif not plan.has_flags:
        yield from ["Next", *missing_flag_lines(), ""]
    yield "Nothing was written. To write these files: flag-harness init"


def _missing_test_lines(plan: InitPlan, repository: Repository) -> Iterator[str]:
    """Yield lines that say why there is no first test, and what to do next."""
    if not plan.test_sketch:
        yield from _missing_agent_lines(repository)
        return
    yield "These functions call the Messages API, and what else they need cannot be guessed:"
    yield from (
        f"  {one.location} {one.name}: {one.unknown_parameters}"
        for one in repository.uncallable_functions[:_MAX_LISTED_FUNCTIONS]
    )
    if more := len(repository.uncallable_functions[_MAX_LISTED_FUNCTIONS:]):
        yield f"  and {more} more"
    yield f"So there is no test yet. Save this as {plan.sketch_path}, and write an argument in place of each `...`:"
    yield from ["", plan.test_sketch.rstrip(), ""]
    yield f"Then: pytest --record-mode=once --harness-upstream=simulator {plan.sketch_path}"


def _missing_agent_lines(repository: Repository) -> Iterator[str]:
    """Yield lines that say what to do in a repository in which no function calls the API."""
    yield "No function that takes a prompt alone calls messages.create, messages.stream or messages.tool_runner."
    yield "So there is no test yet. Go on with one of these:"
    if not (repository.root / _EXAMPLE_FILE).exists():
        yield "  flag-harness init --example     writes a small agent with two flags here, and its test"
    yield "  flag-harness demo --keep demo   writes a project that is set up, and runs its tests"
    yield '  docs/tutorial.md, and the README under "Ten minutes to your own suite": a test of your own agent,'
    yield "                                  which may call the API through a framework"
