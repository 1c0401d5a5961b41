"""Variables of flags that no code of the project names."""

import pytest

from flag_harness.analysis.code.unread_variables import find_unread_variables
from flag_harness.flag import Flag

FLAG = Flag("streaming", "SUPORT_STREAMING")


def _finding(code: str, path: str = "bot.py") -> str:
    """Return what is said of the flag's variable, or an empty string."""
    found = find_unread_variables([FLAG], {path: code}, [FLAG, Flag("other", "SUPPORT_STREAMIN")])
    return str(found["streaming"]) if found else ""


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("import os\ndef ask():\n    return os.getenv('SUPPORT_STREAMING') or os.getenv('SUPPORT_STREAMIN')", 3),
        ("NAME = 'SUPPORT_STREAMING'\nread(NAME)", 2),
        (
            "class Settings(BaseSettings):\n    streaming: bool = False\n    model_config = {'env_prefix': 'support_'}",
            2,
        ),
        ("@click.option('--streaming', envvar='X')\ndef main(): env.bool('SUPPORT_STREAMING')  # SUPORT_STREAMING", 2),
        ('"""Reads SUPORT_STREAMING."""\nos.environ["SUPPORT_STREAMING"]', 2),
    ],
)
def test_the_nearest_variable_that_the_code_reads_is_named(code: str, place: int) -> None:
    """Also the one of a settings field. Comments and docstrings read nothing, and declared variables are not meant."""
    expected = f"no code of this project reads SUPORT_STREAMING; did you mean SUPPORT_STREAMING (bot.py:{place})?"
    assert expected == _finding(code)


def test_a_script_of_node_may_read_the_variable_that_is_meant() -> None:
    """Its line is named too."""
    code = "const a = 1;\nconst on = process.env.SUPPORT_STREAMING === 'true';"
    assert "did you mean SUPPORT_STREAMING (agent.mjs:2)?" in _finding(code, "agent.mjs")


def test_a_variable_without_a_similar_one_may_be_read_by_a_library() -> None:
    """So nothing is proposed. Without any file, nothing is said."""
    assert _finding("import os\nos.getenv('HOME')").endswith("it is gone, misspelt, or read by a library.")
    assert {} == find_unread_variables([FLAG], {"pyproject.toml": "streaming = 'SUPORT_STREAMING'"})


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("os.getenv('SUPORT_STREAMING')", "bot.py"),
        ("settings.SUPORT_STREAMING", "bot.py"),
        ("from dynaconf import Dynaconf\nDynaconf(envvar_prefix='SUPORT')", "bot.py"),
        ("main(auto_envvar_prefix='SUPORT_')", "bot.py"),
        ("os.getenv('SUPORT_' + name)", "bot.py"),
        ("PREFIX = 'SUPORT_'\nos.getenv(f'{PREFIX}{name}')", "bot.py"),
        ("def on(name):\n    for key in keys:\n        os.getenv(key)\non('suport_streaming')", "bot.py"),
        ("class S(BaseSettings):\n    suport_streaming: bool = True", "bot.py"),
        ("class S(BaseSettings):\n    model_config = dict(env_prefix='SUPORT_', env_nested_delimiter='__')", "bot.py"),
        (
            "class S(BaseSettings):\n    on: bool = Field(False, validation_alias=AliasChoices('SUPORT_STREAMING'))",
            "b.py",
        ),
        ("def broken(: SUPORT_STREAMING", "bot.py"),
        ("process.env.SUPORT_STREAMING", "agent.ts"),
        ("streaming: ${oc.env:SUPORT_STREAMING}", "config.yaml"),
    ],
)
def test_a_variable_that_may_be_read_is_not_named(code: str, path: str) -> None:
    """Its name may be completed when the code runs, or stand in a file of another language."""
    assert "" == _finding(code, path)


def test_a_configuration_that_sets_a_variable_does_not_read_it() -> None:
    """Such as the environment of a container."""
    texts = {"compose.yaml": "environment:\n  SUPORT_STREAMING: 'true'", "bot.py": ""}
    assert ["streaming"] == [*find_unread_variables([FLAG], texts)]
