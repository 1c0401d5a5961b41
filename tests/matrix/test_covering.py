"""Covering arrays and the other ways to choose rows."""

import sys
import time
from collections.abc import Callable, Sequence
from itertools import combinations, product
from random import Random

import pytest

from flag_harness.errors import FlagError
from flag_harness.matrix import (
    FlagSpace,
    MatrixFlag,
    Row,
    covering_array,
    find_uncovered_tuples,
    full_matrix,
    random_rows,
    rows_with_single_changes,
)

Model = tuple[list[MatrixFlag], list[list[str]]]


def boolean_flags(count: int, default: Callable[[int], bool] = lambda _: False) -> list[MatrixFlag]:
    """Boolean flags `f0`, `f1`, ..."""
    return [MatrixFlag(f"f{index}", default=default(index)) for index in range(count)]


def allowed_assignments(flags: Sequence[MatrixFlag], groups: Sequence[Sequence[str]]) -> list[dict[str, object]]:
    """Every assignment that the constraints allow, by trying all of them: shares no code with the package."""
    defaults = {flag.name: flag.default for flag in flags}

    def is_on(row: dict[str, object], text: str) -> bool:
        name, _, value = text.partition("=")
        if value:
            return str(row[name]) == value
        return row[name] is True if isinstance(row[name], bool) else row[name] != defaults[name]

    def is_allowed(row: dict[str, object]) -> bool:
        for flag in flags:
            if is_on(row, flag.name):
                if not all(is_on(row, text) for text in flag.requires):
                    return False
                if any(is_on(row, text) for text in flag.excludes):
                    return False
        return all(1 == sum(is_on(row, name) for name in group) for group in groups)

    names = [flag.name for flag in flags]
    rows = (dict(zip(names, values, strict=True)) for values in product(*(flag.values for flag in flags)))
    return [row for row in rows if is_allowed(row)]


def value_tuples(rows: Sequence[dict[str, object]], strength: int) -> set[tuple[tuple[str, object], ...]]:
    """Every choice of values for `strength` flags that occurs in a row."""
    return {
        tuple((name, repr(row[name])) for name in names)
        for row in rows
        for names in combinations(sorted(row), strength)
    }


def random_model(seed: int) -> Model:
    """Up to nine flags, some with three or four values, with constraints that the defaults keep."""
    random = Random(seed)
    flags: list[MatrixFlag] = []
    count = random.randint(3, 8)
    for index in range(count):
        earlier = [flag.name for flag in flags]
        requires = tuple(random.sample(earlier, 1)) if earlier and random.random() < 0.3 else ()
        rest = [name for name in earlier if name not in requires]
        excludes = tuple(random.sample(rest, 1)) if rest and random.random() < 0.3 else ()
        values: tuple[object, ...] = (
            (False, True) if random.random() < 0.6 else ("a", "b", "c", "d")[: random.randint(2, 4)]
        )
        flags.append(MatrixFlag(f"f{index}", values, values[0], requires, excludes))
    if random.random() < 0.4:
        size = random.randint(2, 3)
        members = [MatrixFlag(f"g{index}", default=index == 0) for index in range(size)]
        return [*flags, *members], [[member.name for member in members]]
    return flags, []


@pytest.mark.parametrize(
    ("count", "strength", "size"),
    [
        *[(3, 2, 4), (6, 2, 6), (10, 2, 6), (20, 2, 8), (50, 2, 9)],
        *[(3, 3, 8), (5, 3, 10), (6, 3, 12), (10, 3, 12), (11, 3, 12), (20, 3, 18), (4, 4, 16), (5, 4, 16)],
    ],
)
def test_boolean_arrays_have_the_best_known_size(count: int, strength: int, size: int) -> None:
    """No published array of these parameters has fewer rows."""
    flags = boolean_flags(count, default=lambda index: index % 3 == 0)
    space = FlagSpace(flags)
    rows = covering_array(space, strength)
    assert size == len(rows)
    assert space.default_row == rows[0]
    for columns in combinations(range(count), strength):
        assert 2**strength == len({tuple(row[column] for column in columns) for row in rows})


