"""`[tool.flag-harness.privacy]` in a project's `pyproject.toml`."""

from pathlib import Path

import pytest

from flag_harness.cassette.redact.filters import project_filters
from flag_harness.config import Config, DetectorSettings
from flag_harness.config.table import parse_config
from flag_harness.errors import ConfigError


def test_detectors_are_read() -> None:
    """A pattern alone is masked; a table names a pattern or a function, and an action."""
    table = {
        "email": r"\S+@\S+",
        "phone": {"pattern": r"\+[0-9]+", "action": "warn"},
        "names": {"function": "myapp.privacy:find_names", "action": "refuse"},
    }
    expected = {
        "email": DetectorSettings(pattern=r"\S+@\S+", action="mask"),
        "phone": DetectorSettings(pattern=r"\+[0-9]+", action="warn"),
        "names": DetectorSettings(function="myapp.privacy:find_names", action="refuse"),
    }
    assert expected == parse_config({"privacy": table}, Path("p.toml")).privacy


def test_an_empty_table_differs_from_a_missing_one() -> None:
    """It says that there is nothing to find."""
    assert {} == parse_config({"privacy": {}}, Path("p.toml")).privacy
    assert None is parse_config({}, Path("p.toml")).privacy


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("x", " must be a table of detectors: phone = '\\+[0-9 ]{8,}'"),
        (
            {"email": 1},
            ' email = 1 must be a pattern, or { pattern = "..." or function = "module:function", action = "mask" }',
        ),
        ({"email": {}}, ' email needs either pattern = "..." or function = "module:function"'),
        (
            {"email": {"pattern": "a", "function": "b:c"}},
            ' email needs either pattern = "..." or function = "module:function"',
        ),
        (
            {"email": {"patern": "a"}},
            " email has no key 'patern'; the nearest is 'pattern' (all: pattern, function, action)",
        ),
        (
            {"email": {"pattern": "a", "action": "masked"}},
            " email action = 'masked' must be one of mask, refuse, warn; the nearest is 'mask'",
        ),
        (
            {"email": "["},
            " email pattern: '[' is not a regular expression: unterminated character set at position 0",
        ),
    ],
)
def test_what_cannot_be_understood_is_named(table: object, message: str) -> None:
    """With the file, the detector, the key and the nearest one."""
    with pytest.raises(ConfigError) as refused:
        parse_config({"privacy": table}, Path("p.toml"))
    assert f"p.toml: [tool.flag-harness.privacy]{message}" == str(refused.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("find", "function 'find' must be spelled module:attribute, such as myapp.privacy:find_names"),
        ("own_privacy:fnd", "function 'own_privacy:fnd' cannot be found: module 'own_privacy' has no attribute 'fnd'"),
        ("own_privacy:LIMIT", "'own_privacy:LIMIT' must be a function of a text, not int"),
    ],
)
def test_a_function_that_cannot_be_used_is_named(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the detector; modules beside pyproject.toml can be imported."""
    (tmp_path / "own_privacy.py").write_text("LIMIT = 1\n")
    monkeypatch.setattr("sys.modules", dict(__import__("sys").modules))
    with pytest.raises(ConfigError) as refused:
        project_filters(Config(privacy={"names": DetectorSettings(function=name)}), tmp_path)
    assert f"[tool.flag-harness.privacy] names: {message}" == str(refused.value)
