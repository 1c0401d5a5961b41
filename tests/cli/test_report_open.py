"""`flag-harness report open`: what failed in a run, in the terminal."""

import webbrowser
from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata
from flag_harness.cli import main
from flag_harness.record import RequestRecord, RunHeader, RunRow, encode_record
from flag_harness.record.conversation import Conversation, ConversationTurn, MessagePart, save_conversations
from flag_harness.record.failed_test_cassettes import failed_test_cassette_path

CASE = "test_a.py::test_refund[streaming]"


def _write(path: Path, *cases: str, text: str = "It is lost.", flags: str = "concise") -> Path:
    """Write the record of a run whose tests all failed, with what is kept beside it."""
    options = ("--harness-flags", flags, "--harness-fault=reset:on=1", "--disable-recording", "-k", "refund")
    header = RunHeader(commit="0123456789abcdef", sdk="2.14.0", python="3.13.1", options=options, content_level="full")
    rows = [RunRow(case=case, combination="streaming", outcome="failed", reason="assert lost") for case in cases]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode_record(header, rows))
    asked = MessagePart("user", "text", "Where is it?", 12)
    said = MessagePart("assistant", "text", text, len(text))
    save_conversations(path, [Conversation(case, (ConversationTurn((asked,), (said,), "reset"),)) for case in cases])
    for case in cases:
        Cassette(CassetteMetadata("live", "2026-01-01T00:00:00Z", case=case), ()).save(
            failed_test_cassette_path(path, case)
        )
    return path


def test_a_failed_test_is_shown_with_its_conversation_and_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command keeps the flags and faults of the run, and leaves out who answered and what was selected."""
    record = _write(tmp_path / "run.jsonl", CASE)
    assert 0 == main(["report", "open", str(record), CASE])
    assert (
        f"""\
{record}: 1 of 1 run failed, commit 0123456789, anthropic 2.14.0, Python 3.13.1

FAILED {CASE}
  call: assert lost
  answered by: nobody
  request 1
    user        Where is it?
  answer 1 (reset)
    assistant   It is lost.

To run it again, from what the run kept, at the root of the project:
  pytest '{CASE}' --harness-rerun={record} --harness-flags concise --harness-fault=reset:on=1
"""
        == capsys.readouterr().out
    )


def test_a_test_that_did_not_fail_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names those that failed."""
    record = _write(tmp_path / "run.jsonl", CASE)
    assert 2 == main(["report", "open", str(record), "test_a.py::test_other"])
    assert f"test_a.py::test_other did not fail in this run; failed: {CASE}" in capsys.readouterr().err


def test_the_flags_that_break_a_test_are_named_before_its_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run with the fewest flags comes first."""
    flags = {name: {"default": False, "values": [False, True], "env": name.upper()} for name in ("cache", "fast")}
    rows = [
        RunRow(
            case=f"test_a.py::test_a[{'+'.join(on) or 'off'}]",
            combination="+".join(on) or "off",
            outcome="failed" if "fast" in on else "passed",
            values={name: name in on for name in flags},
        )
        for on in ((), ("cache",), ("cache", "fast"), ("fast",))
    ]
    (tmp_path / "run.jsonl").write_bytes(encode_record(RunHeader(flags=flags), rows))
    assert 0 == main(["report", "open", str(tmp_path / "run.jsonl")])
    headline, cause, *shown = capsys.readouterr().out.splitlines()
    assert "2 of 4 runs failed" in headline
    assert "  test_a fails when fast is on" == cause
    expected = ["FAILED test_a.py::test_a[fast]", "FAILED test_a.py::test_a[cache+fast]"]
    assert expected == [line for line in shown if line.startswith("FAILED")]


def test_texts_cannot_control_the_terminal_and_are_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record of somebody else is not trusted; how much is left out is said."""
    record = _write(tmp_path / "run.jsonl", CASE, text="\x1b[2J" + "x" * 5_000)
    assert 0 == main(["report", "open", str(record)])
    shown = capsys.readouterr().out
    assert "assistant   \\x1b[2Jxxx" in shown
    assert "… 3,004 more characters; --browser shows them" in shown