@pytest.mark.parametrize("strength", [2, 3])
@pytest.mark.parametrize(
    "seed", [seed if seed < 12 else pytest.param(seed, marks=pytest.mark.deep) for seed in range(100)]
)
def test_a_constrained_array_covers_all_that_is_possible(seed: int, strength: int) -> None:
    """Every row is allowed, the defaults come first, and brute force finds no tuple that is missing."""
    flags, groups = random_model(seed)
    space = FlagSpace(flags, groups)
    allowed = allowed_assignments(flags, groups)
    rows = [space.flag_values_of_row(row) for row in covering_array(space, strength)]
    assert {flag.name: flag.default for flag in flags} == rows[0]
    assert [] == [row for row in rows if row not in allowed]
    assert value_tuples(allowed, strength) == value_tuples(rows, strength)
    assert len(allowed) == space.row_count
    assert len(rows) == len({repr(row) for row in rows})


def test_constrained_arrays_are_not_larger_than_those_of_a_library() -> None:
    """covertable 3.2 covers the pairs of the same hundred models in 1,095 rows."""
    spaces = (FlagSpace(*random_model(seed)) for seed in range(100))
    assert 1095 > sum(len(covering_array(space, 2)) for space in spaces)


@pytest.mark.parametrize("strength", [3, 4])
def test_an_array_of_strength_four_covers_quadruples(strength: int) -> None:
    """Eight flags of two and three values, without constraints."""
    flags = [MatrixFlag(f"f{index}", tuple("abc"[: 2 + index % 2]), "a") for index in range(8)]
    space = FlagSpace(flags)
    rows = [space.flag_values_of_row(row) for row in covering_array(space, strength)]
    assert value_tuples(allowed_assignments(flags, []), strength) == value_tuples(rows, strength)


def test_twenty_constrained_flags_take_less_than_two_seconds() -> None:
    """Strength 3, with a group of six, a chain of twelve requirements and a flag of three values; slower if traced."""
    flags = [MatrixFlag(f"g{index}", default=index == 0) for index in range(6)]
    flags += [MatrixFlag("model", ("a", "b", "c"), "a"), MatrixFlag("c0")]
    flags += [MatrixFlag(f"c{index}", requires=(f"c{index - 1}",)) for index in range(1, 13)]
    start = time.process_time()
    rows = covering_array(FlagSpace(flags, [[f"g{index}" for index in range(6)]]), 3)
    assert time.process_time() - start < (2 if sys.gettrace() is None else 8)
    assert 120 > len(rows)


def test_the_check_names_what_an_array_lacks() -> None:
    """Without its last row, an array of strength 2 lacks a pair."""
    space = FlagSpace(boolean_flags(3))
    rows = covering_array(space, 2)
    assert [] == list(find_uncovered_tuples(space, rows, 2))
    assert 3 == len(list(find_uncovered_tuples(space, rows[:-1], 2)))


def test_single_changes_change_one_flag_at_a_time() -> None:
    """The defaults, then each other value; what a change requires comes with it."""
    flags = [MatrixFlag("a"), MatrixFlag("b", requires=("a",)), MatrixFlag("m", ("x", "y", "z"), "y")]
    assert ((0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 0, 0), (0, 0, 2)) == rows_with_single_changes(FlagSpace(flags))


def test_single_changes_start_from_a_base() -> None:
    """The state of production, and each change from it."""
    space = FlagSpace(boolean_flags(2))
    assert ((1, 0), (0, 0), (1, 1)) == rows_with_single_changes(space, space.row_with_values({"f0": True}))


