"""The command `flag-harness matrix`, which lists combinations of flags and what they cover."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from flag_harness.analysis.code.unread_variables import CODE_SUFFIXES, find_unread_variables
from flag_harness.config import find_root, read_config, read_settings_table
from flag_harness.flag import SET_FLAGS_FIXTURE, SHIPPED_FLAGS, Flag, value_text
from flag_harness.matrix import Combination, flag_space, read_combination, select_combinations
from flag_harness.matrix.coverage import MatrixCoverage, impossible_values, measure_coverage
from flag_harness.matrix.selection import SELECTION_HELP
from flag_harness.source_files import read_code_files
from flag_harness.wording import count_with_noun

_EXAMPLES = """examples:
  flag-harness matrix
  ENABLE_STREAMING=true flag-harness matrix --json | jq -r .selected
  flag-harness matrix --strength 2
  flag-harness matrix --check

The flags are those of [tool.flag-harness.flags]; without them, the three of the reference agent. The settings are read
from the directory that pytest takes as its root, which may be above the current one.

Exit code: 0; with --check 1 if no flag is declared, no combination has some value, or a variable is misspelt; 2 if the
flags are invalid."""


def add_matrix_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `matrix` to the parser."""
    parser = subparsers.add_parser(
        "matrix",
        help="list the combinations of the declared flags",
        description="List the combinations of the declared flags; a star marks the one that the environment selects.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.add_argument(
        "--check", action="store_true", help="only check the declarations, and that code reads the variables"
    )
    parser.add_argument(
        "--strength",
        metavar="SELECTION",
        default="",
        help=f"list a part of the combinations, and what each is the first to cover: {SELECTION_HELP}",
    )
    parser.set_defaults(run=_run_matrix)


def _run_matrix(arguments: argparse.Namespace) -> int:
    pyproject = find_root() / "pyproject.toml"
    flags, source = read_config(pyproject).flags, (read_settings_table(pyproject) or ({}, pyproject))[1]
    if arguments.check:
        is_declared = bool((read_settings_table(pyproject) or ({}, pyproject))[0].get("flags"))
        return _run_check(flags, source) if is_declared else _print_missing_declaration(source)
    if flags == SHIPPED_FLAGS:
        from flag_harness.reference.settings import read_settings

        read_settings(os.environ)  # raises if one of the reference agent's numbers is invalid
    selected = read_combination(flags, os.environ).id
    combinations = select_combinations(flags, arguments.strength)
    coverage = None
    if arguments.strength:
        strength = int(arguments.strength) if arguments.strength.isdigit() else 2
        coverage = measure_coverage(flag_space(flags), [one.row for one in combinations], strength)
    if arguments.json:
        print(json.dumps(_json_report(selected, combinations, coverage)))
    else:
        print("\n".join(_report_lines(selected, combinations, coverage)))
        if flags == SHIPPED_FLAGS:
            print(f"{source} declares no flags: these are those of the reference agent", file=sys.stderr)
    return 0


def _run_check(flags: tuple[Flag, ...], source: Path) -> int:
    """Check the flags: print the number of combinations, or the values that no allowed combination has."""
    space = flag_space(flags)
    if impossible := impossible_values(space):
        print(f"{source}: no combination has {', '.join(impossible)}: the constraints of the flags forbid it")
        return 1
    names = ", ".join(flag.name for flag in flags)
    combinations = count_with_noun(space.row_count, "combination")
    print(f"{source}: valid: {count_with_noun(len(flags), 'flag')} ({names}), {combinations}")
    unread = find_unread_variables(flags, read_code_files(source.parent, CODE_SUFFIXES), flags)
    for name, reason in unread.items():
        print(f"{name}: {reason}")
    return int(any(one.nearest_variable for one in unread.values()))


def _print_missing_declaration(source: Path) -> int:
    """Say that no flag is declared, and how to declare one."""
    print(f"{source} declares no flags. To find those that the code reads, and declare them: flag-harness init")
    print('Or write a line for each, such as: streaming = "ENABLE_STREAMING", below [tool.flag-harness.flags]')
    return 1


def _report_lines(selected: str, combinations: Sequence[Combination], coverage: MatrixCoverage | None) -> list[str]:
    lines = []
    for index, one in enumerate(combinations):
        gain = f"+{len(coverage.new_tuples_by_row[index])} {coverage.tuple_word}" if coverage else ""
        settings = {**_environment_variables(one), **_values_by_source(one)}
        shown = " ".join(f"{name}={value}" for name, value in settings.items())
        line = f"{'*' if one.id == selected else ' '} {one.id:<42} {f'{gain:<14} ' if gain else ''}{shown}"
        lines.append(line.rstrip())
    if coverage:
        count, total = (
            count_with_noun(len(combinations), "combination"),
            coverage.covered_tuple_count + len(coverage.missing_tuples),
        )
        lines.append(f"{count}: {coverage.covered_tuple_count:,} of {total:,} {coverage.tuple_word} of values")
    return lines


def _json_report(
    selected: str, combinations: Sequence[Combination], coverage: MatrixCoverage | None
) -> dict[str, object]:
    document: dict[str, object] = {
        "selected": selected,
        "combinations": {one.id: _environment_variables(one) for one in combinations},
        "values": {one.id: one.values for one in combinations},
    }
    if coverage:
        ids = [one.id for one in combinations]
        document["strength"] = coverage.strength
        document["first_covered"] = dict(zip(ids, coverage.new_tuples_by_row, strict=True))
        document["missing"] = coverage.missing_tuples
    return document


def _environment_variables(combination: Combination) -> dict[str, str]:
    return {name: value for name, value in combination.environ.items() if value is not None}


def _values_by_source(combination: Combination) -> dict[str, str]:
    """Return the values of the flags that are not variables, by their source: `openfeature:ranker`,
    `set:app:override`.
    """
    return {
        f"{flag.source_kind}:{flag.name if flag.set == SET_FLAGS_FIXTURE else flag.source}": value_text(
            combination[flag.name]
        )
        for flag in combination.flags
        if not flag.env
    }
