"""The run record: what a row holds, how it travels, and what it does not reveal."""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.errors import RecordError
from flag_harness.record import (
    GateFiles,
    LogCount,
    RequestRecord,
    RunHeader,
    RunRecord,
    RunRow,
    append_row_to_file,
    body_hash,
    encode_record,
    find_record_problem,
    load_record,
    merge_records,
    row_from_builtins,
    start_record_file,
)
from flag_harness.wire.usage import Usage

ROW = RunRow(
    case="test_a.py::test_a[streaming]",
    combination="streaming",
    outcome="failed",
    phase="teardown",
    requests=(
        RequestRecord("POST", "/v1/messages", 200, body_hash(b"{}")),
        RequestRecord("GET", "/v1/models", None, "", usage=Usage(1, 2), stop_reason="end_turn", first_token=0.1),
    ),
    errors=1,
    usage=Usage(input_tokens=12, output_tokens=5, cache_read_input_tokens=7),
    cost=0.25,
    first_token=0.5,
    seconds=1.5,
    cassette="recordings/test_a/test_a[streaming].json",
    recorded_from="live",
    recorded_at="2026-01-02T03:04:05Z",
    is_rebased=True,
    faults=("overloaded:on=1",),
    values={"streaming": True, "model": "claude-haiku-4-5"},
    repetition=2,
    reason="AssertionError: assert 1 == 2",
    error_location="test_a.py:12",
    log_counts=(LogCount("ERROR", "agent", "no answer after %s s", 3),),
)
HEADER = RunHeader(package="0.1", sdk="1.0", started_at="2026-01-02T03:04:05+00:00", digest_by_file={"a.py": "00"})


def test_a_row_survives_json() -> None:
    """Whatever a worker sends as plain values is the same row on the other side."""
    assert ROW == row_from_builtins(json.loads(json.dumps(ROW.to_builtins())))


def test_keys_of_a_later_version_are_ignored() -> None:
    """A file of a newer release can be read."""
    assert ROW == row_from_builtins({**ROW.to_builtins(), "added_later": 1})


def test_a_wrong_value_is_named() -> None:
    """The error says which field it is, and what was expected."""
    with pytest.raises(msgspec.ValidationError, match=r"Expected `int`, got `str` - at `\$\.errors`"):
        row_from_builtins({**ROW.to_builtins(), "errors": "many"})


def test_a_row_cannot_be_changed() -> None:
    """It is replaced instead, so no reader can alter what another reads."""
    with pytest.raises(AttributeError, match="immutable"):
        ROW.outcome = "passed"  # type: ignore[misc]


def test_equal_bodies_have_equal_hashes_under_one_key() -> None:
    """Other bodies, and other keys, give other hashes; none contains the body."""
    assert body_hash(b'{"a":1}') == body_hash(b'{"a":1}')
    assert 3 == len({body_hash(b'{"a":1}'), body_hash(b'{"a":2}'), body_hash(b'{"a":1}', b"another key")})
    assert 32 == len(body_hash(b""))


def _rows(count: int) -> tuple[RunRow, ...]:
    return tuple(
        RunRow(case=f"test_a.py::test_{number:02}", combination="off", outcome="passed") for number in range(count)
    )


@given(st.permutations(_rows(6)))
def test_equal_runs_have_equal_bytes(rows: list[RunRow]) -> None:
    """Whatever the order in which workers ended their tests."""
    assert encode_record(HEADER, _rows(6)) == encode_record(HEADER, rows)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Row by row, or whole."""
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    start_record_file(one, HEADER)
    append_row_to_file(one, ROW)
    other.write_bytes(encode_record(HEADER, [ROW]))
    assert RunRecord(HEADER, (ROW,)) == load_record(one) == load_record(other)


@given(cut=st.integers(1, 60))
def test_a_torn_last_line_is_named_and_the_rest_is_kept(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A run that was killed while it wrote loses one row at most."""
    path = tmp_path_factory.getbasetemp() / "torn.jsonl"
    path.write_bytes(encode_record(HEADER, _rows(3))[:-cut])
    record = load_record(path)
    assert _rows(2) == record.rows
    assert f"{path}:4: the last line is incomplete, so the run was killed here" == record.problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "1: not the header of a run record; write one with `pytest --harness-record=FILE`"),
        ("[]\n", "1: not the header of a run record"),
        ('{"case": "a"}\n', "1: not the header of a run record"),
        ('{"flag_harness_record": 2}\n', "1: format 2, and this flag-harness reads up to 1; install the release"),
        ('{"flag_harness_record": 1, "seconds": "long"}\n', "1: Expected `float`, got `str` - at `$.seconds`"),
        ('{"flag_harness_record": 1}\n{"case": 1}\n{}\n', "2: not a row of a run record: Expected `str`, got `int`"),
        ('{"flag_harness_record": 1}\nnot JSON\n', "2: not a row of a run record: JSON is malformed"),
    ],
)
def test_what_is_no_record_is_one_clear_error(text: str, words: str, tmp_path: Path) -> None:
    """It names the file, the line and the next step."""
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError) as caught:
        load_record(path)
    assert str(caught.value).startswith(f"{path}:{words}")


