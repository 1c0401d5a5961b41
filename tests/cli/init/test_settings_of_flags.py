"""`flag-harness init` where flags are read at import, or the project has settings of the harness already."""

import subprocess
import sys
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.config import read_config
from tests.cli.init import samples
from tests.cli.init.samples import lay_out

CONFIGURED_BOT = {
    "pyproject.toml": "",
    "bot/__init__.py": "",
    "bot/config.py": """
import os

LONG = os.environ.get("BOT_LONG", "") == "1"

class Settings:
    def __init__(self):
        self.polite = bool(os.environ.get("BOT_POLITE"))

settings = Settings()
""",
    "bot/agent.py": """
import anthropic
from bot.config import LONG, settings

def answer(question: str) -> str:
    extra = {"system": "Be polite."} if settings.polite else {}
    messages = [{"role": "user", "content": question}]
    message = anthropic.Anthropic().messages.create(
        model="claude-haiku-4-5", max_tokens=2000 if LONG else 200, messages=messages, **extra
    )
    return message.content[0].text
""",
}


def test_flags_that_are_read_at_import_are_set_where_they_are_kept(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a fixture, in the settings object and in each module that has the constant: so both change requests."""
    lay_out(repository, CONFIGURED_BOT)
    assert 0 == main(["init"]), capsys.readouterr()
    shown = capsys.readouterr().out
    assert 2 == shown.count("4 passed")
    assert "changed no request" not in shown
    assert [("long", "harness_set_flags"), ("polite", "harness_set_flags")] == [
        (flag.name, flag.set) for flag in read_config(repository / "pyproject.toml").flags
    ]
    fixtures = (repository / "conftest.py").read_text()
    for line in (
        'monkeypatch.setattr(bot.config, "LONG", combination.values["long"])',
        'monkeypatch.setattr(bot.agent, "LONG", combination.values["long"])',
        'monkeypatch.setattr(bot.config.settings, "polite", combination.values["polite"])',
    ):
        assert line in fixtures
    (repository / "test_one_flag.py").write_text(
        "import pytest\nfrom bot.agent import answer\n\n@pytest.mark.flag_matrix('long')\n"
        "def test_it(cassette, flags):\n    assert answer('Hello.')\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "test_one_flag.py",
        "--disable-recording",
        "--harness-upstream=simulator",
    ]
    assert "2 passed" in subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("FAST = bool(os.getenv('FAST'))", 'monkeypatch.setattr(agent, "FAST", '),
        (
            "try:\n    FAST = os.getenv('FAST') == '1'\nexcept KeyError:\n    pass",
            'monkeypatch.setattr(agent, "FAST", ',
        ),
        ("class Config:\n    FAST = os.getenv('FAST') == '1'", 'monkeypatch.setattr(agent.Config, "FAST", '),
        (
            "class C:\n    def __init__(self):\n        self.fast = os.getenv('FAST') == '1'\nconfig = C()",
            'monkeypatch.setattr(agent.config, "fast", ',
        ),
        (
            "def load():\n    return Config(fast=os.getenv('FAST') == '1')\nconfig = load()",
            'monkeypatch.setattr(agent.config, "fast", ',
        ),
        (
            "class C:\n    @classmethod\n    def f(cls):\n        return cls(fast=bool(getenv('FAST')))\nc = C.f()",
            'monkeypatch.setattr(agent.c, "fast", ',
        ),
        (
            "class S(BaseSettings):\n    fast: bool = False\n@lru_cache\ndef get():\n    return S()",
            'monkeypatch.setattr(agent.get(), "fast", ',
        ),
    ],
)
def test_the_object_that_keeps_a_flag_is_found(
    repository: Path, capsys: pytest.CaptureFixture[str], code: str, target: str
) -> None:
    """Whether a module, a class, or what a class or function makes once."""
    lay_out(repository, {"agent.py": f"import os\n{code}\ndef answer(text):\n    client.messages.create()\n"})
    assert 0 == main(["init", "--dry-run"])
    shown = capsys.readouterr().out
    assert 'fast = { set = "harness_set_flags" }' in shown
    assert target in shown


@pytest.mark.parametrize(
    "code",
    [
        "FAST = bool(os.getenv('FAST'))\ndef later():\n    return bool(os.getenv('FAST'))",
        "@dataclass\nclass C:\n    fast: bool = os.getenv('FAST') == '1'\nconfig = C()",
        "class C(BaseSettings, frozen=True):\n    fast: bool = False\nconfig = C()",
        "class C:\n    def __init__(self):\n        self.fast = os.getenv('FAST') == '1'\ndef f():\n    c = C()",
        "def f(a):\n    fast = os.getenv('FAST') == '1'\nconfig = f(1)",
        "class C:\n    def f(self):\n        return os.getenv('FAST') == '1'\nconfig = C()",
        "if os.getenv('FAST') == '1':\n    pass",
    ],
)
def test_a_flag_that_is_read_later_or_kept_elsewhere_stays_a_variable(
    repository: Path, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    """The end of the run says what is wrong, if the read is at import."""
    lay_out(repository, {"agent.py": f"import os\n{code}\ndef answer(text):\n    client.messages.create()\n"})
    assert 0 == main(["init", "--dry-run"])
    assert "harness_set_flags" not in capsys.readouterr().out


def test_a_program_reads_its_flags_anew(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each combination starts it, so that its flags are variables; so are those outside the folder of the agent."""
    code = "import os\nFAST = os.getenv('FAST') == '1'\n"
    program = f"{code}if __name__ == '__main__':\n    client.messages.create()\n"
    lay_out(repository, {"agent.py": program})
    assert 0 == main(["init", "--dry-run"])
    assert "harness_set_flags" not in capsys.readouterr().out
    (repository / "agent.py").unlink()
    lay_out(repository, {"a-b/config.py": code, "src/agent.py": "def answer(text):\n    client.messages.create()\n"})
    assert 0 == main(["init", "--dry-run"])
    assert "harness_set_flags" not in capsys.readouterr().out


def test_settings_without_flags_get_flags_and_a_first_test(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the line with which a suite of pytest-recording runs. It is not written twice."""
    settings = "[tool.flag-harness]\nvcr_marks = true\n"
    lay_out(repository, {**samples.VCR_SUITE, "pyproject.toml": settings})
    assert 0 == main(["init"]), capsys.readouterr()
    shown = capsys.readouterr().out
    assert 2 == shown.count("2 passed")
    assert "3. Record it again: pytest tests/test_flag_matrix.py --record-mode=rewrite" in shown
    assert "5. Test flags with what you have recorded, without a key: docs/moving-in-flags.md" in shown
    text = (repository / "pyproject.toml").read_text()
    assert 1 == text.count("vcr_marks")
    assert ["long_answers"] == [flag.name for flag in read_config(repository / "pyproject.toml").flags]
    assert 0 == main(["init"])
    assert "so nothing was written" in capsys.readouterr().out
    assert text == (repository / "pyproject.toml").read_text()


def test_settings_in_an_ini_file_are_shown_the_lines_to_add(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the form of that file; with them, the first test is written."""
    ini = "[pytest]\npythonpath = .\nflag_harness =\n    vcr_marks = true\n"
    lay_out(repository, {**samples.VCR_SUITE, "pyproject.toml": "", "pytest.ini": ini})
    assert 0 == main(["init"])
    shown = capsys.readouterr().out
    line = '    flags.long_answers = "LONG_ANSWERS"\n'
    assert f"pytest.ini does not declare; add these lines to its setting flag_harness:\n{line}" in shown
    assert "Then flag-harness init writes a first test." in shown
    (repository / "pytest.ini").write_text(ini + line)
    assert 0 == main(["init"])
    assert 2 == capsys.readouterr().out.count("2 passed")
    assert "" == (repository / "pyproject.toml").read_text()
    (repository / "pytest.ini").write_text(ini)
    assert 0 == main(["init"])
    assert "Then flag-harness init" not in capsys.readouterr().out


def test_a_declared_flag_that_no_code_reads_is_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the variable that is meant."""
    table = '[tool.flag-harness.flags]\nthinking = { env = "BOT_TINKING", on = "on" }\n'
    lay_out(repository, {**samples.ASYNC_BOT, "pyproject.toml": table})
    assert 0 == main(["init", "--dry-run"])
    line = (
        "Declared flag thinking: no code of this project reads BOT_TINKING; did you mean BOT_THINKING (src/bot/agent.py"
    )
    assert line in capsys.readouterr().out


def test_options_of_a_project_with_declared_flags_are_left_to_it(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The settings do not say which flag is which option; the options that none may be are listed."""
    table = '[tool.flag-harness.flags]\nfast = { set = "harness_set_flags" }\n'
    lay_out(repository, {**samples.ARGPARSE_AGENT, "pyproject.toml": table})
    assert 0 == main(["init", "--dry-run"])
    shown = capsys.readouterr().out
    assert '    main(["Hello."])\n' in shown
    assert "@pytest.mark.flag_matrix\n" in shown
    assert '  cache = { set = "harness_set_flags", default = true }\n' in shown


@pytest.mark.parametrize(
    ("output", "variable"),
    [
        ("1 validation error for Settings\nBOT_MODEL\n  Field required [type=missing, input", "BOT_MODEL"),
        ("E   1 validation error for AppConfig\nE   bot_model\nE     Field required [type=missing, input", "BOT_MODEL"),
        ("E    x = os.environ['BOT_MODEL']\nE   File os.py\nE   KeyError: 'BOT_MODEL'", "BOT_MODEL"),
    ],
)
def test_a_variable_that_the_agent_needs_is_named(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: str,
    variable: str,
) -> None:
    """Whether its settings or its code miss it, in this process or in a program that the test starts."""
    failure = subprocess.CompletedProcess([], 1, f"{output}\nanswered: 1 run by nobody; requests: 1", "")
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: failure)
    lay_out(repository, samples.ASYNC_BOT)
    assert 1 == main(["init"])
    shown = capsys.readouterr().out
    assert f'os.environ.setdefault("{variable}", "claude-haiku-4-5") in a conftest.py beside test_' in shown


def test_a_program_in_a_package_is_started_as_a_module(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can import its package; a script that imports what lies beside it is started by its path."""
    code = "import client\nif __name__ == '__main__':\n    client.messages.create()\n"
    package = {"bot/__init__.py": "", "bot/client.py": "client = None\n"}
    lay_out(repository, {**package, "bot/cli.py": code.replace("import client", "from bot import client")})
    assert 0 == main(["init", "--dry-run"])
    assert 'command = [sys.executable, "-m", "bot.cli", "Hello."]' in capsys.readouterr().out
    lay_out(repository, {"bot/cli.py": code})
    assert 0 == main(["init", "--dry-run"])
    assert 'command = [sys.executable, "bot/cli.py", "Hello."]' in capsys.readouterr().out
