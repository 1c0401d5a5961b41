"""The closing table, line by line."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.record import LogCount, RequestRecord, RunRow
from flag_harness.record.cache import CacheTurn, CacheUse
from flag_harness.report.table import (
    align_columns,
    answer_sources_line,
    group_rows_by_combination,
    logged_error_lines,
    summary_lines,
)
from flag_harness.wire.usage import Usage

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _row(**changes: Any) -> RunRow:
    row = RunRow(
        case="test_a.py::test_a",
        combination="off",
        outcome="passed",
        requests=2 * (RequestRecord("POST", "/v1/messages", 200, ""),),
        usage=Usage(input_tokens=1200, output_tokens=30),
        cost=0.01,
        seconds=1.0,
        recorded_from="live",
        recorded_at="2026-11-20T12:00:00Z",
    )
    return msgspec.structs.replace(row, **changes)


def test_the_table_sums_up_each_combination() -> None:
    """Outcomes, sums, the median of first tokens; a cost only where all are known."""
    rows = [
        _row(combination="streaming", first_token=0.5, cost=None),
        _row(),
        _row(outcome="failed", cost=0.02),
        *(_row(combination="streaming", first_token=first) for first in (0.25, 9.0)),
    ]
    assert [
        "combination               cases  requests  errors  input  output  cache reads  first token     cost",
        "off          1 failed, 1 passed         4       0  2,400      60            0            -  $0.0300",
        "streaming              3 passed         6       0  3,600      90            0       0.50 s        -",
        "",
        "-: not measured (nothing was streamed, or no price is known). first token: median seconds.",
        "cache reads 0 in 4 cases: no request has a cache_control mark",
        "answered: 5 runs by recordings of the live API; the oldest recording is 2 days old",
    ] == list(summary_lines(rows, NOW))


def test_sums_stand_beside_each_other_only_if_they_are_of_the_same_tests() -> None:
    """Two tests that ran under other combinations have a table each; tests that ran under one have a line."""
    rows = [
        *(_row(case=f"a.py::a[{name}]", combination=name) for name in ("off", "streaming")),
        *(_row(case=f"a.py::b[{name}]", combination=name) for name in ("off", "concise")),
        _row(case="a.py::c", combination="concise"),
        _row(case="a.py::d", outcome="failed"),
    ]
    lines = list(summary_lines(rows, NOW))
    assert 2 == sum(line.startswith("combination ") for line in lines)
    assert ["concise", "off"] == sorted(line.split()[0] for line in lines[1:3])
    assert (
        "2 cases under one combination: 1 failed, 1 passed; requests: 4, errors: 0; tokens: 2,400 in, 60 out; "
        "cost: $0.0200" in lines
    )


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (
            (CacheTurn(0, 0, 5_000, 10),),
            ["in 1 case: only one request, which wrote the cache; a second would read it"],
        ),
        (
            2
            * (CacheTurn(0, 0, 0, 900, explanation="the marked prefix has fewer than 4,096 tokens, too few to cache"),),
            ["in 1 case: the marked prefix has fewer than 4,096 tokens, too few to cache"],
        ),
        (2 * (CacheTurn(0, 0, 0, 900),), []),
    ],
)
def test_no_cache_reads_are_explained(turns: tuple[CacheTurn, ...], expected: list[str]) -> None:
    """Only of tests that have a cache mark, if there are any; a test that reads from the cache needs no reason."""
    read = _row(combination="tools", cache_use=CacheUse(), usage=Usage(cache_read_input_tokens=3))
    rows = [_row(), _row(combination="prompt_cache", cache_use=CacheUse(turns)), read]
    lines = [line for line in summary_lines(rows, NOW) if line.startswith("cache reads")]
    assert [f"cache reads 0 {one}" for one in expected] == lines


@pytest.mark.parametrize(
    "changes", [{"recorded_from": "simulator"}, {"recorded_from": None, "answered_by": "simulator"}]
)
def test_simulated_figures_are_called_so(changes: dict[str, Any]) -> None:
    """Played or asked now."""
    expected = "simulated: tokens are the simulator's estimate and times its settings, not the API's."
    assert expected in list(summary_lines([_row(**changes)], NOW))
    assert expected not in list(summary_lines([_row()], NOW))


def test_rebased_cassettes_are_counted_once_each() -> None:
    """They are not verified."""
    one = [_row(cassette="a.json", is_rebased=True), _row(cassette="a.json", is_rebased=True)]
    assert "rebased, not verified: 1 cassette, until they are recorded again" == list(summary_lines(one, NOW))[-1]
    assert (
        "rebased, not verified: 2 cassettes, until they are recorded again"
        == [*summary_lines([*one, _row(cassette="b.json", is_rebased=True)], NOW)][-1]
    )


def test_combinations_with_fewer_flags_come_first() -> None:
    """Then by name; rows keep their order."""
    names = ["b+a", "b", "off", "a", "off"]
    rows = [_row(combination=name, errors=number) for number, name in enumerate(names)]
    found = [(name, [row.errors for row in members]) for name, members in group_rows_by_combination(rows)]
    assert [("off", [2, 4]), ("a", [3]), ("b", [1]), ("b+a", [0])] == found


LIVE = "1 run by recordings of the live API"
NOTHING = {"recorded_from": None, "recorded_at": None}


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (
            [_row(recorded_at="2026-11-21T11:00:00Z")],
            f"{LIVE}; the oldest recording is 1 day old",
        ),
        (
            [_row(recorded_at="9999-12-31T23:59:59-12:00")],
            f"{LIVE}; the oldest recording is 0 days old",
        ),
        ([_row(recorded_at="yesterday")], LIVE),
        ([_row(recorded_from="imported")], "1 run by imported recordings; the oldest recording is 2 days old"),
        ([_row(**NOTHING, answered_by="live")], "1 run by the live API"),
        ([_row(**NOTHING, answered_by="simulator")], "1 run by the simulator"),
        ([_row(**NOTHING)], "1 run by nobody"),
        ([_row(**NOTHING), _row(**NOTHING)], "2 runs by nobody"),
        ([_row(**NOTHING, outcome="inconclusive")], "no run"),
    ],
)
def test_where_the_answers_came_from(rows: list[RunRow], line: str) -> None:
    """And how old the oldest recording is."""
    assert f"answered: {line}" == answer_sources_line(rows, NOW)


@given(st.lists(st.tuples(*[st.text("ab", max_size=6)] * 3), min_size=1, max_size=5))
def test_columns_are_aligned(rows: list[tuple[str, ...]]) -> None:
    """All lines are as long, the first column begins each, and every other ends where its widest cell does."""
    lines = list(align_columns(rows))
    assert 1 == len({len(line) for line in lines})
    assert all(line.startswith(row[0]) and line.endswith(row[-1]) for line, row in zip(lines, rows, strict=True))


def test_beyond_five_errors_only_their_number_is_shown() -> None:
    """The most frequent ones are listed."""
    logs = tuple(LogCount("ERROR", "agent", f"message {number}", number) for number in range(1, 9))
    lines = [*logged_error_lines([_row(log_counts=logs)])]
    assert lines[0].endswith("ERROR agent: message 8")
    assert "and 3 other errors in the logs; --harness-record=FILE keeps all" == lines[5]