def test_flags_keep_the_order_in_which_they_are_declared(tmp_path: Path) -> None:
    """Those of a record without an order are in the order of the alphabet."""
    flags: dict[str, dict[str, object]] = {"tools": {}, "memory": {}, "cache": {}}
    path = tmp_path / "run.jsonl"
    path.write_bytes(encode_record(RunHeader(flags=flags, flag_order=("tools", "memory", "gone")), ()))
    assert ["tools", "memory", "cache"] == list(load_record(path).header.flags)


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    """So is a folder."""
    for path in (tmp_path / "absent.jsonl", tmp_path):
        with pytest.raises(RecordError, match=r"cannot be read: .*; to write a record: pytest --harness-record=FILE"):
            load_record(path)


@given(st.lists(st.integers(0, 2), min_size=12, max_size=12))
def test_shards_add_up_to_one_run(shard_of: list[int]) -> None:
    """Whichever shard ran which test."""
    rows = _rows(12)
    shards = [
        RunRecord(HEADER, tuple(row for row, number in zip(rows, shard_of, strict=True) if number == shard))
        for shard in range(3)
    ]
    merged = merge_records(shards)
    assert rows == merged.rows
    assert msgspec.structs.replace(HEADER, shard_count=3) == merged.header


def test_a_test_that_two_shards_ran_keeps_both_rows() -> None:
    """As repetitions."""
    shards = [RunRecord(msgspec.structs.replace(HEADER, seconds=float(number)), _rows(1)) for number in range(3)]
    assert [0, 1, 2] == [row.repetition for row in merge_records(shards).rows]


def test_a_record_is_not_merged_with_itself() -> None:
    """A file that is named twice would count each of its tests twice."""
    other, record = RunRecord(HEADER, ()), RunRecord(HEADER, (ROW,))
    with pytest.raises(RecordError, match="record 2 and record 3 are the same run; name the record of each shard once"):
        merge_records([other, record, record])


def test_records_of_different_code_are_not_merged() -> None:
    """The error says what differs."""
    other = RunRecord(msgspec.structs.replace(HEADER, commit="abc"), ())
    with pytest.raises(RecordError, match="not shards of one run: commit is '' and 'abc'"):
        merge_records([RunRecord(HEADER, ()), other])
    with pytest.raises(RecordError, match="no records to merge; name at least one file"):
        merge_records([])


@given(index=st.integers(0), byte=st.integers(0, 255))
def test_an_edited_record_is_noticed(index: int, byte: int) -> None:
    """Whichever byte of the file changes, unless the line still means the same, as 0e0 does for 0.0."""
    data = encode_record(HEADER, _rows(3))
    index %= len(data)
    edited = data[:index] + bytes([byte]) + data[index + 1 :]
    assert "" == find_record_problem(data)
    if find_record_problem(edited) == "":
        assert list(map(json.loads, data.splitlines())) == list(map(json.loads, edited.splitlines()))


