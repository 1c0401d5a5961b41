"""The files that `flag-harness init` writes: the configuration, a first test, and the scenario that answers it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from flag_harness.cli.init.first_test_text import SCENARIO_NAME, first_test_text, scenario_text
from flag_harness.cli.init.flag_fixtures import NO_FIXTURES, FlagFixtures, make_flag_fixtures
from flag_harness.cli.init.reading.found_agent import FoundAgent
from flag_harness.cli.init.repository import Repository
from flag_harness.config.root import PYPROJECT

TEST_FILE_NAME = "test_flag_matrix.py"
_SERVER_PACKAGES = ("httptools", "uvicorn")
_PYTEST_SETTINGS_FILES = ("pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg")


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to create, or to add text to if it exists. `path` is relative to the repository."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class InitPlan:
    """The files that `flag-harness init` writes.

    Attributes:
        test_path: the path of the test, or empty without an agent.
        weaker_test_text: the text of a test that expects less, for an agent whose answer is not what the model says.
        missing_extras: the harness's extras that the test needs and that are not installed.
        has_vcr_marks: True if tests have the marks of pytest-recording or pytest-vcr.
        existing_conftest: the path of a conftest.py that the project already has. It is not overwritten, so the
            fixtures of the flags are written into the test file. Empty if there is no such file, or no such fixture.
        flag_fixtures: the fixtures of the flags.
        test_sketch: a test for a person to complete, if the arguments of no agent can be guessed; else empty.
        sketch_path: the path at which to save it.
        has_flags: True if flags are declared.
    """

    files: tuple[PlannedFile, ...]
    agent: FoundAgent | None
    test_path: str
    weaker_test_text: str
    missing_extras: tuple[str, ...]
    has_vcr_marks: bool
    existing_conftest: str = ""
    flag_fixtures: FlagFixtures = NO_FIXTURES
    has_flags: bool = True
    test_sketch: str = ""
    sketch_path: str = ""


def make_init_plan(repository: Repository) -> InitPlan:
    """Return the files to write for a repository: the settings that it lacks, and a first test with its scenario."""
    agent = repository.agents[0] if repository.agents else None
    subject = _agent_to_test(repository)
    flags = () if repository.has_flag_table else repository.tested_flags
    files = []
    if configuration := _configuration_text(repository, subject):
        files.append(PlannedFile(PYPROJECT, configuration))
    test = _first_test_path(repository, subject) if subject is not None else ""
    folder = subject.import_folder if subject is not None else "."
    fixtures = make_flag_fixtures(flags, repository.client_functions, repository.flag_attributes, folder)
    conftest = _conftest_path(test or _join_path(repository.test_folder, TEST_FILE_NAME))
    has_conftest = (repository.root / conftest).exists()
    if fixtures and not has_conftest:
        files.append(PlannedFile(conftest, fixtures.conftest_text))
    text = weaker_test = ""
    if subject is not None:
        in_test = fixtures if has_conftest else NO_FIXTURES
        count = len(flags) or repository.declared_flag_count
        text = first_test_text(subject, test, in_test, flag_count=count)
        weaker_test = first_test_text(subject, test, in_test, flag_count=count, accepts_any_answer=True)
        text = text if subject.returns_answer else weaker_test
        files += [PlannedFile(test, text)] if agent is not None else []
        files.append(PlannedFile(f"fixtures/scenarios/{SCENARIO_NAME}.toml", scenario_text(subject)))
    return InitPlan(
        tuple(files),
        agent,
        test if agent is not None else "",
        weaker_test,
        tuple(_missing_extras(repository, agent)),
        bool(repository.vcr_plugin),
        conftest if fixtures and has_conftest else "",
        fixtures,
        bool(flags or repository.declared_keys),
        test_sketch=text if agent is None else "",
        sketch_path=test if agent is None else "",
    )


def _agent_to_test(repository: Repository) -> FoundAgent | None:
    """Return the likeliest agent that a test can call or, without any, the likeliest one that needs more arguments."""
    found = [*repository.agents, *(function.agent for function in repository.uncallable_functions)]
    if not found:
        return None
    # the settings do not say which of their flags are options
    return replace(found[0], option_flags=()) if repository.has_flag_table else found[0]


def _configuration_text(repository: Repository, agent: FoundAgent | None) -> str:
    """Return the text to add to pyproject.toml, or an empty string if no setting is missing."""
    lines = []
    if repository.vcr_plugin and repository.harness_settings is None:
        marks = "true" if repository.vcr_plugin == "pytest-recording" else f'"{repository.vcr_plugin}"'
        lines += ["[tool.flag-harness]", f"vcr_marks = {marks}", ""]
    if not repository.has_flag_table:
        lines += _flag_table_lines(repository)
    folder = ""
    if agent is not None and agent.kind not in ("program", "node"):
        folder = _pythonpath_folder(repository, agent)
    if folder or repository.outer_root is not None:
        lines += [*([""] if lines else []), "[tool.pytest.ini_options]"]
    if folder:
        lines.append(f'pythonpath = ["{folder}"]')
    return "\n".join(lines) + "\n" if lines else ""


def _flag_table_lines(repository: Repository) -> list[str]:
    """Return the lines of the table of flags. Reads of flags whose names are unknown are in it as comments."""
    lines = ["[tool.flag-harness.flags]"]
    flags = repository.tested_flags
    lines += [f"{flag.name} = {flag.toml_declaration}".ljust(60) + f" # {flag.location}" for flag in flags]
    lines += [
        f"# {read.toml_line}".ljust(60) + f" # {read.location}: unclear, declare it by hand"
        for read in repository.dynamic_reads
    ]
    if not flags and not repository.dynamic_reads:
        lines.append('# streaming = "ENABLE_STREAMING"     # a name, and the variable that your agent reads')
    return lines


def _pythonpath_folder(repository: Repository, agent: FoundAgent) -> str:
    """Return the folder to add to pytest's `pythonpath`, or an empty string.

    A folder such as `my-agent` is not added, because the test itself is in it. If pytest is configured already, nothing
    is added.
    """
    if "pytest" in repository.pyproject_table.get("tool", {}) or any(
        (repository.root / one).exists() for one in _PYTEST_SETTINGS_FILES
    ):
        return ""
    return agent.import_folder if agent.import_folder in (".", "..") or _is_importable_path(agent.import_folder) else ""


def _is_importable_path(folder: str) -> bool:
    return all(part.isidentifier() for part in folder.split("/"))


def _first_test_path(repository: Repository, agent: FoundAgent) -> str:
    """Return the path of the test, which is in the test folder if the agent can be imported from there."""
    if agent.kind in ("program", "node") or _is_importable(repository, agent):
        return _join_path(repository.test_folder, TEST_FILE_NAME)
    return _join_path(agent.import_folder if agent.import_folder != ".." else ".", TEST_FILE_NAME)


def _is_importable(repository: Repository, agent: FoundAgent) -> bool:
    """Return whether a test in the test folder can import the agent."""
    if _pythonpath_folder(repository, agent):
        return True
    settings = repository.pyproject_table.get("tool", {}).get("pytest", {}).get("ini_options", {})
    listed = [
        str(one).removeprefix("./").rstrip("/") or "."
        for one in _split_setting_into_words(settings.get("pythonpath", []))
    ]
    is_root_inserted = (repository.root / "conftest.py").exists() or (
        repository.root / repository.test_folder / "__init__.py"
    ).exists()
    return (
        agent.import_folder in listed
        or (is_root_inserted and agent.import_folder == ".")
        or _is_installed(repository, agent)
    )


def _split_setting_into_words(setting: str | list[str]) -> list[str]:
    return setting.split() if isinstance(setting, str) else setting


def _is_installed(repository: Repository, agent: FoundAgent) -> bool:
    """Return whether the agent's package is installed from this repository, such as with `pip install -e .`."""
    try:
        spec = find_spec(agent.module_name.partition(".")[0])
    except (ImportError, ValueError):
        return False
    places = [*(spec.submodule_search_locations or []), spec.origin or ""] if spec is not None else []
    folder = str((repository.root / agent.import_folder).resolve())
    return any(str(Path(place).resolve()).startswith(folder) for place in places if place)


def _join_path(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _conftest_path(test: str) -> str:
    return str(PurePosixPath(test).with_name("conftest.py"))


def _missing_extras(repository: Repository, agent: FoundAgent | None) -> Iterator[str]:
    if (
        agent is not None
        and agent.kind in ("program", "node")
        and any(find_spec(one) is None for one in _SERVER_PACKAGES)
    ):
        yield "serve"
    if repository.vcr_plugin and find_spec("yaml") is None:
        yield "vcr"
    if any(flag.source_kind == "openfeature" for flag in repository.flags) and find_spec("openfeature") is None:
        yield "openfeature"


def conflicting_files(plan: InitPlan, root: Path) -> list[str]:
    """Return the files of a plan that already exist and would be overwritten."""
    return [file.path for file in plan.files if file.path != PYPROJECT and (root / file.path).exists()]
