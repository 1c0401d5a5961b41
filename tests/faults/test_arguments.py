"""The arguments of faults: what `--help` and docs/faults.md say of them."""

from collections.abc import Iterator
from inspect import get_annotations
from pathlib import Path

import pytest

from flag_harness.cli.main import main
from flag_harness.fault_arguments import ARGUMENTS_OF_EVERY_FAULT, ARGUMENTS_OF_SOME_FAULTS, FaultArgument
from flag_harness.faults import fault_kinds
from flag_harness.faults.condition import CONDITION_ARGUMENT_NAMES

DOCS = Path(__file__).parents[2] / "docs" / "faults.md"


def _own_arguments() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind in fault_kinds():
        for name in get_annotations(kind.make_fault).keys() - {"when", "return"}:
            found.setdefault(name, []).append(kind.name)
    return found


def _table() -> Iterator[str]:
    def row(one: FaultArgument, faults: str) -> str:
        return f"| `{one.name}` | {one.example_or_values.replace('|', chr(92) + '|')} | {faults} | {one.meaning} |"

    yield from (row(one, "all") for one in ARGUMENTS_OF_EVERY_FAULT)
    takers = _own_arguments()
    yield from (row(one, ", ".join(f"`{name}`" for name in takers[one.name])) for one in ARGUMENTS_OF_SOME_FAULTS)


def test_every_argument_is_described_once() -> None:
    """A new argument cannot be forgotten."""
    assert sorted(CONDITION_ARGUMENT_NAMES) == sorted(one.name for one in ARGUMENTS_OF_EVERY_FAULT)
    assert sorted(_own_arguments()) == sorted(one.name for one in ARGUMENTS_OF_SOME_FAULTS)


def test_the_docs_have_one_table_of_all_arguments() -> None:
    """With the faults that take each."""
    assert "\n".join(_table()) in DOCS.read_text(encoding="utf-8")


def test_the_help_of_serve_lists_the_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """As the help of pytest does."""
    with pytest.raises(SystemExit):
        main(["serve", "simulator", "--help"])
    printed = capsys.readouterr().out
    assert [] == [
        one.name for one in (*ARGUMENTS_OF_EVERY_FAULT, *ARGUMENTS_OF_SOME_FAULTS) if f"  {one.name} (" not in printed
    ]
