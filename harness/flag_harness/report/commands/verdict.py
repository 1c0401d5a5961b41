"""Suggest the command that judges whether a flag is safe to turn on (option `--harness-verdict`)."""

import math
from collections.abc import Iterable, Sequence

from flag_harness.flag import Flag
from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RunRow
from flag_harness.report.commands.rerun import pytest_command, select_options
from flag_harness.report.commands.step import NextStep
from flag_harness.report.failures.causes import flags_in_header
from flag_harness.report.run_report import RunReport

RECOMMENDED_ROUNDS = 200
"""The number of repetitions of each test that the command asks for. The run may stop earlier."""
_MAX_NAMED_TESTS = 5
"""The most test functions that the command lists."""
_DEFAULT_COST_LIMIT = 5
"""The limit in US dollars that the command sets for a live run if the record does not say what its requests cost."""
_SELECTING_OPTIONS = ("-k", "-m")


def verdict_step(report: RunReport) -> NextStep | None:
    """Return the step that judges whether a flag is safe: on the simulator if it can answer the tests, else at the live
    API.

    Recordings are not used, because each repetition needs a new answer. Return None if no flag is declared, or if every
    flag that tests varied breaks tests or changes no request.
    """
    flags = flags_in_header(report.record.header)
    tests = {flag.name: _rows_by_test_that_varies_flag(flag, report.rows) for flag in flags}
    inert = {one.setting for one in report.request_effects if one.is_inert}
    varied = [flag for flag in flags if tests[flag.name]]
    if not varied:
        advice = "run a test with and without one: give it the mark flag_matrix"
        return NextStep(f"judge whether a flag is safe to turn on, {advice}") if flags else None
    broken = {literal.flag for cause in report.causes for literal in cause.literals}
    varied = [flag for flag in varied if flag.name not in broken | inert]
    if not varied:
        return None
    is_live = any(row.answered_by == "live" for row in report.rows)
    for flag in () if is_live else varied:
        if (simulated := _tests_for_simulator(tests[flag.name])) is not None:
            options = ["--disable-recording", "--harness-upstream=simulator"]
            return NextStep(
                f"judge on the simulator whether {flag.name} is safe to turn on",
                _verdict_command(report, flag, options, simulated),
            )
    flag = varied[0]
    limit = _max_cost_of_all_rounds(tests[flag.name].values())
    return NextStep(
        f"judge on the live API whether {flag.name} is safe to turn on (needs an API key, and costs up to ${limit:,})",
        _verdict_command(
            report, flag, ["--disable-recording", "--harness-upstream=live", f"--harness-max-cost={limit}"]
        ),
    )


def _verdict_command(report: RunReport, flag: Flag, options: Sequence[str], tests: Sequence[str] = ()) -> str:
    """Return the shell command that judges a flag on `tests`, or on the tests that the recorded run selected if there
    are none.

    `options` select who answers.
    """
    header = report.record.header
    chosen = tests or (*header.selected_tests, *select_options(header.options, _SELECTING_OPTIONS))
    arguments = [*chosen, f"--harness-verdict={flag.name}", f"--harness-repeat={RECOMMENDED_ROUNDS}", *options]
    return pytest_command(header, arguments, report.location.root_folder)


def _rows_by_test_that_varies_flag(flag: Flag, rows: Iterable[RunRow]) -> dict[str, list[RunRow]]:
    """Return the rows of each test that ran under several values of a flag, by the node id with `*` for the
    combination.
    """
    tests: dict[str, list[RunRow]] = {}
    for row in rows:
        if row.sweep is None and flag.name in row.values:
            tests.setdefault(node_id_without_combination(row.case, row.combination), []).append(row)
    return {
        name: own
        for name, own in tests.items()
        if any(_flag_value_of_row(row, flag) != _flag_value_of_row(own[0], flag) for row in own)
    }


def _flag_value_of_row(row: RunRow, flag: Flag) -> object:
    return row.values[flag.name]


def _tests_for_simulator(tests: dict[str, list[RunRow]]) -> list[str] | None:
    """Return the tests that the simulator can answer, so that a command can list them. Return None if none or too many
    can.

    If the simulator can answer all tests, the list is empty, because the command need not list them.
    """
    names = [name for name, rows in tests.items() if all(map(_can_be_simulated, rows))]
    if len(names) == len(tests):
        return []
    files_and_functions = list(dict.fromkeys(name.partition("[")[0] for name in names))
    return files_and_functions if 0 < len(files_and_functions) <= _MAX_NAMED_TESTS else None


def _can_be_simulated(row: RunRow) -> bool:
    return bool(row.scenario) or row.is_simulated or not row.requests


def _max_cost_of_all_rounds(tests: Iterable[Sequence[RunRow]]) -> int:
    """Return the expected cost of judging a flag on these tests, in US dollars, rounded up.

    Each of `RECOMMENDED_ROUNDS` rounds runs each test with and without the flag, at the mean cost of its recorded runs.
    """
    costs = [[row.cost for row in rows] for rows in tests]
    if any(cost is None for own in costs for cost in own):
        return _DEFAULT_COST_LIMIT
    one_round = sum(2 * sum(cost or 0.0 for cost in own) / len(own) for own in costs)
    return max(1, math.ceil(RECOMMENDED_ROUNDS * one_round))
