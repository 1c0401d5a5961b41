"""Blame on rates: combinations that fail more often though their flags alone do not, and what the data cannot tell."""

from flag_harness.analysis.verdict.rate_blame import harmful_combination_lines
from flag_harness.analysis.verdict.recorded import all_flag_changes
from flag_harness.flag import Flag
from flag_harness.record import RunRow

CHANGES = all_flag_changes([Flag("strict", env="STRICT"), Flag("fast", env="FAST")], {})
NAMES = ("off", "strict", "fast", "strict+fast")


def _lines(losses: dict[str, int], rounds: int, names: tuple[str, ...] = NAMES) -> list[str]:
    """Return the lines about runs of which the first `losses` of each combination fail."""
    rows = [
        RunRow(
            case=f"test_it.py::test_refund[{name}]",
            combination=name,
            values={flag: flag in name.split("+") for flag in ("strict", "fast")},
            outcome="failed" if number < losses.get(name, 0) else "passed",
            repetition=number,
        )
        for number in range(rounds)
        for name in names
    ]
    return list(harmful_combination_lines(rows, CHANGES))


def test_flags_that_fail_only_together_are_blamed_together() -> None:
    """Each alone is shown to be safe, within the margin."""
    assert [
        "test_it.py::test_refund[*]: with fast and strict together, 80.0% pass instead of 100.0%; with fewer of these "
        "flags, a loss of 10 points is excluded"
    ] == _lines({"strict+fast": 20}, 100)


def test_the_data_cannot_tell_if_a_part_is_not_shown_to_be_safe() -> None:
    """The line says which part, and how many rounds it would take; or that it did not run."""
    [line] = _lines({"strict+fast": 12, "strict": 1}, 20)
    assert "the data cannot tell whether fast, strict alone would do: about " in line
    assert " further rounds, if it changes nothing. A run with --harness-record=FILE and without" in line
    [line] = _lines({"strict+fast": 20}, 100, ("off", "strict", "strict+fast"))
    assert line.endswith("the data cannot tell whether fast alone would do: not all of that ran")


def test_a_flag_that_fails_alone_explains_its_combinations() -> None:
    """Neither are flags blamed together that change nothing, or whose combination was never compared to production."""
    assert [] == _lines({"strict+fast": 30, "strict": 30}, 100)
    assert [] == _lines({"off": 5, "strict": 5, "strict+fast": 6}, 100)
    assert [] == _lines({"strict+fast": 30}, 100, ("strict+fast",))
    assert [] == _lines({"strict": 30}, 100, ("off", "strict"))
