"""Files that are nested so deeply that a parser gives up are named in one line, whichever command reads them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flag_harness.errors import HarnessError
from flag_harness.flag import Flag
from flag_harness.gate.approval import load_approvals
from flag_harness.gate.prod.history import ProductionHistory
from flag_harness.matrix.baseline import read_baseline
from flag_harness.plugin.resume.paid_answers import PaidAnswers
from flag_harness.record.conversation import conversations_path, load_conversations
from flag_harness.record.file import decode_record, find_record_problem
from flag_harness.sweep.earlier_outcomes import load_earlier_outcomes

DEEP = "[" * 100_000
HEADER = b'{"flag_harness_record": 1, "deep": ' + DEEP.encode()


def _load_conversations(path: Path) -> None:
    conversations_path(path).write_text(DEEP)
    load_conversations(path)


READERS: dict[str, Callable[[Path], object]] = {
    "approval": lambda path: load_approvals(path.parent),
    "conversations": _load_conversations,
    "earlier outcomes": load_earlier_outcomes,
    "flags of production": lambda path: read_baseline(path, [Flag("a", "A")]),
    "header of a record": lambda path: decode_record(path, HEADER + b"\n"),
    "journal": lambda path: ProductionHistory(path.parent).read_journal(),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_file_that_is_nested_too_deeply_is_named(kind: str, tmp_path: Path) -> None:
    """There is no traceback of a `RecursionError`."""
    path = tmp_path / "journal.json"
    path.write_text(DEEP)
    with pytest.raises(HarnessError, match="journal"):
        READERS[kind](path)


def test_a_record_that_is_nested_too_deeply_was_not_written_by_a_run() -> None:
    """Its first line counts as one that is not JSON."""
    assert "its first line is not JSON" == find_record_problem(HEADER + b"\n")


def test_paid_answers_that_are_nested_too_deeply_are_left_out(tmp_path: Path) -> None:
    """They are asked for again."""
    record = tmp_path / "run.jsonl"
    answers = PaidAnswers(record, "full")
    answers._path.write_text(f'["a", {DEEP}\n')
    answers.load_answers(drops_incomplete_lines=True)
    assert "" == answers._path.read_text()