def test_a_record_without_its_end_is_noticed(tmp_path: Path) -> None:
    """A missing row, a torn line, and a run that was killed before it wrote the last header."""
    path = tmp_path / "run.jsonl"
    start_record_file(path, HEADER)
    append_row_to_file(path, ROW)
    assert "it has no digest, so the run did not come to its end" in find_record_problem(path.read_bytes())
    whole = encode_record(HEADER, _rows(3))
    assert "its digest does not match" in find_record_problem(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert "its last line is incomplete" in find_record_problem(whole[:-1])
    assert "its first line is not JSON" == find_record_problem(b"{\n")


def test_merged_shards_say_how_the_worst_ended_and_what_they_tested() -> None:
    """A shard that did not end makes the whole incomplete, and files that differ between shards count as changed."""

    def merge(*shards: tuple[int, str]) -> RunHeader:
        headers = [RunHeader(exit_status=status, gate_files=GateFiles({"a.py": digest})) for status, digest in shards]
        return merge_records([RunRecord(header, ()) for header in headers]).header

    assert (1, GateFiles({"a.py": "00"})) == (merge((0, "00"), (1, "00")).exit_status, merge((0, "00")).gate_files)
    assert -1 == merge((1, "00"), (-1, "00")).exit_status
    tested = merge((0, "00"), (0, "11")).gate_files
    assert tested
    assert ("a.py",) == tested.changed_paths
    tested = (
        GateFiles({}, opened_paths=("a.md",)),
        GateFiles({}, opened_paths=("b.md",), paths_opened_in_prod=("c.md",)),
    )
    merged = merge_records([RunRecord(RunHeader(gate_files=one), ()) for one in tested])
    assert GateFiles({}, opened_paths=("a.md", "b.md"), paths_opened_in_prod=("c.md",)) == merged.header.gate_files
    without = merge_records([RunRecord(RunHeader(gate_files=GateFiles({})), ()), RunRecord(RunHeader(), ())])
    assert None is without.header.gate_files


@pytest.mark.deep
def test_ten_thousand_rows_are_read_within_a_second(tmp_path: Path) -> None:
    """Each with five requests, in CPU seconds."""
    request = RequestRecord("POST", "/v1/messages", 200, body_hash(b"{}"), "claude-haiku-4-5", usage=Usage(1200, 300))
    rows = [
        msgspec.structs.replace(ROW, case=f"test_a.py::test_{number}[streaming]", requests=(request,) * 5)
        for number in range(10_000)
    ]
    path = tmp_path / "run.jsonl"
    path.write_bytes(encode_record(HEADER, rows))
    started = time.process_time()
    assert 10_000 == len(load_record(path).rows)
    assert time.process_time() - started < 1


def test_shards_of_runs_with_different_counts_are_said_to_differ() -> None:
    """What is missing cannot be known."""
    records = [RunRecord(msgspec.structs.replace(HEADER, shard=shard), ()) for shard in ("1/2", "2/3")]
    assert "the shards belong to different runs: 1/2, 2/3" == merge_records(records).problem


def test_records_that_do_not_belong_together_are_named_by_their_files(tmp_path: Path) -> None:
    """So that somebody who merges fifty shards knows which one is wrong."""
    one, two, other = tmp_path / "1.jsonl", tmp_path / "2.jsonl", tmp_path / "other.jsonl"
    for path, header in ((one, HEADER), (two, HEADER), (other, msgspec.structs.replace(HEADER, commit="abc"))):
        path.write_bytes(encode_record(header, _rows(2)))
    with pytest.raises(RecordError, match=rf"^{one} and {two} are the same run; name the record of each shard once"):
        merge_records([load_record(one), load_record(two)])
    with pytest.raises(RecordError, match=rf"^{one} and {other} are not shards of one run: commit is '' and 'abc'; "):
        merge_records([load_record(one), load_record(other)])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"labels": [1]}, "$.labels[0]"),
        ({"values": True}, "$.values"),
        ({"env": {}}, "$.env"),
        ({"labels": ["a"]}, "2 values and 1 labels"),
    ],
)
def test_a_wrong_declaration_of_a_flag_is_named_when_a_record_is_read(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    """Its file, its line and its field; no command meets it later, where these are not known any more."""
    path = tmp_path / "run.jsonl"
    declared = {"memory": {"env": "MEMORY", **changes}}
    path.write_bytes(encode_record(msgspec.structs.replace(HEADER, flags=declared), _rows(1)))
    with pytest.raises(RecordError) as refused:
        load_record(path)
    assert str(refused.value).startswith(f"{path}:1: declares the flag 'memory' wrongly: ")
    assert field in str(refused.value)
    assert str(refused.value).endswith("write the record anew with --harness-record=FILE")