def test_a_random_sample_depends_on_its_seed_alone() -> None:
    """Equal seeds draw equal rows, all different, the defaults first."""
    space = FlagSpace([*boolean_flags(12), MatrixFlag("needy", requires=("f0", "f1"), excludes=("f2",))])
    rows = random_rows(space, 50, seed=7)
    assert rows == random_rows(space, 50, seed=7)
    assert rows != random_rows(space, 50, seed=8)
    assert space.default_row == rows[0]
    assert 50 == len(set(rows))
    assert all(space.is_allowed(row) for row in rows)


def test_a_sample_larger_than_the_matrix_is_the_matrix() -> None:
    """Two flags have four rows, however many are asked for."""
    space = FlagSpace(boolean_flags(2))
    assert ((0, 0), (1, 0), (0, 1), (1, 1)) == random_rows(space, 99, seed=1) == full_matrix(space)


def test_a_group_has_one_flag_on() -> None:
    """Three members, one on by default: three rows."""
    flags = boolean_flags(3, default=lambda index: index == 1)
    rows: tuple[Row, ...] = full_matrix(FlagSpace(flags, [["f0", "f1", "f2"]]))
    assert ((0, 1, 0), (1, 0, 0), (0, 0, 1)) == rows


def test_a_requirement_can_name_a_value() -> None:
    """`model=haiku`: the flag is on with that value only."""
    flags = [MatrixFlag("model", ("sonnet", "haiku"), "sonnet"), MatrixFlag("fast", requires=("model=haiku",))]
    assert ((0, 0), (1, 0), (1, 1)) == full_matrix(FlagSpace(flags))


@pytest.mark.parametrize(
    ("flags", "groups", "facts"),
    [
        ([MatrixFlag("fast", requires=("modle",)), MatrixFlag("model")], [], ["'fast' requires 'modle'", "'model'"]),
        ([MatrixFlag("fast", excludes=("m=y",)), MatrixFlag("m", ("x",), "x")], [], ["'m' has no value 'y'", "'x'"]),
        ([MatrixFlag("fast", default=True, requires=("m",)), MatrixFlag("m")], [], ["the defaults", "fast requires m"]),
        ([MatrixFlag("a"), MatrixFlag("b")], [["a", "b"]], ["the defaults", "exactly one of a, b is on"]),
        ([MatrixFlag("a")], [["b"]], ["a group 'b'", "(a)"]),
        ([MatrixFlag("m", ("x", "y"), "z")], [], ["'m' has no value 'z'"]),
    ],
)
def test_a_wrong_constraint_is_named(flags: list[MatrixFlag], groups: list[list[str]], facts: list[str]) -> None:
    """The error names the flag, the word that is wrong and the nearest known one."""
    with pytest.raises(FlagError) as error:
        FlagSpace(flags, groups)
    assert [] == [fact for fact in facts if fact not in str(error.value)]


@pytest.mark.parametrize("strength", [1, 5])
def test_a_strength_out_of_range_is_refused(strength: int) -> None:
    """The error lists what can be chosen."""
    with pytest.raises(FlagError, match="choose 2, 3 or 4"):
        covering_array(FlagSpace(boolean_flags(3)), strength)


def test_an_empty_sample_is_refused() -> None:
    """The error says how small a sample can be."""
    with pytest.raises(FlagError, match="a random sample of 0 rows is empty; ask for at least 1"):
        random_rows(FlagSpace(boolean_flags(3)), 0, 1)


@pytest.mark.parametrize("seed", range(4))
def test_values_that_leave_no_allowed_row_are_not_chosen(seed: int) -> None:
    """One of three flags must be on, and `alone` excludes the two that are left."""
    flags = [MatrixFlag("first"), MatrixFlag("second"), MatrixFlag("third", default=True)]
    space = FlagSpace([*flags, MatrixFlag("alone", excludes=("first", "second"))], [["first", "second", "third"]])
    assert space.complete_row({2: 0}, Random(seed)) in [(0, 1, 0, 0), (1, 0, 0, 0)]
