"""Flags in the environment, and the ids of their combinations."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.errors import FlagError
from flag_harness.flag import (
    SHIPPED_FLAGS,
    STREAMING,
    TRUE_VALUES,
    Flag,
    check_flags,
    combination_id,
    unknown_flag_message,
)
from flag_harness.matrix import pin_flags


@given(st.text())
def test_exactly_the_declared_values_are_on(text: str) -> None:
    """Whatever stands in the variable, it is on or off, and never an error."""
    assert STREAMING.is_enabled({STREAMING.env: text}) == (text.strip().lower() in TRUE_VALUES)


@pytest.mark.parametrize(
    ("names", "identity"),
    [([], "off"), (["streaming"], "streaming"), (["streaming", "prompt_cache"], "streaming+prompt_cache")],
)
def test_a_combination_is_called_by_its_flags(names: list[str], identity: str) -> None:
    """`off` where there is none."""
    assert identity == combination_id(names)


NAMES = "ids of combinations consist of names; use letters, digits, _ and -, and a word other than 'off'"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([Flag("off", "A")], f"no flag can be called 'off': {NAMES}"),
        ([Flag("Off", "A")], f"no flag can be called 'Off': {NAMES}"),
        ([Flag("", "A")], f"no flag can be called '': {NAMES}"),
        ([Flag("a+b", "A")], f"no flag can be called 'a+b': {NAMES}"),
        ([Flag("a\n", "A")], f"no flag can be called 'a\\n': {NAMES}"),
        (
            [Flag("a", "")],
            "flag 'a' has the variable '', which is not a valid name; use a name without spaces and without =",
        ),
        (
            [Flag("a", "A=B")],
            "flag 'a' has the variable 'A=B', which is not a valid name; use a name without spaces and without =",
        ),
        (
            [Flag("a", "A B")],
            "flag 'a' has the variable 'A B', which is not a valid name; use a name without spaces and without =",
        ),
        (
            [Flag("a", "A", openfeature="a")],
            "flag 'a' has several sources, env and openfeature; keep one of them",
        ),
        (
            [Flag("a", set="myapp override")],
            "flag 'a' is set by 'myapp override', which is neither module:function, such as "
            "myapp.settings:override, nor the fixture harness_set_flags; write one of them",
        ),
        (
            [Flag("a", openfeature="a", values=(b"x", b"y"), default=b"x", labels=("x", "y"))],
            "flag 'a' has the value b'x', which OpenFeature cannot hold; "
            "use booleans, strings, numbers, lists or tables",
        ),
        (
            [Flag("a", "A", values=("x", "y"), default="x", labels=("x",))],
            "flag 'a' has 2 values and 1 labels",
        ),
        (
            [Flag("a", "A", on="1", off="1")],
            "flag 'a' is on and off with the same value, '1'; give it two values",
        ),
        (
            [Flag("a", "A", values=("x", "y"), default="x", labels=("y", "x"))],
            "flag 'a' calls 'x' 'y', and another value 'x'; rename that one",
        ),
        ([Flag("a", "A"), Flag("a", "B")], "two flags are called 'a'; give one of them another name"),
        ([Flag("a", "A"), Flag("b", "A")], "flags 'a' and 'b' share the variable A; give each its own"),
        (
            [Flag("a", "A", values=("x",), default="x")],
            "flag 'a' has fewer than two values; list at least two, its default among them",
        ),
        (
            [Flag("a", "A", values=("x y", "x.y", "X-Y"), default="x y")],
            "flag 'a' has the values 'x y' and 'X-Y', which ids would both call 'X-Y'; "
            "name them: values = { one = 'x y', two = 'X-Y' }",
        ),
        (
            [Flag("a", "A", values=(True, "true"), default=True)],
            "flag 'a' has the values True and 'true', which ids would both call 'true'; "
            "name them: values = { one = true, two = 'true' }",
        ),
        (
            [Flag("a", "A", values=(1, "1"), default=1)],
            "flag 'a' has the values 1 and '1', which ids would both call '1'; "
            "name them: values = { one = 1, two = '1' }",
        ),
        (
            [Flag("a", "A", values=(1, "1"), default=1, labels=("one", "two"))],
            "flag 'a' has the values 1 and '1', and A would be '1' for both; drop one of them",
        ),
        (
            [Flag("a", "A", values=("x", "y" * 41), default="x")],
            f"flag 'a' cannot call its value '{'y' * 41}' '{'y' * 41}': ids of combinations consist of names; "
            f"use up to 40 letters, digits, _, . and -: values = {{ short = '{'y' * 41}' }}",
        ),
    ],
)
def test_flags_whose_combinations_would_have_no_ids_of_their_own_are_refused(flags: list[Flag], message: str) -> None:
    """In one line that says what to write instead."""
    with pytest.raises(FlagError) as caught:
        check_flags(flags)
    assert message == str(caught.value)


@pytest.mark.parametrize("flags", [[], SHIPPED_FLAGS, [Flag("new-planner_2", "app.PLANNER"), Flag("b", "B", ("b",))]])
def test_flags_that_can_be_told_apart_pass(flags: list[Flag]) -> None:
    """Any variable that a process can be given will do."""
    check_flags(flags)


@pytest.mark.parametrize(
    ("flag", "text", "expected"),
    [
        (Flag("a", "A", on="1", off="0"), "1", True),
        (Flag("a", "A", on="1", off="0"), "0", False),
        (Flag("a", "A", on="v2"), "v2", True),
        (Flag("a", "A", on="off", off="true"), "true", False),
        (Flag("a", "A", on=None, off="false", default=True), "", True),
        (Flag("a", "A", on=None, off="false", default=True), "false", False),
        (Flag("a", "A", on=None, off="false", default=True), "true", True),
    ],
)
def test_a_flag_with_values_of_its_own_is_read_by_them(flag: Flag, text: str, expected: bool) -> None:
    """An unset variable means the default."""
    assert expected is flag.is_enabled({"A": text} if text else {})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([Flag("a", "A"), Flag("no-a", "B")], "a flag cannot be called 'no-a' beside 'a'"),
        ([Flag("a", "A", on="1", off="1")], "flag 'a' is on and off with the same value, '1'"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(flags: list[Flag], message: str) -> None:
    """Before anything runs, in one line."""
    with pytest.raises(FlagError, match=rf"^{re.escape(message)}"):
        check_flags(flags)


def test_an_unknown_flag_that_is_a_variable_leads_to_the_flag_that_it_sets() -> None:
    """Else to the most similar name, whatever its case."""
    flags = (
        Flag("groups", env="CHANGELOG_GROUPS"),
        Flag("cache", openfeature="cache-key"),
        Flag("beta", env="BETA_UI"),
    )
    message = unknown_flag_message("cache-key", flags)
    assert "no flag is called 'cache-key'; it is what the flag 'cache' is set by" == message
    nearest = unknown_flag_message("BETA", flags)
    assert "no flag is called 'BETA'; the nearest is 'beta'; known: groups, cache, beta" == nearest
    with pytest.raises(FlagError, match=r"it is what the flag 'groups' is set by"):
        pin_flags(flags, {"CHANGELOG_GROUPS": True})
