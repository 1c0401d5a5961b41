"""`--harness-shard`: several runs that share the tests."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cli import main
from flag_harness.plugin.special_runs.shard import split_tests
from flag_harness.record import RunHeader, RunRow, encode_record, load_record, merge_records

CONFIGURATION = """
[tool.pytest.ini_options]
addopts = "--disable-recording --harness-upstream=simulator"
[tool.flag-harness.flags]
streaming = "ENABLE_STREAMING"
"""
TEST = """
import anthropic, pytest

BODY = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}

@pytest.mark.parametrize("number", range(5))
@pytest.mark.flag_matrix("streaming")
def test_ask(cassette, flags, number):
    anthropic.Anthropic().messages.create(**BODY)
    assert number != 3

def test_alone(cassette):
    anthropic.Anthropic().messages.create(**BODY)

def test_plain(): pass
"""
_TIMES = ("seconds", "duration", "first_token", "longest_gap", "longest_gap_start", "rhythm")


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(pytester.path)
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=TEST)
    return pytester


def _timeless_rows(path: str) -> list[Mapping[str, object]]:
    rows = [row.to_builtins() for row in load_record(Path(path)).rows]
    for row in rows:
        for values in (row, *row["requests"]):
            for name in _TIMES:
                values.pop(name, None)
    return rows


def _header(path: str) -> Mapping[str, object]:
    header: dict[str, object] = msgspec.to_builtins(load_record(Path(path)).header)
    return {key: value for key, value in header.items() if key not in ("started_at", "seconds", "options", "shards")}


def test_three_shards_merged_equal_one_run(suite: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    """Dates and durations aside, in their rows and in their header; with workers, too."""
    suite.runpytest_subprocess("--harness-record=whole.jsonl", "-n", "0")
    for index, workers in ((1, "0"), (2, "2"), (3, "1")):
        options = (f"--harness-record={index}.jsonl", f"--harness-shard={index}/3", "-n", workers)
        suite.runpytest_subprocess(*options)
    capsys.readouterr()
    assert 0 == main(["report", "merge", "1.jsonl", "2.jsonl", "3.jsonl", "-o", "merged.jsonl"])
    assert "merged.jsonl: 11 rows of 3 records\n" == capsys.readouterr().out
    assert _timeless_rows("whole.jsonl") == _timeless_rows("merged.jsonl")
    assert _header("whole.jsonl") == _header("merged.jsonl")
    assert 3 == load_record(Path("merged.jsonl")).header.shard_count


def test_all_combinations_of_a_test_are_in_one_shard(suite: pytest.Pytester) -> None:
    """So that a flag's effect is measured on pairs within each shard."""
    for index in (1, 2, 3):
        suite.runpytest_subprocess(f"--harness-record={index}.jsonl", f"--harness-shard={index}/3", "-k", "ask")
        rows = load_record(Path(f"{index}.jsonl")).rows
        assert len(rows) == 2 * len({row.case.rpartition("-")[2] for row in rows})


def test_a_shard_without_tests_passes(suite: pytest.Pytester) -> None:
    """With more shards than tests, some have none; without a shard, no test is still an error."""
    suite.makepyfile(test_it="def test_plain(): pass")
    for workers in ("-n0", "-n1"):
        assert [0, 0] == [suite.runpytest_subprocess(f"--harness-shard={index}/2", workers).ret for index in (1, 2)]
    assert 5 == suite.runpytest_subprocess("--harness-shard=1/2", "-k", "absent").ret


def test_a_missing_shard_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code of the merge is 1, because tests are missing."""
    paths = [str(tmp_path / f"{index}.jsonl") for index in (1, 3)]
    for index, path in zip((1, 3), paths, strict=True):
        row = RunRow(case=f"test_{index}.py::test", combination="off", outcome="passed")
        Path(path).write_bytes(encode_record(RunHeader(shard=f"{index}/3", exit_status=0), [row]))
    assert 1 == main(["report", "merge", *paths, "-o", str(tmp_path / "merged.jsonl")])
    assert "shard 2 of 3 is missing, so tests are missing, too" in capsys.readouterr().out
    assert "" == merge_records([load_record(Path(paths[0]))]).problem


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--harness-shard=4/3",), "type the number of a part and how many there are, such as 1/3"),
        (("--harness-shard=0/3",), "type the number of a part and how many there are, such as 1/3"),
        (("--harness-shard=x",), "type the number of a part and how many there are, such as 1/3"),
        (("--harness-shard-by=a.jsonl",), "needs --harness-shard=I/N"),
        (("--harness-shard=1/2", "--harness-shard-by=a.jsonl"), "a.jsonl: cannot be read"),
        (("--harness-shard=1/2", "--harness-fail-on=inert-flag"), "needs all tests in one run"),
        (("--harness-shard=1/2", "--harness-verdict=all"), "needs all tests in one run"),
    ],
)
def test_wrong_options_are_usage_errors(suite: pytest.Pytester, options: tuple[str, ...], message: str) -> None:
    """With what to type instead."""
    run = suite.runpytest_subprocess(*options)
    assert 4 == run.ret
    run.stderr.fnmatch_lines([f"*{message}*"])


def test_durations_of_an_earlier_run_balance_the_shards(suite: pytest.Pytester) -> None:
    """A test that took longer than all others is alone in its shard."""
    slow = RunRow(case="test_it.py::test_alone", combination="off", outcome="passed", duration=60.0)
    others = [
        RunRow(case=f"test_it.py::test_ask[{name}-{n}]", combination=name, outcome="passed", duration=1.0)
        for n in range(5)
        for name in ("off", "streaming")
    ]
    Path("last.jsonl").write_bytes(encode_record(RunHeader(), [slow, *others]))
    rows = []
    for index in (1, 2):
        options = (f"--harness-shard={index}/2", "--harness-shard-by=last.jsonl", f"--harness-record={index}.jsonl")
        suite.runpytest_subprocess(*options)
        rows.append(len(load_record(Path(f"{index}.jsonl")).rows))
    assert [1, 10] == rows


@given(st.dictionaries(st.text(max_size=3), st.floats(0.01, 100), max_size=30), st.integers(1, 8))
def test_each_test_is_in_exactly_one_balanced_part(weights: dict[str, float], count: int) -> None:
    """In whatever order the tests come, and no part is heavier than the lightest by more than one test."""
    parts = split_tests(weights, count)
    assert parts == split_tests(dict(reversed(weights.items())), count)
    assert sorted(weights) == sorted(name for part in parts for name in part)
    sums = [_total(weights[name] for name in part) for part in parts]
    assert max(sums) - min(sums) <= max(weights.values(), default=0.0) + 1e-9


def _total(values: Iterable[float]) -> float:
    return sum(values)
