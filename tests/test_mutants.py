"""The mutants that `nox -s mutants` draws, and how many of them stand in one file."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOURCE = """\
def größer(one, other, *, strict=True):
    if one is None or not other:
        return False
    match one:
        case 7:
            one = 8
        case 11:
            return other, 12
    return one - 1 > other if strict else f"{one + 1}"
"""


@pytest.fixture
def mutations(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module of the benchmark."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return pytest.importorskip("mutations")


def test_each_mutant_is_another_program(mutations: ModuleType, tmp_path: Path) -> None:
    """Of every kind, beyond letters that take two bytes."""
    path = tmp_path / "module.py"
    path.write_text(SOURCE, encoding="utf-8")
    mutants = mutations.mutants_of(path, "module.py")
    changed = {one.change(path.read_bytes()).decode() for one in mutants if one.is_valid(path.read_bytes())}
    kinds = {"and/or", "comparison", "condition", "constant", "not", "plus/minus", "return"}
    assert kinds == {one.kind for one in mutants}
    assert SOURCE.replace(" or not", " and not") in changed
    assert SOURCE.replace("> other", ">= other") in changed
    assert SOURCE.replace("strict=True", "strict=False") in changed
    assert len(mutants) == len(changed)


def test_a_woven_mutant_runs_if_it_is_active(mutations: ModuleType, tmp_path: Path) -> None:
    """Any number of them in one file, also in one another. A pattern can hold none."""
    path = tmp_path / "module.py"
    path.write_text(SOURCE, encoding="utf-8")
    mutants = mutations.mutants_of(path, "module.py")
    active: set[int] = set()
    came: set[int] = set()
    names = {"is_active": lambda number: came.add(number) or number in active}
    source, woven = mutations.weave(path.read_bytes(), enumerate(mutants), "is_active")
    exec(source, names)
    assert {"7", "11"} == {mutant.before for number, mutant in enumerate(mutants) if number not in woven}
    assert {"True"} == {mutants[number].before for number in came}

    def run(*arguments: Any, **options: Any) -> Any:
        came.clear()
        return names["größer"](*arguments, **options)  # type: ignore[operator]

    assert run(None, 1) is False
    assert {2, 3} == {mutants[number].line for number in came}
    assert run(7, 7, strict=False) == "9"
    assert {2, 6, 9} == {mutants[number].line for number in came}
    assert run(11, 7) == (7, 12)
    active |= {number for number, mutant in enumerate(mutants) if mutant.before == "12"}
    assert run(11, 7) == (7, 13)
    assert run(9, 8) is False
    active |= {number for number, mutant in enumerate(mutants) if mutant.before == " > "}
    assert run(9, 8) is True
