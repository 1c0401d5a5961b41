"""`flag-harness init` in sample repositories."""

import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.cli.init import plan
from flag_harness.config import find_root, read_config
from tests.cli.init import samples
from tests.cli.init.samples import lay_out


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }


def _proposal(capsys: pytest.CaptureFixture[str]) -> str:
    assert 0 == main(["init", "--dry-run"])
    return capsys.readouterr().out


def test_an_async_agent_is_tested_under_its_flags(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The flags have the texts that the code compares; the first test is green; a second run changes nothing."""
    lay_out(repository, samples.ASYNC_BOT)
    assert 0 == main(["init"]), capsys.readouterr()
    assert 2 == capsys.readouterr().out.count("4 passed")
    thinking, streaming = read_config(repository / "pyproject.toml").flags
    assert ("thinking", "BOT_THINKING", "on", False) == (thinking.name, thinking.env, thinking.on, thinking.default)
    assert ("streaming", "0", True) == (streaming.name, streaming.off, streaming.default)
    assert 4 == len([*(repository / "recordings").rglob("*.json")])
    before = _tree(repository)
    assert 0 == main(["init"])
    assert "so nothing was written" in capsys.readouterr().out
    assert before == _tree(repository)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_a_program_of_node_is_started(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its flags are found in its text, and its requests are answered."""
    lay_out(repository, samples.NODE_AGENT)
    assert 0 == main(["init"]), capsys.readouterr()
    assert 2 == capsys.readouterr().out.count("2 passed")
    assert {"long_answers": "LONG_ANSWERS"} == {
        flag.name: flag.env for flag in read_config(repository / "pyproject.toml").flags
    }


def test_a_dry_run_writes_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints each file."""
    lay_out(repository, samples.ASYNC_BOT)
    before = _tree(repository)
    shown = _proposal(capsys)
    assert before == _tree(repository)
    assert ["pyproject.toml", "test_flag_matrix.py", "fixtures/scenarios/hello.toml"] == [
        line.removeprefix("--- ") for line in shown.splitlines() if line.startswith("--- ")
    ]


def test_a_program_gets_its_prompt_as_an_argument(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model, a key or an address is no flag; words in a list are."""
    lay_out(repository, samples.COMMAND_LINE_AGENT)
    shown = _proposal(capsys)
    assert 'streaming = "ENABLE_STREAMING" ' in shown
    assert 'cache = "USE_CACHE" ' in shown
    assert "MODEL" not in shown
    assert 'command = [sys.executable, "agent.py", "Hello."]' in shown
    assert "def test_the_agent_answers(cassette, cassette_server):" in shown
    assert 'assert "Hello." in str(cassette.bodies)' in shown


def test_a_suite_of_vcr_keeps_running(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The marks are played, and the new test stands beside the old ones."""
    lay_out(repository, samples.VCR_SUITE)
    shown = _proposal(capsys)
    assert "vcr_marks = true" in shown
    assert "--- tests/test_flag_matrix.py" in shown
    assert "from ask import ask" in shown
    assert "pythonpath" not in shown


def test_flags_of_launchdarkly_are_set_by_a_fixture(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under the keys of the service; a client is passed to whoever wants one."""
    lay_out(repository, samples.LAUNCHDARKLY_PACKAGE)
    shown = _proposal(capsys)
    assert 'brief_summaries = { set = "harness_set_flags" }' in shown
    assert 'polite = { set = "harness_set_flags", default = true }' in shown
    assert 'KEYS = {"brief_summaries": "brief-summaries", "polite": "polite"}' in shown
    assert 'client = anthropic.Anthropic(api_key="none")' in shown
    assert 'summarize(client, "Hello.")' in shown


def test_the_fixture_of_launchdarkly_serves_all_test_files_and_leaves_no_flag_on(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in a conftest.py, which resets the client after each test; the test does not define it again."""
    output = subprocess.CompletedProcess([], 0, "2 passed in 1.00s\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: output)
    lay_out(repository, samples.LAUNCHDARKLY_PACKAGE)
    assert 0 == main(["init"])
    assert "harness_set_flags" not in (repository / "tests/test_flag_matrix.py").read_text()
    fixture = (repository / "tests/conftest.py").read_text()
    assert "import pytest\n" in fixture
    assert fixture.index("    yield set_flags\n") < fixture.index(
        '    ldclient.set_config(Config("none", offline=True))'
    )


@pytest.mark.parametrize(
    ("function", "is_replaced"),
    [
        ("def service():\n    ldclient.set_config(Config('key'))\n    return ldclient.get()", True),
        ("def service():\n    global _made\n    _made = LDClient(Config('key'))\n    return _made", True),
        ("def service():\n    ldclient.set_config(Config('key'))\n    return start()", False),
        ("def service():\n    ldclient.set_config(Config('key'))", False),
        ("def service(key):\n    ldclient.set_config(Config(key))\n    return ldclient.get()", False),
        ("def service():\n    return ldclient.get()", False),
    ],
)
def test_a_function_that_makes_a_client_of_launchdarkly_is_replaced(
    repository: Path, capsys: pytest.CaptureFixture[str], function: str, is_replaced: bool
) -> None:
    """Or its client would lack the test data. So is its import, and only a function that does no more."""
    code = samples.LAUNCHDARKLY_PACKAGE["assist/agent.py"]
    files = {
        **samples.LAUNCHDARKLY_PACKAGE,
        "assist/flags.py": f"import ldclient\n@functools.lru_cache\n{function}\n",
        "assist/agent.py": f"from assist.flags import service as get_service\n{code}",
    }
    lay_out(repository, files)
    shown = _proposal(capsys)
    assert is_replaced == ("def harness_set_flags(monkeypatch):\n" in shown)
    for name in ("assist.flags.service", "assist.agent.get_service"):
        assert is_replaced == (f'    monkeypatch.setattr("{name}", ldclient.get)\n' in shown)


def test_a_conftest_that_exists_is_left_as_it_is(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fixture is in the test then, and init says so."""
    output = subprocess.CompletedProcess([], 0, "2 passed in 1.00s\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: output)
    lay_out(repository, {**samples.LAUNCHDARKLY_PACKAGE, "tests/conftest.py": "# mine\n"})
    assert 0 == main(["init"])
    assert "# mine\n" == (repository / "tests/conftest.py").read_text()
    assert "def harness_set_flags():" in (repository / "tests/test_flag_matrix.py").read_text()
    assert (
        "tests/conftest.py exists, so harness_set_flags is in tests/test_flag_matrix.py, for that file only.\n"
        "Move it to tests/conftest.py to use the flags in other test files.\n"
    ) in capsys.readouterr().out


AGENT = """
import os
import anthropic
def answer(text):
    {read}
    return anthropic.Anthropic().messages.create(model="m", max_tokens=1, messages=[])
"""


@pytest.mark.parametrize(
    ("read", "declaration"),
    [
        ('flag = os.environ["FAST"] == "yes"', 'fast = { env = "FAST", on = "yes" }'),
        ('flag = os.environ.get("FAST", "false").lower() == "true"', 'fast = "FAST"'),
        (
            'flag = os.getenv("FAST", "on").strip() not in ("off", "0")',
            'fast = { env = "FAST", off = "0", default = true }',
        ),
        ('flag = os.getenv("FAST") and 1 if os.getenv("FAST") else 2', 'fast = "FAST"'),
        ('def is_on(name): return os.environ[name]\n    flag = 1 if is_on("FAST") else 2', 'fast = "FAST"'),
        ('flag = int(os.getenv("USE_FAST", "0"))', 'fast = "USE_FAST"'),
        ('flag = os.getenv("FAST")\n    limit = 1 if flag else 2', 'fast = "FAST"'),
        ('flag = os.getenv("FAST")\n    limit = flag if flag else 2', ""),
        ('[flag] = os.getenv("FAST")\n    limit = 1 if flag else 2', ""),
        (
            'flag = client.get_boolean_value("fast-path", True)',
            'fast_path = { openfeature = "fast-path", default = true }',
        ),
        ('flag = os.getenv("FAST_MODEL", "haiku")', ""),
        ('flag = os.environ["USE_API_KEY"] == "1"', ""),
        ('flag = os.environ.get("REGION") or "eu"', ""),
    ],
)
def test_a_flag_is_what_the_code_reads_as_a_switch(
    repository: Path, capsys: pytest.CaptureFixture[str], read: str, declaration: str
) -> None:
    """With the texts that switch it, and its default."""
    lay_out(repository, {"agent.py": AGENT.format(read=read)})
    lines = _proposal(capsys).partition("[tool.flag-harness.flags]\n")[2].splitlines()
    declared = [line.partition(" # ")[0].rstrip() for line in lines[: lines.index("")]]
    assert [declaration] if declaration else 1 == len(declared)
    assert (declaration or '# streaming = "ENABLE_STREAMING"    ').strip() == declared[0].strip()


def test_a_script_of_node_that_sends_no_request_is_no_agent(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor are its variables flags."""
    lay_out(repository, {"page.js": "if (process.env.DARK_MODE === '1') paint()"})
    shown = _proposal(capsys)
    assert "Flags that the code reads: 0\n" in shown
    assert "DARK_MODE" not in shown


def test_fields_of_settings_are_flags(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the prefix of their class."""
    settings = """
from pydantic_settings import BaseSettings, SettingsConfigDict
class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="BOT_")
    streaming: bool = False
    cache: bool = True
    model: str = "haiku"
"""
    lay_out(repository, {"settings.py": settings, "agent.py": AGENT.format(read="pass")})
    shown = _proposal(capsys)
    assert 'streaming = "BOT_STREAMING" ' in shown
    assert 'cache = { env = "BOT_CACHE", default = true } ' in shown
    assert "BOT_MODEL" not in shown


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("async def chat(text):\n    yield await client.messages.create()", "    return [part async for part in chat("),
        (
            "def chat(text):\n    yield client.beta.messages.create()",
            '    answer = list(chat("Hello."))\n    assert "How can I help?" in "".join(map(str, answer))\n',
        ),
        (
            "def chat(messages: list):\n    return client.messages.stream()",
            '    answer = chat([{"role": "user", "content": "Hello."}])\n    assert "How can I help?" in str(answer)\n',
        ),
        ("def chat(text):\n    client.messages.create()", '    chat("Hello.")\n    assert cassette.bodies '),
        (
            "def chat(text, *, retries: Retries):\n    client.messages.create()",
            "and what else they need cannot be guessed:\n  agent.py:2 chat: retries\n",
        ),
        (
            "def chat(text, memory, cache):\n    client.messages.create()",
            "  agent.py:2 chat: text, memory, cache\nSo there is no test yet. Save this as test_flag_matrix.py, ",
        ),
        ("def chat(text, memory, cache):\n    client.messages.create()", "    chat(text=..., memory=..., cache=...)\n"),
        (
            "class Bot:\n    def __init__(self, store: Store): ...\n"
            "    def chat(self, text):\n        client.messages.create()",
            "  agent.py:4 Bot.chat: Bot(store)\n",
        ),
        ("async def on_message(message):\n    client.messages.create()", "on_message: the event that it handles\n"),
        (
            "async def chat(messages: list, model: str, tokens: int, quiet: bool):\n"
            "    return await to_thread(client.messages.with_raw_response.create)",
            '    answer = asyncio.run(chat([{"role": "user", "content": "Hello."}], "claude-haiku-4-5", 1024, False))',
        ),
        (
            "class Bot:\n    def __init__(self, api):\n        self.api = api\n"
            "    def __call__(self, text):\n        return self.api.messages.create()",
            '    answer = Bot(client)("Hello.")\n',
        ),
        (
            "class Bot:\n    def run(self, text):\n        return client.messages.create()",
            '    answer = Bot().run("Hello.")\n',
        ),
        (
            "class Bot:\n    def __init__(self, name): ...\n"
            "    def run(self, text):\n        return client.messages.create()",
            '    answer = Bot("test-name").run("Hello.")\n',
        ),
        (
            "class Bot:\n    def __init__(self, q): ...\n    def run(self):\n        return client.messages.create()",
            '    answer = Bot("Hello.").run()\n',
        ),
        (
            "def chat(llm, text):\n    return _send(llm)\ndef _send(llm):\n    return llm.messages.create()",
            '    answer = chat(client, "Hello.")\n',
        ),
        (
            "def chat(user: str, question: str):\n    return client.messages.create()",
            '    answer = chat("test-user", "Hello.")\n',
        ),
        (
            "def chat(history: list, tone: str):\n    return client.messages.create()",
            '    answer = chat([{"role": "user", "content": "Hello."}], "test-tone")\n',
        ),
        (
            "def chat(system_prompt: str, question: str):\n    return client.messages.create()",
            '    answer = chat("test-system_prompt", "Hello.")\n',
        ),
        (
            "@dataclass\nclass Bot:\n    llm: object\n    limit: int = 3\n"
            "    def run(self, text):\n        return self.llm.messages.create()",
            '    answer = Bot(client).run("Hello.")\n',
        ),
        (
            "class Bot:\n    def __init__(self, client, store):\n        self.client = client\n"
            "    async def run(self, text):\n        return await self.client.messages.create()",
            '    answer = asyncio.run(Bot(client, store=...).run("Hello."))\n',
        ),
        (
            "def chat(question: str, skills: list[Skill]):\n    return client.messages.create()",
            '    answer = chat("Hello.", [])\n',
        ),
        ("def hello():\n    client.posts.create()", "No function that takes a prompt alone calls messages.create"),
    ],
)
def test_an_agent_is_called_as_its_signature_says(
    repository: Path, capsys: pytest.CaptureFixture[str], definition: str, expected: str
) -> None:
    """What needs an argument that nobody can guess is left to the user."""
    lay_out(repository, {"agent.py": f"client = None\n{definition}\n"})
    arguments = ["init", "--dry-run"] if expected.startswith("    ") else ["init"]
    assert 0 == main(arguments)
    assert expected in capsys.readouterr().out


def test_nothing_is_overwritten(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the way is named before anything is written."""
    lay_out(repository, {**samples.VCR_SUITE, "tests/test_flag_matrix.py": "mine"})
    before = _tree(repository)
    assert 2 == main(["init"])
    assert capsys.readouterr().err.startswith(
        "tests/test_flag_matrix.py exists, and init overwrites nothing; move it, then"
    )
    assert before == _tree(repository)


@pytest.mark.parametrize("has_agent", [True, False])
def test_the_root_of_several_projects_is_left_as_it_is(
    repository: Path, capsys: pytest.CaptureFixture[str], has_agent: bool
) -> None:
    """The package that holds the agent, or else a flag, is named if it has its own pyproject.toml."""
    code = AGENT.format(read='flag = os.getenv("FAST") == "1"')
    code = code if has_agent else code.replace("messages.create", "posts.create")
    files = {"pyproject.toml": "[tool.ruff]\n", "tools.py": "x = 1\n", "packages/triage/triage/agent.py": code}
    lay_out(repository, {**files, "packages/triage/pyproject.toml": "[project]\n"})
    before = _tree(repository)
    assert 2 == main(["init"])
    assert "packages/triage has its own pyproject.toml: run `flag-harness init` there" in capsys.readouterr().err
    assert before == _tree(repository)


@pytest.mark.parametrize("folder", ["packages/bot", "packages/bot/src/bot"])
def test_a_package_below_settings_of_pytest_is_set_up(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    """It becomes the root of its runs, and the root of the repository, which names it, is left as it is."""
    package = repository / "packages/bot"
    lay_out(repository, {"pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["packages/bot/tests"]\n'})
    lay_out(package, samples.ASYNC_BOT)
    assert 2 == main(["init"])
    assert "packages/bot has its own pyproject.toml" in capsys.readouterr().err
    root_before = (repository / "pyproject.toml").read_bytes()
    monkeypatch.chdir(repository / folder)
    assert f"In {repository}, run its tests with: pytest packages/bot\n" in _proposal(capsys)
    assert 0 == main(["init"]), capsys.readouterr()
    shown = capsys.readouterr().out
    assert 2 == shown.count("4 passed")
    assert f"In {repository}, run its tests with: pytest packages/bot\n" in shown
    assert root_before == (repository / "pyproject.toml").read_bytes()
    assert [package / "pyproject.toml", repository / "pyproject.toml"] == sorted(repository.rglob("pyproject.toml"))
    assert package == find_root(package)


def test_a_program_of_a_package_below_settings_of_pytest_needs_its_own(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is written although nothing is imported; a configured package that lacks it is told so."""
    package = repository / "packages/ask"
    lay_out(repository, {"pytest.ini": "[pytest]\n"})
    lay_out(package, {**samples.COMMAND_LINE_AGENT, "pyproject.toml": ""})
    monkeypatch.chdir(package)
    assert "\n[tool.pytest.ini_options]\n" in _proposal(capsys)
    (package / "pyproject.toml").write_text("[tool.flag-harness.flags]\n")
    before = _tree(repository)
    assert 0 == main(["init"])
    step = f"pytest takes its settings from {repository}: add [tool.pytest.ini_options] to pyproject.toml.\n"
    assert step in capsys.readouterr().out
    assert before == _tree(repository)


def test_flags_that_a_configured_project_lacks_are_listed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the lines to add."""
    table = '[tool.flag-harness.flags]\nbot_thinking = { env = "BOT_THINKING", on = "on" }\n'
    lay_out(repository, {**samples.ASYNC_BOT, "pyproject.toml": table})
    assert 0 == main(["init"])
    shown = capsys.readouterr().out
    assert (
        'below [tool.flag-harness.flags]:\n  streaming = { env = "BOT_STREAMING", off = "0", default = true }\n'
        in shown
    )


def test_flags_that_change_nothing_in_the_first_test_are_shown(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tests pass, but all combinations are the same program: `Next` begins with that."""
    inert = "planner: changed no request in 1 of 1 pairs; agent.py:2 reads PLANNER at import, before the test sets it"
    output = subprocess.CompletedProcess([], 0, f"..\n{inert}\n2 passed in 1.00s\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: output)
    code = "import os\nPLANNER = os.environ.get('ENABLE_PLANNER')\ndef answer(text):\n    client.messages.create()\n"
    lay_out(repository, {"agent.py": code})
    assert 0 == main(["init"])
    shown = capsys.readouterr().out
    assert f"  2 passed in 1.00s\n  {inert}\n" in shown
    assert "  0. Have the code read these flags when it runs" in shown
    assert "Or the test does not reach the code that reads them: pass what it needs." in shown


def test_a_file_that_cannot_be_read_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may belong to somebody else, such as a database in a container."""
    lay_out(repository, {"theirs.py": ""})
    monkeypatch.setattr("flag_harness.source_files._read_text", lambda path: None)
    assert "Left out, because it cannot be read: theirs.py" in _proposal(capsys)


def test_a_first_test_that_fails_is_shown(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do, and exit code 1. Files that are not Python are named."""
    agent = "def answer(text):\n    client.messages.create()\n"
    lay_out(repository, {"agent.py": agent, "broken.py": "def"})
    assert 1 == main(["init"])
    shown = capsys.readouterr().out
    assert "NameError: name 'client' is not defined" in shown
    assert "fix test_flag_matrix.py. Then: pytest --record-mode=once --harness-upstream=simulator test_fl" in shown
    assert "Left out, because it is not valid Python: broken.py" in shown


def test_an_agent_that_takes_thinking_for_its_answer_fails(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The simulated model thinks if it is asked to, so the first block of its answer is not always text."""
    agent = samples.ASYNC_BOT["src/bot/agent.py"].replace("content[-1]", "content[0]")
    lay_out(repository, {**samples.ASYNC_BOT, "src/bot/agent.py": agent})
    assert 1 == main(["init"])
    assert "'ThinkingBlock' object has no attribute 'text'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "sample", "extra"),
    [
        ("uvicorn", samples.COMMAND_LINE_AGENT, "serve"),
        ("httptools", samples.COMMAND_LINE_AGENT, "serve"),
        ("yaml", samples.VCR_SUITE, "vcr"),
        ("openfeature", {"agent.py": AGENT.format(read='client.get_boolean_value("fast", False)')}, "openfeature"),
    ],
    ids=["serve", "serve_parser", "vcr", "openfeature"],
)
def test_a_missing_extra_is_named(
    repository: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    sample: Mapping[str, str],
    extra: str,
) -> None:
    """The files are written, and the test waits for the extra."""
    monkeypatch.setattr(plan, "find_spec", lambda name: None if name == module else find_spec(name))
    lay_out(repository, sample)
    assert 0 == main(["init"])
    shown = capsys.readouterr().out
    assert f"pip install 'flag-harness[{extra}]'" in shown
    assert "pytest --record-mode=once --harness-upstream=simulator" in shown
    assert 1 == len([*repository.rglob("test_flag_matrix.py")])


def test_a_folder_that_cannot_be_imported_holds_its_own_test(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name with a hyphen is no module's."""
    lay_out(repository, {"my-agent/agent.py": AGENT.format(read='flag = os.getenv("FAST") == "1"')})
    shown = _proposal(capsys)
    assert "--- my-agent/test_flag_matrix.py" in shown
    assert "from agent import answer" in shown


def test_a_file_that_cannot_be_written_is_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file stands where a folder is needed."""
    lay_out(repository, {"agent.py": AGENT.format(read="pass"), "fixtures": "a file"})
    before = _tree(repository)
    assert 2 == main(["init"])
    assert capsys.readouterr().err.startswith("fixtures/scenarios/hello.toml cannot be written, so nothing was written")
    assert before == _tree(repository)


def test_a_broken_pyproject_is_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is added to a file that cannot be read."""
    lay_out(repository, {"pyproject.toml": "[tool"})
    assert 2 == main(["init"])
    assert "fix the file, then run flag-harness init again" in capsys.readouterr().err


def test_an_answer_that_is_not_the_models_is_not_expected(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If no combination returns the words of the model, the test looks at the requests only, and says so."""
    code = AGENT.format(read='flag = os.getenv("FAST") == "1"').replace('"m"', '"claude-haiku-4-5"')
    code = code.replace("messages=[]", 'messages=[{"role": "user", "content": text}]').replace(
        "    return anthropic", "    return 1 if anthropic"
    )
    lay_out(repository, {"agent.py": code.rstrip() + " else 2\n"})
    assert 0 == main(["init"]), capsys.readouterr()
    shown = capsys.readouterr().out
    assert "does not return what the model says, so test_flag_matrix.py expects less" in shown
    assert 2 == shown.count("2 passed")
    assert "assert cassette.bodies" in (repository / "test_flag_matrix.py").read_text()


def test_a_library_that_the_project_needs_is_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The proposed test is not to blame."""
    lay_out(repository, {"agent.py": "import no_such_library\n" + AGENT.format(read="pass")})
    assert 1 == main(["init"])
    shown = capsys.readouterr().out
    assert "The project needs no_such_library, which is not installed beside pytest." in shown
    assert "the proposed test is wrong" not in shown


def test_an_empty_folder_gets_an_example_on_request(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unasked, nothing is written, and the next commands are shown."""
    assert 0 == main(["init"])
    shown = capsys.readouterr().out
    assert "Nothing was written." in shown
    assert [] == [command for command in ("init --example", "demo --keep demo") if command not in shown]
    assert {} == _tree(repository)
    assert 0 == main(["init", "--example"]), capsys.readouterr()
    assert 2 == capsys.readouterr().out.count("4 passed")
    assert ("concise", "thinking") == tuple(flag.name for flag in read_config(repository / "pyproject.toml").flags)
    before = _tree(repository)
    assert 2 == main(["init", "--example"])
    assert "has an agent already; set it up as it is: flag-harness init" in capsys.readouterr().err
    assert before == _tree(repository)


def test_an_example_that_cannot_be_written_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as in a folder of somebody else."""

    def refuse(path: Path, data: bytes) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr("flag_harness.cli.init.command.write_atomically", refuse)
    assert 2 == main(["init", "--example"])
    assert "agent.py cannot be written: [Errno 13] Permission denied" in capsys.readouterr().err


def test_a_suite_of_vcr_without_an_agent_is_set_up(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its tests run at once, and the next commands follow."""
    lay_out(repository, {"tests/test_ask.py": samples.VCR_SUITE["tests/test_ask.py"]})
    assert 0 == main(["init"])
    shown = capsys.readouterr().out
    assert "Your tests with vcr marks play their cassettes: pytest" in shown
    assert "pytest-recording" == read_config(repository / "pyproject.toml").vcr_marks


def test_an_agent_that_cannot_be_called_gives_way_to_the_next(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files of the first are taken back, and its error is shown in one line."""
    code = AGENT.format(read="pass").replace('"m"', '"claude-haiku-4-5"')
    code = code.replace("messages=[]", 'messages=[{"role": "user", "content": text}]')
    picky = "import os\nTOKEN = os.environ['BOT_SIGNING_TOKEN']\n" + code
    sample = {"agent.py": picky, "my-bots/second.py": f"import helper\n{code}", "my-bots/helper.py": ""}
    lay_out(repository, sample)
    assert 0 == main(["init"]), capsys.readouterr()
    shown = capsys.readouterr().out
    assert (
        "It sent no request: KeyError: 'BOT_SIGNING_TOKEN'\nTrying another agent: answer (my-bots/second.py:" in shown
    )
    assert "my-bots/test_flag_matrix.py" in shown
    assert not (repository / "test_flag_matrix.py").exists()


def test_a_test_that_no_agent_passes_is_left_with_the_reason(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variable that the module needs is named. An agent whose test would overwrite a file is not tried."""
    code = AGENT.format(read="pass")
    picky = "import os\nTOKEN = os.environ['BOT_SIGNING_TOKEN']\n" + code
    other = {"my-bots/agent.py": code, "my-bots/test_flag_matrix.py": "mine"}
    lay_out(repository, {"agent.py": picky, "pyproject.toml": "[project]\nname = 'bot'\n", **other})
    assert 1 == main(["init"])
    assert "The agent needs the variable BOT_SIGNING_TOKEN. Set it for the tests" in capsys.readouterr().out
    assert 1 == (repository / "pyproject.toml").read_text().count("[tool.flag-harness")
    assert (repository / "test_flag_matrix.py").exists()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("error: unrecognized arguments: --cov=bot", "that this pytest does not know: --cov=bot"),
        (
            "this test asks the simulator, but tried to reach search.example.com:443; it is no host of",
            "The agent also asks search.example.com, which tests may not reach. Replace what asks it in test_flag_",
        ),
        (
            "ERROR collecting test_flag_matrix.py\nE   KeyError: 'ANTHROPIC_MODEL'",
            'with os.environ.setdefault("ANTHROPIC_MODEL", "claude-haiku-4-5") in a conftest.py',
        ),
        ("E  TypeError: Messages.create() got an unexpected keyword argument 'temperature'", "`temperature`"),
    ],
)
def test_what_the_project_lacks_is_named(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: str,
    expected: str,
) -> None:
    """Such as a plugin of pytest, or the release of the SDK that it was written for."""
    failed = subprocess.CompletedProcess([], 4, "; requests: 1, errors: 1", output)
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    lay_out(repository, {"agent.py": AGENT.format(read="pass")})
    assert 1 == main(["init"])
    assert expected in capsys.readouterr().out


def test_a_module_with_a_hyphen_is_imported_by_name(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`import` takes no such name."""
    lay_out(repository, {"my-agent.py": AGENT.format(read="pass").replace("def", "async def")})
    shown = _proposal(capsys)
    assert "import asyncio\nfrom importlib import import_module\n\nimport pytest\n\nanswer = import_module" in shown
    assert 'answer = import_module("my-agent").answer\n' in shown


def test_pytest_settings_that_exist_are_respected(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If `pythonpath` has the folder of the agent, its test is among the others; else it is beside the agent."""
    settings = "[tool.pytest.ini_options]\npythonpath = 'app lib'\n"
    agent = "import config\n" + AGENT.format(read="pass")
    lay_out(repository, {"app/agent.py": agent, "app/config.py": "", "tests/a.txt": "", "pyproject.toml": settings})
    assert "--- tests/test_flag_matrix.py" in _proposal(capsys)
    (repository / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    assert "--- app/test_flag_matrix.py" in _proposal(capsys)


def test_a_module_that_breaks_the_search_is_not_installed(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some modules in `sys.modules` have no spec; the test is then beside the agent."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name}.__spec__ is None")

    monkeypatch.setattr(plan, "find_spec", refuse)
    lay_out(repository, {"src/agent.py": AGENT.format(read="pass"), "pytest.ini": ""})
    assert "--- src/test_flag_matrix.py" in _proposal(capsys)


def test_functions_that_cannot_be_called_are_counted(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five are named. A decorator of a framework does not make a function an agent."""
    functions = "\n".join(
        f"@app.command\n@retry(3)\ndef ask{number}(store: Store):\n    client.messages.create()" for number in range(7)
    )
    lay_out(repository, {"agent.py": functions})
    assert 0 == main(["init"])
    shown = capsys.readouterr().out
    assert "  agent.py:19 ask4: store\n  and 2 more\n" in shown


def test_a_test_that_is_recorded_and_cannot_be_played_fails(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as one whose agent sends something else each time."""
    runs = [
        subprocess.CompletedProcess([], 0, "1 passed", ""),
        subprocess.CompletedProcess([], 1, "E  CassetteMiss", ""),
    ]
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: runs.pop(0))
    lay_out(repository, {"agent.py": AGENT.format(read="pass")})
    assert 1 == main(["init"])
    assert "The first test fails." in capsys.readouterr().out


def test_flags_are_found_through_constants(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the same module and of others: the words that switch a variable, and the keys of a flag service."""
    flags = """
import os
KEY, TRUTHY = "unused", ()
BRIEF = "brief-summaries"
POLITE = "polite-tone"
ON_WORDS = frozenset({"1", "true", "yes"})
def is_on(name):
    return os.getenv(name, "").strip().lower() in ON_WORDS
def is_served(key, default):
    return client.variation(key, context, default)
"""
    reads = "flag = flags.is_on('FAST'), client.variation(flags.BRIEF, ctx, False), flags.is_served(POLITE, True)"
    reads += "\n    other = os.getenv('PLANNER', '').strip().lower() in flags.ON_WORDS"
    code = "from . import flags\nfrom .flags import POLITE\n" + AGENT.format(read=reads)
    lay_out(repository, {"bot/__init__.py": "", "bot/flags.py": flags, "bot/agent.py": code})
    shown = _proposal(capsys)
    assert [] == [
        line
        for line in (
            'fast = "FAST" ',
            'planner = "PLANNER" ',
            'brief_summaries = { set = "harness_set_flags" } ',
            'polite_tone = { set = "harness_set_flags", default = true } ',
        )
        if line not in shown
    ]


def test_a_project_without_flags_is_told_to_declare_one(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first step shows the line to write, also in a dry run; the test does not speak of combinations."""
    output = subprocess.CompletedProcess([], 0, "1 passed in 1.00s\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: output)
    lay_out(repository, {"agent.py": AGENT.format(read="pass")})
    step = "Next\n  0. Declare a flag in pyproject.toml: there is none, so nothing is tested under flags yet."
    assert step in _proposal(capsys)
    assert 0 == main(["init"])
    assert step in capsys.readouterr().out
    assert (repository / "test_flag_matrix.py").read_text().startswith('"""The agent answers."""')


@pytest.mark.parametrize("has_conftest", [True, False])
def test_the_fixture_of_launchdarkly_is_given_without_a_test(
    repository: Path, capsys: pytest.CaptureFixture[str], has_conftest: bool
) -> None:
    """It is written, or shown if there is a conftest.py. A dry run says as well that there is no test yet."""
    code = samples.LAUNCHDARKLY_PACKAGE["assist/agent.py"].replace("text: str", "text: str, store: Store")
    conftest = {"tests/conftest.py": "# mine\n"} if has_conftest else {}
    lay_out(repository, {**samples.LAUNCHDARKLY_PACKAGE, "assist/agent.py": code, **conftest})
    shown = _proposal(capsys)
    assert "So there is no test yet." in shown
    assert "def harness_set_flags():" in shown
    assert 0 == main(["init"])
    assert has_conftest == ("def harness_set_flags():" in capsys.readouterr().out)
    assert has_conftest != ("def harness_set_flags():" in (repository / "tests/conftest.py").read_text())


def test_names_are_short_and_in_the_order_of_the_code(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the prefix that all share, in each file by line; a name that is taken keeps its whole key."""
    flags = "import os\nif os.getenv('MYAPP_FEATURE_Z'):\n    pass\nif os.getenv('MYAPP_FEATURE_USE_Z'):\n    pass\n"
    code = AGENT.format(
        read="if text:\n        x = bool(os.getenv('MYAPP_FEATURE_X'))\n    if os.getenv('MYAPP_OFF'): pass"
    )
    lay_out(repository, {"b.py": flags, "agent.py": code})
    shown = _proposal(capsys)
    names = [line.split()[0] for line in shown.splitlines() if line.endswith((":6)", ":7)", "b.py:2)", "b.py:4)"))]
    assert ["x", "myapp_off", "z", "myapp_feature_use_z"] == names
    assert shown == _proposal(capsys)


def test_a_read_whose_name_is_not_known_is_listed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the line to add, in the configuration too; not once a flag is declared that it may read."""
    read = "fast = os.getenv('BOT_' + text.upper()) or getattr(config, text) or os.environ[f'{text}_API_KEY']"
    lay_out(repository, {"agent.py": AGENT.format(read=read)})
    shown = _proposal(capsys)
    for line in (
        "Unclear, as the name is made when the code runs: declare it by hand, unless a flag above is meant",
        "  agent.py:5  os.getenv('BOT_' + text.upper())",
        '    below [tool.flag-harness.flags]: name = "BOT_NAME"',
        "  agent.py:5  getattr(config, text)",
        '    below [tool.flag-harness.flags]: name = { set = "harness_set_flags" }',
        '# name = "BOT_NAME"                                          # agent.py:5: unclear, declare it by hand',
    ):
        assert line in shown.splitlines()
    assert "API_KEY" not in shown.partition("---")[0]
    declared = '[tool.flag-harness.flags]\nfast = "BOT_FAST"\ntone = { set = "harness_set_flags" }\n'
    (repository / "pyproject.toml").write_text(declared)
    (repository / "test_agent.py").write_text("@pytest.mark.flag_matrix\ndef test_agent(cassette): ...\n")
    assert 0 == main(["init"])
    assert "Unclear" not in capsys.readouterr().out


def test_options_are_flags_that_the_test_passes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To `main`, in this process; the first test is green under each combination."""
    lay_out(repository, samples.ARGPARSE_AGENT)
    assert 0 == main(["init"]), capsys.readouterr()
    shown = capsys.readouterr().out
    assert "Agent: main (ask.py:" in shown
    assert 2 == shown.count("6 passed")
    assert "OPTIONS" not in (repository / "test_flag_matrix.py").read_text()
    fixtures = (repository / "conftest.py").read_text()
    assert "def harness_set_flags():\n" in fixtures
    assert "def flag_options(flags):\n" in fixtures
    fast, deep, cache = read_config(repository / "pyproject.toml").flags
    assert ("fast", False, ()) == (fast.name, fast.default, fast.excludes)
    assert ("deep", False, ("fast",)) == (deep.name, deep.default, deep.excludes)
    assert ("cache", True, ()) == (cache.name, cache.default, cache.excludes)
    before = _tree(repository)
    assert 0 == main(["init"])
    assert "does not declare" not in capsys.readouterr().out
    assert before == _tree(repository)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("def main(argv=None)", "async def main()"),
            ['("sys.argv", ["ask.py", "Hello.", *flag_options])', "(main())"],
        ),
        (("print(", "sys.exit("), ['command = [sys.executable, "ask.py", "Hello.", *flag_options]', "cassette_server"]),
        (("parser.parse_args", "parser.add_subparsers"), ["    main([..., *flag_options])"]),
        (("action=", "help="), ["def test_the_agent_answers(cassette, capsys):", '    main(["Hello."])']),
        (("mutually_exclusive_group()", 'argument_group("x")'), ['    ("safe", False): "--safe",']),
        (('--deep", action="store_true"', '--deep", action=argparse.BooleanOptionalAction'), ['False): "--no-deep",']),
        (("argv=None", "args: argparse.Namespace"), ['command = [sys.executable, "ask.py", "Hello.", *flag_options]']),
        (("argv=None", "x=None, argv=None"), ['command = [sys.executable, "ask.py", "Hello.", *flag_options]']),
    ],
)
def test_a_command_line_is_tested_as_it_reads_its_arguments(
    repository: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], expected: list[str]
) -> None:
    """Called if it can be, else started; what nobody can guess is a test to complete."""
    code = samples.ARGPARSE_AGENT["ask.py"].replace(*change)
    lay_out(repository, {**samples.ARGPARSE_AGENT, "ask.py": code})
    shown = _proposal(capsys)
    assert [] == [text for text in expected if text not in shown]


def test_options_and_flags_of_launchdarkly_share_a_fixture(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """That of LaunchDarkly: the test passes the options. A name that both have is told apart."""
    code = samples.ARGPARSE_AGENT["ask.py"].replace("if fast else", "if client.variation('fast', ctx, False) else")
    lay_out(repository, {**samples.ARGPARSE_AGENT, "ask.py": code})
    shown = _proposal(capsys)
    assert 1 == shown.count("def harness_set_flags():")
    assert 'fast_option = { set = "harness_set_flags" } ' in shown
    assert '    ("fast_option", True): "--fast",' in shown
    assert "        for name, key in KEYS.items():" in shown


def test_a_command_line_in_another_module_than_its_agent_is_tested(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it has flags among its options: they matter only there."""
    head, _, tail = samples.ARGPARSE_AGENT["ask.py"].partition("def main")
    files = {"answer.py": head, "ask.py": f"import argparse\nfrom answer import answer\ndef main{tail}"}
    lay_out(repository, files)
    assert "from ask import main" in _proposal(capsys)


def test_a_command_line_that_cannot_be_guessed_is_a_test_to_complete(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the repository has nothing else to call. The scenario that answers it is written."""
    code = AGENT.format(read="pass").replace("answer(text)", "main(argv)")
    lay_out(repository, {"agent.py": f"{code}    parser.add_argument('path')\n"})
    assert 0 == main(["init"])
    shown = capsys.readouterr().out
    assert "  agent.py:4 main: the arguments that its command line requires\n" in shown
    assert "    main([...])\n" in shown
    assert "Then: pytest --record-mode=once --harness-upstream=simulator test_flag_matrix.py\n" in shown
    assert (repository / "fixtures/scenarios/hello.toml").exists()


@pytest.mark.parametrize("table", ["[tool]\nflag-harness = 3", "[tool.flag-harness]\nflags = 3"])
def test_settings_that_are_no_table_are_one_line(
    repository: Path, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    """Which names the file."""
    lay_out(repository, {"agent.py": AGENT.format(read="os.getenv(text)"), "pyproject.toml": table})
    assert 2 == main(["init"])
    assert capsys.readouterr().err.startswith(f"{repository}/pyproject.toml")


def test_five_reads_whose_names_are_not_known_are_listed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are counted."""
    lay_out(repository, {"agent.py": AGENT.format(read="; ".join(f"os.getenv(text + 'X{n}')" for n in range(7)))})
    shown = _proposal(capsys)
    assert 5 == shown.count("    below [tool.flag-harness.flags]: ")
    assert "\n  and 2 more\n" in shown
