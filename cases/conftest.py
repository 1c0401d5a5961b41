"""Fixtures of the cases. In a checkout their cassettes are `recordings/<file>/<case>.json`."""

import gc
import logging
import os
import tomllib
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from flag_harness.conformance.invariants import check_conversation
from flag_harness.conformance.support import Conversation, make_agent, make_bash, restore_agent, suite_root
from flag_harness.errors import FlagError, MissingExtraError, require_extra
from flag_harness.matrix import Combination
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.run.names import safe_file_name
from flag_harness.reference.logs import ROOT_LOGGER_NAME, json_lines_handler
from flag_harness.reference.settings import AGENT_VARIABLES, read_settings

try:
    from pytest_asyncio import fixture as async_fixture
except ModuleNotFoundError:
    async_fixture = pytest.fixture  # not used: `pytest_configure` stops the run

OLDEST_SDK = (0, 125)
"""The first SDK release that supports everything that the cases send."""

CONVERSATIONS = pytest.StashKey[list[Conversation]]()
"""The key under which a test item keeps the conversations of its case."""

SUITE = suite_root(Path(__file__).parent)
"""The folder that has the `fixtures/` and `recordings/` of these cases. In a checkout these are the checkout's own."""


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin that adds the option `--feature`, also if the suite is installed."""
    pluginmanager.import_plugin("flag_harness.plugin.features")


def pytest_configure(config: pytest.Config) -> None:
    """Stop the run if a library that the cases need is missing or too old, or if settings make `--feature`
    impossible.
    """
    try:
        _check_libraries()
        if config.getoption("--feature", default=None):
            read_settings(os.environ)
    except (FlagError, pytest.UsageError) as error:
        if config.stash.get(CONFIG_KEY, None) is None:
            raise pytest.UsageError(str(error)) from None
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


def _check_libraries() -> None:
    try:
        with require_extra("agent"):
            import pytest_asyncio  # noqa: F401
    except MissingExtraError as error:
        raise pytest.UsageError(f"the cases: {error}") from None
    installed = version("anthropic")
    if tuple(int(part) for part in installed.split(".")[:2]) < OLDEST_SDK:
        needed = ".".join(map(str, OLDEST_SDK))
        raise pytest.UsageError(
            f"the cases need anthropic {needed} or later, and {installed} is installed: "
            f"pip install 'anthropic>={needed}' (your own tests need no newer release than they have)"
        )


@pytest.fixture(autouse=True)
def _unset_settings(harness_combination: Combination, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset all environment variables of the reference agent, except those that the case's combination has set."""
    for variable in AGENT_VARIABLES:
        if harness_combination.environ.get(variable) is None:
            monkeypatch.delenv(variable, raising=False)


@pytest.fixture(autouse=True, scope="package")
def _log_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Also write the agent's log to `logs/cases.jsonl`, one JSON object per line; each worker of xdist has its own
    file.

    If the suite is installed in another project, the file is in a temporary folder.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    own = SUITE == request.config.rootpath
    directory = (
        request.config.rootpath / request.config.stash[CONFIG_KEY].logs if own else tmp_path_factory.mktemp("logs")
    )
    logger, handler = (
        logging.getLogger(ROOT_LOGGER_NAME),
        json_lines_handler(directory / f"cases{worker and '-' + worker}.jsonl"),
    )
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(level)
    logger.removeHandler(handler)
    handler.close()


@pytest.fixture
def harness_cassette_path(request: pytest.FixtureRequest) -> Path:
    """Return the path of the cassette: `recordings/tools/missing_param.json`, or with a combination
    `recordings/matrix/off.json`.
    """
    module = request.path.stem.removeprefix("test_")
    name = request.node.callspec.id if hasattr(request.node, "callspec") else request.node.name.removeprefix("test_")
    return SUITE / "recordings" / module / f"{safe_file_name(name)}.json"


@pytest.fixture
def harness_scenarios() -> Path:
    """Return the folder of the cases' scenarios, by which the simulator answers."""
    return SUITE / "fixtures" / "scenarios"


@pytest.fixture
def cassette(harness_cassette: Any) -> Any:
    """Return the cassette fixture of this package, even if another plugin has a fixture named `cassette`."""
    return harness_cassette


@pytest.fixture
def commands(request: pytest.FixtureRequest, harness_scenarios: Path) -> list[str]:
    """Return the shell commands that the case's scenario permits.

    The agent refuses all others, so that an edited cassette cannot run a command.
    """
    scenario = request.node.get_closest_marker("scenario").args[0]
    table = tomllib.loads((harness_scenarios / f"{scenario}.toml").read_text(encoding="utf-8"))
    declared: list[str] = table["commands"]
    return declared


@cache
def _load_sdk() -> Any:
    """Import the SDK. The garbage collector is off meanwhile: it would only search the 200,000 new objects in vain."""
    # they are not frozen afterwards: hypothesis asks the collector who holds its random numbers
    enabled = gc.isenabled()
    gc.disable()
    import anthropic
    import anthropic.resources.messages

    if enabled:
        gc.enable()
    return anthropic


@async_fixture
async def client(cassette: Any) -> AsyncIterator[Any]:
    """Yield a client of the SDK whose requests the case's cassette answers."""
    async with _load_sdk().AsyncAnthropic(http_client=cassette.async_http_client()) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """After each case, check the rules that hold for every conversation."""
    result = yield
    for conversation in pyfuncitem.stash.get(CONVERSATIONS, []):
        check_conversation(conversation)
    return result


@pytest.fixture
def conversations(request: pytest.FixtureRequest) -> list[Conversation]:
    """Return the list of the case's conversations, to which `start` and `resume` add.

    They are checked at the end of the case.
    """
    return request.node.stash.setdefault(CONVERSATIONS, [])


@pytest.fixture
def start(
    client: Any,
    cassette: Any,
    commands: list[str],
    conversations: list[Conversation],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Callable[..., Conversation]:
    """Return a function that starts a conversation with a new agent: `start(tools=[...], model="...")`."""
    project = {"model": request.config.stash[CONFIG_KEY].model}

    def start_new(**options: Any) -> Conversation:
        bash, path = make_bash(commands), tmp_path / f"session-{len(conversations)}.json"
        options = {**project, "context_path": path, **options}
        agent = make_agent(client, cassette.clock, bash=bash, **options)
        conversations.append(Conversation(agent, bash, cassette, options["context_path"]))
        return conversations[-1]

    return start_new


@pytest.fixture
def resume(
    client: Any, cassette: Any, commands: list[str], conversations: list[Conversation], tmp_path: Path
) -> Callable[[Path], Conversation]:
    """Return a function that continues a saved session: `resume(path)`."""

    def resume_saved(path: Path) -> Conversation:
        bash, new_path = make_bash(commands), tmp_path / f"session-{len(conversations)}.json"
        agent = restore_agent(path, client, cassette.clock, bash=bash, context_path=new_path)
        conversations.append(Conversation(agent, bash, cassette, new_path))
        return conversations[-1]

    return resume_saved
