"""The environment variables of settings classes."""

import ast

import pytest

from flag_harness.analysis.code.settings_classes import flags_in_settings_class


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("fast: bool = False", [("fast", "FAST", False)]),
        ("fast: bool = True", [("fast", "FAST", True)]),
        ("fast: bool = Field(True, description='Quick answers')", [("fast", "FAST", True)]),
        ("fast: bool = Field(default=False, alias='BOT_FAST')", [("fast", "BOT_FAST", False)]),
        ("fast: bool = Field(validation_alias=AliasChoices('QUICK', 'FAST'))", [("fast", "QUICK", False)]),
        ("fast: bool = Field(alias=NAME)", [("fast", "FAST", False)]),
        ("model_config = SettingsConfigDict(env_prefix='bot_')\n    fast: bool = False", [("fast", "BOT_FAST", False)]),
        (
            "model_config = {'env_prefix': 'bot_', 'case_sensitive': True}\n    fast: bool = False",
            [("fast", "bot_fast", False)],
        ),
        ("class Config:\n        env_prefix = 'BOT_'\n    fast: bool = False", [("fast", "BOT_FAST", False)]),
        ("limit: int = 3\n    def total(self): ...\n    fast: bool | None = None", [("fast", "FAST", False)]),
        ("config['fast']: bool = False\n    name = other = 'x'", []),
    ],
)
def test_a_boolean_field_is_a_flag_with_its_variable(body: str, expected: list[tuple[str, str, bool]]) -> None:
    """Under its alias or with the prefix of the class, as pydantic reads it, and with its default."""
    [node] = ast.parse(f"class Settings(BaseSettings):\n    {body}\n").body
    assert isinstance(node, ast.ClassDef)
    assert expected == [(one.name, one.key, one.is_on_by_default) for one in flags_in_settings_class(node, "config.py")]


def test_a_class_that_is_no_settings_class_has_no_flags() -> None:
    """Though it has a boolean field."""
    [node] = ast.parse("class Order(BaseModel):\n    paid: bool = False\n").body
    assert isinstance(node, ast.ClassDef)
    assert [] == list(flags_in_settings_class(node, "orders.py"))
