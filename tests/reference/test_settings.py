"""The reference agent's flags and numbers, read from the environment."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.errors import FlagError
from flag_harness.flag import SHIPPED_FLAGS, TRUE_VALUES, Flag, combination_id
from flag_harness.reference.settings import (
    AGENT_VARIABLES,
    MAX_TOKENS,
    AgentSettings,
    read_settings,
    thinking_budget_message,
)


@pytest.mark.parametrize("text", ["Yes", "T", "1", "true", "TRUE", "y", " yes\n"])
def test_a_true_value_turns_a_flag_on(text: str) -> None:
    """In any case, and with the white space that shells leave."""
    assert read_settings({"ENABLE_STREAMING": text}).streaming


@pytest.mark.parametrize("environ", [{}, *({"ENABLE_STREAMING": text} for text in ["0", "off", "", "no", "on", "2"])])
def test_anything_else_leaves_a_flag_off(environ: dict[str, str]) -> None:
    """Unset and empty too."""
    assert not read_settings(environ).streaming


@given(st.sets(st.sampled_from(SHIPPED_FLAGS)), st.sampled_from(sorted(TRUE_VALUES)))
def test_each_flag_is_read_from_its_own_variable(on: set[Flag], value: str) -> None:
    """The settings hold what the environment says, and their combination names it in declared order."""
    settings = read_settings({flag.env: value for flag in on})
    assert [flag in on for flag in SHIPPED_FLAGS] == [getattr(settings, flag.name) for flag in SHIPPED_FLAGS]
    assert combination_id(flag.name for flag in SHIPPED_FLAGS if flag in on) == settings.combination


def test_an_empty_environment_gives_the_defaults() -> None:
    """The plan's numbers: 16384 tokens, 12000 of them to think, tools on."""
    assert AgentSettings(False, False, False, 16384, 12000, True) == read_settings({})


@pytest.mark.parametrize(
    ("environ", "tools"),
    [({}, True), ({"ENABLE_TOOLS": ""}, True), ({"ENABLE_TOOLS": "y"}, True), ({"ENABLE_TOOLS": "off"}, False)],
)
def test_tools_are_on_unless_set_off(environ: dict[str, str], tools: bool) -> None:
    """The one switch that is on where nothing is said."""
    assert tools == read_settings(environ).tools_enabled


@given(st.integers(1025, 10**9), st.data())
def test_numbers_that_keep_the_rules_are_read(max_tokens: int, data: st.DataObject) -> None:
    """At least 1024 tokens to think, and fewer than there are in all."""
    budget = data.draw(st.integers(1024, max_tokens - 1))
    settings = read_settings({"MAX_TOKENS": f" {max_tokens} ", "THINKING_BUDGET": str(budget)})
    assert (max_tokens, budget) == (settings.max_tokens, settings.thinking_budget)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"MAX_TOKENS": "abc"},
            "MAX_TOKENS='abc' is not a whole number; set it to one, or unset it for 16384",
        ),
        (
            {"MAX_TOKENS": "4096.5"},
            "MAX_TOKENS='4096.5' is not a whole number; set it to one, or unset it for 16384",
        ),
        ({"MAX_TOKENS": "0"}, "MAX_TOKENS=0 must be at least 1; unset it for 16384"),
        ({"MAX_TOKENS": "-5"}, "MAX_TOKENS=-5 must be at least 1; unset it for 16384"),
        (
            {"THINKING_BUDGET": "many"},
            "THINKING_BUDGET='many' is not a whole number; set it to one, or unset it for 12000",
        ),
        ({"THINKING_BUDGET": "1023"}, "THINKING_BUDGET=1023 must be at least 1024; unset it for 12000"),
        *(
            ({"MAX_TOKENS": text}, f"MAX_TOKENS={text!r} is not a whole number; set it to one, or unset it for 16384")
            for text in ("1_0_0", "٣٤٥", "+5", "9" * 5000)
        ),
        (
            {"MAX_TOKENS": "12000", "THINKING_BUDGET": "12000"},
            "THINKING_BUDGET=12000 (its default) must be below MAX_TOKENS=12000; "
            "set THINKING_BUDGET to at most 11999, or MAX_TOKENS to at least 12001",
        ),
        (
            {"MAX_TOKENS": "1025", "THINKING_BUDGET": "1025"},
            "THINKING_BUDGET=1025 must be below MAX_TOKENS=1025; "
            "set THINKING_BUDGET to at most 1024, or MAX_TOKENS to at least 1026",
        ),
        (
            {"MAX_TOKENS": "1024", "THINKING_BUDGET": "1024"},
            "THINKING_BUDGET=1024 must be below MAX_TOKENS=1024; set MAX_TOKENS to at least 1025",
        ),
        (
            {"MAX_TOKENS": "2000", "THINKING_BUDGET": "5000"},
            "THINKING_BUDGET=5000 must be below MAX_TOKENS=2000; "
            "set THINKING_BUDGET to at most 1999, or MAX_TOKENS to at least 5001",
        ),
    ],
)
def test_a_bad_number_is_one_line_with_variable_value_and_rule(environ: dict[str, str], message: str) -> None:
    """And what to type next."""
    with pytest.raises(FlagError) as caught:
        read_settings(environ)
    assert message == str(caught.value)


@given(st.text())
def test_a_number_is_read_or_refused_in_one_line(text: str) -> None:
    """No other error escapes, whatever stands in the variable."""
    try:
        outcome = str(MAX_TOKENS.read({"MAX_TOKENS": text}))
    except FlagError as error:
        outcome = str(error)
    assert 1 == len(outcome.splitlines())
    assert not outcome.startswith("-")


@given(st.integers(1, 3000), st.integers(1024, 3000))
def test_the_advice_in_the_budget_message_works(max_tokens: int, budget: int) -> None:
    """Each number that it names is taken."""
    problem = thinking_budget_message(max_tokens, budget) or ""
    for variable, number in re.findall("(MAX_TOKENS|THINKING_BUDGET) to at (?:most|least) ([0-9]+)", problem):
        read_settings({"MAX_TOKENS": str(max_tokens), "THINKING_BUDGET": str(budget), variable: number})
    assert bool(problem) == (budget >= max_tokens)


@pytest.mark.parametrize("environ", [{"MAX_TOKENS": "500"}, {"THINKING_BUDGET": "20000", "MAX_TOKENS": " "}])
def test_one_number_alone_is_taken_whatever_the_other_is_where_unset(environ: dict[str, str]) -> None:
    """Whether the two fit is a question of the requests that hold both."""
    settings = read_settings(environ)
    assert settings.thinking_budget > settings.max_tokens


def test_every_variable_is_declared() -> None:
    """Cases unset these and no others."""
    assert (
        "ENABLE_STREAMING",
        "ENABLE_PROMPT_CACHE",
        "ENABLE_EXTENDED_OUTPUT",
        "MAX_TOKENS",
        "THINKING_BUDGET",
        "ENABLE_TOOLS",
        "PROMPT_CACHE_BETA",
    ) == AGENT_VARIABLES
