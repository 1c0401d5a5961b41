"""The flag matrix."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.errors import FlagError
from flag_harness.flag import SHIPPED_FLAGS, STREAMING, Flag
from flag_harness.matrix import Combination, all_combinations, parse_combination, pin_flags, read_combination
from flag_harness.matrix.compared_combinations import combinations_to_compare


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
    ) == tuple(combination.id for combination in all_combinations(SHIPPED_FLAGS))


def test_a_combination_says_what_the_environment_must_hold() -> None:
    """A variable for each flag: `true`, or unset."""
    combination = Combination(SHIPPED_FLAGS, (1, 0, 0))
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
    every = all_combinations(flags)
    requires = {flag.name: set(flag.requires) for flag in flags}
    for bits in range(2 ** len(flags)):
        on = frozenset(flag.name for place, flag in enumerate(flags) if bits >> place & 1)
        allowed = all(requires[name] <= on for name in on)
        assert allowed == (Combination(flags, tuple(int(flag.name in on) for flag in flags)) in every)
    assert len(every) == len({combination.id for combination in every})
    assert "off" == every[0].id
    assert sorted(len(combination.on) for combination in every) == [len(combination.on) for combination in every]


@given(_flags())
def test_the_environment_of_a_combination_turns_on_its_flags(flags: tuple[Flag, ...]) -> None:
    """Reading the flags back gives the combination."""
    for combination in all_combinations(flags):
        environ = {name: value for name, value in combination.environ.items() if value is not None}
        assert combination.on == {flag.name for flag in flags if flag.is_enabled(environ)}


def test_a_requirement_that_is_not_among_the_flags_is_an_error() -> None:
    """It names both flags, and says what to add."""
    with pytest.raises(FlagError) as caught:
        all_combinations([Flag("planner", "PLANNER", ("streaming",)), Flag("cheap", "CHEAP")])
    assert (
        "flag 'planner' requires 'streaming', which is not among these flags (planner, cheap); add 'streaming' to them"
    ) == str(caught.value)


@given(_flags(), st.dictionaries(st.sampled_from("abcdefgh"), st.booleans()))
def test_pins_give_a_combination_of_the_matrix_or_an_error(flags: tuple[Flag, ...], pins: dict[str, bool]) -> None:
    """Whatever is pinned: no test runs under flags that the matrix does not have."""
    wanted = Combination(flags, tuple(int(pins.get(flag.name, False)) for flag in flags))
    possible = pins.keys() <= {flag.name for flag in flags} and wanted in all_combinations(flags)
    try:
        assert wanted == pin_flags(flags, pins)
    except FlagError:
        assert not possible
    else:
        assert possible


def test_a_pin_without_the_flag_that_it_requires_is_an_error() -> None:
    """It says what to pin too."""
    flags = (Flag("streaming", "STREAMING"), Flag("planner", "PLANNER", ("streaming",)))
    assert "streaming+planner" == pin_flags(flags, {"planner": True, "streaming": True}).id
    with pytest.raises(FlagError) as caught:
        pin_flags(flags, {"planner": True, "streaming": False})
    assert "planner=True requires streaming=True; pin it too" == str(caught.value)


@pytest.mark.parametrize("pin", ["false", "", 0, 1, None])
def test_a_pin_is_true_or_false_and_nothing_that_only_looks_like_it(pin: Any) -> None:
    """`streaming="false"` would be on."""
    with pytest.raises(FlagError) as caught:
        pin_flags(SHIPPED_FLAGS, {"streaming": pin})
    assert f"streaming={pin!r} must be True or False" == str(caught.value)


def test_flags_that_cannot_be_told_apart_have_no_combinations() -> None:
    """Neither a matrix nor pins."""
    same = [Flag("a", "A"), Flag("a", "B")]
    for ask in (lambda: all_combinations(same), lambda: pin_flags(same, {})):
        with pytest.raises(FlagError, match="two flags are called 'a'; give one of them another name"):
            ask()


def test_pins_turn_on_what_they_say_and_nothing_else() -> None:
    """The others stay off."""
    assert "prompt_cache" == pin_flags(SHIPPED_FLAGS, {"prompt_cache": True, "streaming": False}).id
    assert "off" == pin_flags(SHIPPED_FLAGS, {}).id


def test_a_pin_that_is_no_flag_is_an_error_that_lists_them() -> None:
    """The first in alphabetical order is named."""
    with pytest.raises(FlagError) as caught:
        pin_flags(SHIPPED_FLAGS, {"streeming": True, "streaming": True})
    expected = (
        "no flag is called 'streeming'; the nearest is 'streaming'; known: streaming, prompt_cache, extended_output"
    )
    assert expected == str(caught.value)


MODEL = Flag("m", "M", values=("x", "y"), default="x")
CONCISE = Flag("concise", "CONCISE", on=None, off="false", default=True)
PLANNER = Flag("planner", "PLANNER_V2", on="1", off="0", excludes=("concise",))


def test_a_flag_that_is_on_by_default_is_named_if_it_is_switched_off() -> None:
    """`off` is the combination of all defaults; the ids say what differs from it."""
    found = {one.id: one.environ for one in all_combinations([CONCISE, PLANNER])}
    assert {
        "off": {"CONCISE": None, "PLANNER_V2": "0"},
        "no-concise": {"CONCISE": "false", "PLANNER_V2": "0"},
        "no-concise+planner": {"CONCISE": "false", "PLANNER_V2": "1"},
    } == found


@pytest.mark.parametrize("combination", all_combinations([CONCISE, PLANNER, STREAMING]), ids=lambda one: one.id)
def test_an_id_reads_back_as_its_combination(combination: Combination) -> None:
    """So that recordings can say under which combination they were made."""
    assert combination == parse_combination(combination.flags, combination.id)
    assert parse_combination([STREAMING], "planner") is None


def test_a_pin_that_breaks_an_exclusion_is_refused() -> None:
    """In one line that says what to pin."""
    with pytest.raises(FlagError, match=r"^planner=True excludes concise=True; pin concise=False$"):
        pin_flags([CONCISE, PLANNER], {"planner": True})
    assert "no-concise+planner" == pin_flags([CONCISE, PLANNER], {"planner": True, "concise": False}).id


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            [Flag("a", "A", excludes=("b",))],
            "flag 'a' excludes 'b', which is not among these flags (a); add 'b' to them",
        ),
        (
            [Flag("fast", "A", ("streeming",)), STREAMING],
            "flag 'fast' requires 'streeming', which is not among these flags (fast, streaming); "
            "did you mean 'streaming'?",
        ),
        (
            [Flag("a", "A", ("b",), on=None, off="0", default=True), Flag("b", "B")],
            "the defaults of the flags break a constraint: a requires b; change a default or drop it",
        ),
        (
            [Flag("a", "A", ("m=z",)), MODEL],
            "flag 'm' has no value 'z'; the nearest is 'y'; known: x, y",
        ),
        (
            [Flag("a", "A", group=("a", "b")), Flag("b", "B", group=("a", "b"))],
            "the defaults of the flags break a constraint: exactly one of a, b is on; change a default or drop it",
        ),
    ],
)
def test_constraints_that_cannot_hold_are_refused(flags: list[Flag], message: str) -> None:
    """Before anything runs, in one line."""
    with pytest.raises(FlagError) as caught:
        all_combinations(flags)
    assert message == str(caught.value)


VARIANTS = (
    STREAMING,
    Flag(
        "model",
        "MODEL",
        values=("claude-haiku-4-5", "claude-sonnet-5-5"),
        labels=("haiku", "sonnet"),
        default="claude-haiku-4-5",
    ),
    Flag("effort", "EFFORT", values=(False, 1, 2.5, [1, 2]), default=1, requires=("model=sonnet",)),
)


def test_a_flag_with_values_has_a_combination_for_each() -> None:
    """Ids name the value, and the variable always gets its text."""
    found = {one.id: one.environ for one in all_combinations(VARIANTS)}
    assert 2 * (1 + 4) == len(found)
    assert {"ENABLE_STREAMING": None, "MODEL": "claude-haiku-4-5", "EFFORT": "1"} == found["off"]
    assert {"ENABLE_STREAMING": "true", "MODEL": "claude-sonnet-5-5", "EFFORT": "[1, 2]"} == found[
        "streaming+model=sonnet+effort=1-2"
    ]
    assert "false" == found["model=sonnet+effort=false"]["EFFORT"]


@pytest.mark.parametrize("combination", all_combinations(VARIANTS), ids=lambda one: one.id)
def test_a_combination_with_values_reads_back_from_its_id_and_its_environment(combination: Combination) -> None:
    """So that recordings are found again, and `flag-harness matrix` marks what the shell selects."""
    assert combination == parse_combination(VARIANTS, combination.id)
    environ = {name: text for name, text in combination.environ.items() if text is not None}
    assert combination == read_combination(VARIANTS, environ)


def test_a_value_is_asked_for_by_its_name() -> None:
    """In a test: `"model=haiku" in flags`, `flags["model"]`."""
    flags = pin_flags(VARIANTS, {"model": "sonnet"})
    assert ["claude-sonnet-5-5", "model=sonnet"] == [flags["model"], flags.id]
    assert "model=sonnet" in flags
    assert "model=haiku" not in flags
    assert "model" in flags
    assert "model=sonnet" not in pin_flags([STREAMING], {})
    with pytest.raises(FlagError, match=r"^no flag is called 'modle'; the nearest is 'model'; known: streaming, model"):
        flags["modle"]
    with pytest.raises(FlagError, match=r"^flag 'model' has no value 'sonet'; the nearest is 'sonnet'; known: haiku"):
        pin_flags(VARIANTS, {"model": "sonet"})


def test_a_pin_without_the_value_that_it_requires_says_what_to_pin() -> None:
    """By the name of the value."""
    with pytest.raises(FlagError, match=r"^effort=2.5 requires model=sonnet; pin it too$"):
        pin_flags(VARIANTS, {"effort": 2.5})


def test_a_variable_with_an_unknown_value_is_an_error_that_names_the_nearest() -> None:
    """Nothing is guessed."""
    with pytest.raises(FlagError) as caught:
        read_combination(VARIANTS, {"MODEL": "claude-haiku"})
    assert (
        "MODEL=claude-haiku: flag 'model' has no such value; the nearest is 'claude-haiku-4-5'; "
        "known: claude-haiku-4-5, claude-sonnet-5-5"
    ) == str(caught.value)


def test_of_a_group_exactly_one_flag_is_on_in_every_combination() -> None:
    """Changing one changes another."""
    members = ("bm25", "vector", "hybrid")
    flags = [Flag(name, name.upper(), default=name == "bm25", off="0", group=members) for name in members]
    assert ["off", "no-bm25+vector", "no-bm25+hybrid"] == [one.id for one in all_combinations(flags)]
    with pytest.raises(FlagError, match=r"^exactly one of bm25, vector, hybrid is on; pin that one"):
        pin_flags(flags, {"vector": True})


def test_a_combination_is_shown_by_its_id() -> None:
    """Failures of pytest print it beside the test's other values."""
    flags = [Flag("streaming", "STREAMING"), Flag("planner", "PLANNER")]
    assert "<Combination streaming+planner>" == repr(pin_flags(flags, {"streaming": True, "planner": True}))


def test_a_flag_that_a_base_does_not_allow_has_no_arms_there() -> None:
    """`b` requires `a`, so it can be compared only where `a` is on."""
    flags = (Flag("a", "A"), Flag("b", "B", ("a",)))
    off, on = Combination(flags, (0, 0)), Combination(flags, (1, 0))
    assert (on, Combination(flags, (1, 1))) == combinations_to_compare((off, on), ("b",), {})