def test_the_page_is_written_beside_the_record_and_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--browser` opens the report of the whole run, of a folder too."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    _write(tmp_path / "out" / "run.jsonl", CASE)
    assert 0 == main(["report", "open", str(tmp_path / "out"), "--browser"])
    assert [(tmp_path / "out" / "report.html").as_uri()] == opened
    assert "1 of 1 run failed" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_merged_shards_keep_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Conversations and cassettes of all shards are beside the merged record; a folder of shards is shown alike."""
    shards = [_write(tmp_path / "shards" / f"{name}.jsonl", f"test_{name}.py::test_it") for name in "ab"]
    assert 0 == main(["report", "merge", *map(str, shards), "-o", str(tmp_path / "run.jsonl")])
    for run in (tmp_path / "run.jsonl", tmp_path / "shards"):
        capsys.readouterr()
        assert 0 == main(["report", "open", str(run)])
        shown = capsys.readouterr().out
        assert 2 == shown.count("assistant   It is lost.")
        assert "was not kept" not in shown
        assert f"  pytest --harness-rerun={run} --harness-flags concise" in shown


def test_shards_with_different_flags_are_run_again_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the jobs of a CI matrix upload them."""
    for name in ("concise", "streaming"):
        _write(tmp_path / name / "run.jsonl", f"test_{name}.py::test_it", flags=name)
    assert 0 == main(["report", "open", str(tmp_path)])
    shown = capsys.readouterr().out
    for name in ("concise", "streaming"):
        assert f"  pytest --harness-rerun={tmp_path / name / 'run.jsonl'} --harness-flags {name} " in shown


def test_the_summary_of_a_job_says_how_to_see_more(tmp_path: Path) -> None:
    """Only if something is kept."""
    record = _write(tmp_path / "run.jsonl", CASE)
    assert 0 == main(["report", "build", str(record), "-o", str(tmp_path / "out.md")])
    assert "`flag-harness report open FOLDER`" in (tmp_path / "out.md").read_text("utf-8")


def test_an_incomplete_run_is_shown_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The torn line is named, and the exit code is 1."""
    record = _write(tmp_path / "run.jsonl", CASE)
    with record.open("ab") as file:
        file.write(b'{"case":')
    assert 1 == main(["report", "open", str(record)])
    assert f"{record}:3: the last line is incomplete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("requests", "conversation"),
    [((), "  it sent no request"), ((RequestRecord("POST", "/", 200, ""),), "  no conversation was kept")],
    ids=["no request", "a request"],
)
def test_a_failed_test_of_which_nothing_was_kept_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], requests: tuple[RequestRecord, ...], conversation: str
) -> None:
    """The output says who answered it, and that the project's own recordings answer when it is run again."""
    record = tmp_path / "run.jsonl"
    row = RunRow(
        case=CASE, combination="streaming", outcome="failed", requests=requests, cassette="a.json", recorded_from="live"
    )
    record.write_bytes(encode_record(RunHeader(), [row]))
    assert 0 == main(["report", "open", str(record)])
    shown = capsys.readouterr().out.splitlines()
    assert "  answered by: a.json, recorded from: live" in shown
    assert conversation in shown
    assert "  What answered it was not kept: it is run again with the project's own recordings." in shown


def test_a_run_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what can be named."""
    assert 2 == main(["report", "open", str(tmp_path / "none")])
    assert f"{tmp_path / 'none'}: there is no such file or folder; name a record" in capsys.readouterr().err


def test_a_folder_with_the_name_of_a_record_is_no_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The records beside it are read."""
    (tmp_path / "out" / "old.jsonl").mkdir(parents=True)
    _write(tmp_path / "out" / "run.jsonl", CASE)
    assert 0 == main(["report", "open", str(tmp_path / "out")])
    assert "1 of 1 run failed" in capsys.readouterr().out


def test_a_merged_record_may_replace_one_of_its_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its cassettes stay."""
    first, second = (_write(tmp_path / f"{name}.jsonl", f"test_{name}.py::test_it") for name in "ab")
    assert 0 == main(["report", "merge", str(first), str(second), "-o", str(first)])
    assert 0 == main(["report", "open", str(first)])
    assert "was not kept" not in capsys.readouterr().out


def test_cassettes_that_cannot_be_copied_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is where their folder would be."""
    shards = [str(_write(tmp_path / f"{name}.jsonl", f"test_{name}.py::test_it")) for name in "ab"]
    (tmp_path / "run.cassettes").touch()
    assert 2 == main(["report", "merge", *shards, "-o", str(tmp_path / "run.jsonl")])
    expected = f"{tmp_path / 'run.cassettes'}: the cassettes of {shards[0]} cannot be copied: "
    assert expected in capsys.readouterr().err
