"""The flag matrix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FlagError
from harness.flags import SHIPPED, Flag
from harness.matrix import Combination, matrix, pinned


@st.composite
def _flags(draw: st.DrawFn) -> tuple[Flag, ...]:
    """Up to five flags, each of which may require any of the others."""
    names = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=5))
    return tuple(
        Flag(name, name.upper(), tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=2))))
        for name in names
    )


def test_the_shipped_flags_make_eight_combinations_fewest_first() -> None:
    """Their ids are those of the cases."""
    assert (
        "off",
        "streaming",
        "prompt_cache",
        "extended_output",
        "streaming+prompt_cache",
        "streaming+extended_output",
        "prompt_cache+extended_output",
        "streaming+prompt_cache+extended_output",
    ) == tuple(combination.id for combination in matrix(SHIPPED))


def test_a_combination_says_what_the_environment_must_hold() -> None:
    """A variable for each flag: `true`, or unset."""
    combination = Combination(SHIPPED, frozenset({"streaming"}))
    assert {
        "ENABLE_STREAMING": "true",
        "ENABLE_PROMPT_CACHE": None,
        "ENABLE_EXTENDED_OUTPUT": None,
    } == combination.environ
    assert "streaming" in combination
    assert "prompt_cache" not in combination


@given(_flags())
def test_the_matrix_holds_each_allowed_combination_once(flags: tuple[Flag, ...]) -> None:
    """What is left out breaks a requirement, what is in breaks none, no two share an id, and `off` comes first."""
    every = matrix(flags)
    requires = {flag.name: set(flag.requires) for flag in flags}
    for bits in range(2 ** len(flags)):
        on = frozenset(flag.name for place, flag in enumerate(flags) if bits >> place & 1)
        allowed = all(requires[name] <= on for name in on)
        assert allowed == (Combination(flags, on) in every)
    assert len(every) == len({combination.id for combination in every})
    assert "off" == every[0].id
    assert sorted(len(combination.on) for combination in every) == [len(combination.on) for combination in every]


@given(_flags())
def test_the_environment_of_a_combination_turns_on_its_flags(flags: tuple[Flag, ...]) -> None:
    """Reading the flags back gives the combination."""
    for combination in matrix(flags):
        environ = {name: value for name, value in combination.environ.items() if value is not None}
        assert combination.on == {flag.name for flag in flags if flag.enabled(environ)}


def test_a_requirement_that_is_not_declared_is_an_error() -> None:
    """It names both flags."""
    with pytest.raises(FlagError) as caught:
        matrix([Flag("planner", "PLANNER", ("streaming",))])
    assert "flag 'planner' requires 'streaming', which is not declared" == str(caught.value)


def test_pins_turn_on_what_they_say_and_nothing_else() -> None:
    """The others stay off."""
    assert "prompt_cache" == pinned(SHIPPED, {"prompt_cache": True, "streaming": False}).id
    assert "off" == pinned(SHIPPED, {}).id


def test_a_pin_that_is_no_flag_is_an_error_that_lists_them() -> None:
    """The first in alphabetical order is named."""
    with pytest.raises(FlagError) as caught:
        pinned(SHIPPED, {"streeming": True, "streaming": True})
    assert "no flag is called 'streeming'; declared: streaming, prompt_cache, extended_output" == str(caught.value)
