"""`flag-harness cassette show`: a cassette as a conversation, for people and for scripts."""

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flag_harness.analysis.conversation import conversation_steps
from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.file.format import encode_cassette_in_one_file
from flag_harness.cli import main
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request, Response

RECORDINGS = Path(__file__).parents[2] / "recordings"
LOOP = RECORDINGS / "matrix" / "streaming+prompt_cache+extended_output.json"
USER = {"role": "user", "content": "Hello."}
TEXT = {"type": "text", "text": "Hi."}


def _plain(value: Any, status: int = 200, last: Piece | None = None) -> Response:
    return Head(0.1, status, ()), Chunk(0.2, json.dumps(value).encode()), last or End(0.3)


def _asked(body: Any, response: Response, path: str = "/v1/messages", beta: str = "") -> Interaction:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Interaction(Request("POST", path, (("anthropic-beta", beta),) if beta else (), data), response)


@pytest.fixture
def show(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a cassette, and gives back what the command prints of it, without the two lines of its head."""
    monkeypatch.setenv("COLUMNS", "90")

    def shown(*interactions: Interaction, options: tuple[str, ...] = (), head: bool = False, **known: Any) -> list[str]:
        path = tmp_path / "a.json"
        metadata = CassetteMetadata(**{"upstream": "live", "recorded_at": "2026-11-01T10:00:00Z", **known})
        path.write_bytes(encode_cassette_in_one_file(metadata, interactions))
        assert 0 == main(["cassette", "show", str(path), *options])
        lines = capsys.readouterr().out.splitlines()
        return lines[:2] if head else lines[2:]

    return shown


def test_a_streamed_tool_loop_fits_a_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two questions, a tool call each: every word that is new stands there once, in 24 to 40 lines."""
    monkeypatch.setenv("COLUMNS", "116")
    assert 0 == main(["cassette", "show", str(LOOP)])
    lines = capsys.readouterr().out.splitlines()
    assert 24 <= len(lines) <= 40
    assert all(len(line) <= 116 and line == line.rstrip() for line in lines)
    text = "\n".join(lines)
    for words in (
        "user        How many open lines has the plan?",
        "tool use    bash command: printf 'b\\na\\n' | sort",
        "tool result a ⏎ b",
        "assistant   I sorted the lines of the list. In order they are a, b.",
        "tools       bash (bash_20250124)",
        "── 0 claude-sonnet-5-5  max_tokens=16384 output_config=effort:medium stream=true thinking=adaptive ─",
    ):
        assert 1 == text.count(words), words
    assert 2 == text.count("thinking    (nothing of it is shown)")
    assert any(line.startswith("200         tool_use · 1,624 in (1,591 cached, 33 written) · 77 out") for line in lines)
    assert lines[-1].startswith("4 interactions · 6,409 in (4,687 cached) · 228 out · ")
    assert lines[-1].endswith(" at list price")


def test_a_plain_question_and_its_answer(show: Any) -> None:
    """With what it cost: here nothing is known of the price."""
    answer = _plain({"content": [TEXT], "stop_reason": "end_turn", "usage": {"input_tokens": 1200, "output_tokens": 5}})
    assert [
        "── 0 m  max_tokens=9 ─────────────────────────────────────────────────────────────────────",
        "user        Hello.",
        "assistant   Hi.",
        "200         end_turn · 1,200 in · 5 out · 0.30 s",
        "1 interaction · 1,200 in (0 cached) · 5 out · 0.30 s",
    ] == show(_asked({"model": "m", "max_tokens": 9, "messages": [USER]}, answer))


def test_only_what_changes_is_told_of_a_request_that_goes_on(show: Any) -> None:
    """Also where it goes on from one further back, and where it leaves something out."""
    first = _asked({"model": "m", "top_k": 1, "messages": [USER]}, _plain({"content": [TEXT]}))
    other = _asked({"model": "n", "messages": ["odd", {"role": "user", "content": [3]}]}, _plain({"content": []}))
    echoed = {"role": "assistant", "content": [TEXT]}
    again = {"role": "user", "content": [{**TEXT, "text": "Again."}]}
    on = _asked({"model": "m", "metadata": {"a": [1]}, "messages": [USER, echoed, again]}, _plain({}), beta="x")
    lines = show(first, other, on)
    assert [
        "── 1 n ───────────────────────────────────────────────────────────────────────────────────",
        "?           odd",
        "user        3",
        "200         0.30 s",
        '── 2 goes on from 0  metadata={"a": [1]} top_k=- anthropic-beta=x ────────────────────────',
        "user        Again.",
        "200         0.30 s",
        "3 interactions · 0 in (0 cached) · 0 out · 0.90 s",
    ] == lines[4:]


def test_an_answer_that_was_changed_before_it_was_sent_back_is_shown(show: Any) -> None:
    """It is new then."""
    first = _asked({"messages": [USER]}, _plain({"content": [TEXT]}))
    changed = {"role": "assistant", "content": "Bye."}
    lines = show(first, _asked({"messages": [USER, changed, USER]}, _plain({"content": [TEXT]})))
    assert ["assistant   Bye.", "user        Hello."] == lines[-5:-3]


def test_a_request_that_goes_on_without_the_answer_is_shown_so(show: Any) -> None:
    """Nothing of the answer is new, for it is not there."""
    lines = show(_asked({"messages": [USER]}, _plain({})), _asked({"messages": [USER, USER]}, _plain({})))
    assert ["user        Hello.", "200         0.30 s"] == lines[4:6]


BLOCKS = [
    ({"type": "thinking", "thinking": ""}, "thinking    (nothing of it is shown)"),
    ({"type": "redacted_thinking", "data": "x"}, "thinking    (redacted)"),
    ({"type": "tool_use", "name": "a", "input": {}}, "tool use    a {}"),
    ({"type": "tool_use", "name": "a", "input": {"n": 1}}, 'tool use    a {"n": 1}'),
    ({"type": "tool_use", "name": "a", "input": '{"cut'}, 'tool use    a {"cut'),
    ({"type": "tool_result", "is_error": True, "content": "No.\n"}, "error       No."),
    ({"type": "tool_result", "content": [{"type": "text", "text": "a"}, 3]}, "tool result a 3"),
    ({"type": "tool_result"}, "tool result null"),
    ({"type": "document", "title": "T"}, 'document    {"title": "T"}'),
    ({"type": "text", "text": "\x1b[31mred\x07"}, "user        \\x1b[31mred\\x07"),
    ({"type": "text", "text": ""}, "user"),
]


@pytest.mark.parametrize(("block", "line"), BLOCKS)
def test_each_kind_of_block_has_its_line(show: Any, block: dict[str, Any], line: str) -> None:
    """No control character of a recording reaches the terminal."""
    lines = show(_asked({"messages": [{"role": "user", "content": [block]}]}, _plain({})))
    assert line == lines[1].rstrip()


@pytest.mark.parametrize(
    ("response", "lines"),
    [
        ((Cut(0.1, "refused"),), ["refused     0.10 s"]),
        (
            (Head(0.1, 200, (("content-type", "text/event-stream"),)), End(0.2, is_abandoned=True)),
            ["200 abandon 0.20 s"],
        ),
        (
            _plain({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
            ["error       overloaded_error: Overloaded", "529         0.30 s"],
        ),
        (_plain({"input_tokens": 7}), ['answer      {"input_tokens": 7}', "200         0.30 s"]),
    ],
)
def test_whatever_came_is_told(show: Any, response: Response, lines: list[str]) -> None:
    """Connections that broke, errors, and answers that are no messages."""
    assert lines == show(_asked(b"", response, path="/v1/x"))[1:-1]


def test_a_body_that_is_none_of_a_message_is_shown_as_it_stands(show: Any) -> None:
    """Beside the method and the path."""
    lines = show(_asked(b"a=1", _plain({"ok": True}), path="/v1/files"))
    assert lines[0].startswith("── 0 POST /v1/files ─")
    assert "body        a=1" == lines[1]
    assert lines == show(_asked(b"a=1", _plain({"ok": True}), path="/v1/files"), options=("--no-color",))


def test_long_texts_are_cut_unless_all_is_asked_for(show: Any) -> None:
    """How long they are is told."""
    text = "one two three four five six seven " * 20 + "\n\nlast line"
    interaction = _asked({"messages": [{"role": "user", "content": text}]}, _plain({}))
    lines = show(interaction)
    assert 5 == len(lines)
    assert lines[2].endswith(" … 691 characters")
    full = show(interaction, options=("--full",))
    assert text.split() == " ".join(line[12:] for line in full[1:-2]).split()
    assert "            last line" == full[-3]


def test_many_parameters_have_a_line_of_their_own(show: Any) -> None:
    """Where they do not fit beside the number."""
    lines = show(_asked({"model": "m", "stop_sequences": ["word"] * 12, "messages": [USER]}, _plain({})))
    assert lines[0].startswith("── 0 m ──")
    assert lines[1].startswith('parameters  stop_sequences=["word", "word", ')


def test_the_head_says_where_the_recording_comes_from(show: Any) -> None:
    """And how old it is."""
    now = datetime.now(UTC)
    known = {"sdk": "anthropic 2.12.0", "combination": "off", "is_rebased": True, "match_on": ("path",)}
    for days, age in ((0, "today"), (1, "yesterday"), (3, "3 days ago")):
        moment = (now - timedelta(days=days, minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        expected = f"live, {moment[:10]} {moment[11:16]} ({age}) · off · anthropic 2.12.0 · rebased, not verified"
        line = show(head=True, recorded_at=moment, options=("--full",), **known)[1]
        assert line.startswith(expected)
    assert "live, once" == show(head=True, recorded_at="once")[1]
    assert "(today)" in show(head=True, recorded_at=now.strftime("%Y-%m-%dT%H:%M:%S"))[1]


def test_scripts_get_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """As one JSON object, with the answer put together from its stream."""
    assert 0 == main(["cassette", "show", str(LOOP), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (str(LOOP), "simulator") == (report["path"], report["envelope"]["upstream"])
    one = report["interactions"][1]
    assert (1, 0, 200, True, True, "end") == tuple(
        one[name] for name in ("number", "follows", "status", "streamed", "complete", "ended")
    )
    assert "I counted the lines of the plan" in one["answer"]["content"][0]["text"]
    assert ["tool_result"] == [new_content["block"]["type"] for new_content in one["said"]]
    assert 1472 == one["usage"]["cache_read_input_tokens"]
    assert one["first_token"] < one["seconds"]


def test_colour_is_for_terminals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`FORCE_COLOR` stands for one; `NO_COLOR` and `--no-color` are obeyed there too."""
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = []
    for options, environment in (
        ([], {"FORCE_COLOR": "1"}),
        ([], {"NO_COLOR": "1"}),
        (["--no-color"], {"NO_COLOR": ""}),
    ):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        main(["cassette", "show", str(LOOP), *options])
        shown.append("\x1b[" in capsys.readouterr().out)
    assert [True, False, False] == shown


def test_a_file_that_is_no_cassette_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    path = tmp_path / "a.json"
    path.write_text("{}")
    assert 2 == main(["cassette", "show", str(path)])
    captured = capsys.readouterr()
    assert ("", 1) == (captured.out, len(captured.err.splitlines()))
    assert captured.err.startswith(f"{path}: cannot be read as a cassette: ")


def test_system_and_tools_are_told_when_they_change() -> None:
    """Cache marks and the two ways of writing a text are no change."""
    tool = {"name": "a", "description": "b"}
    bodies = [
        {"system": "One.", "tools": [tool], "messages": [USER]},
        {"system": "Two.", "tools": [{**tool, "cache_control": {"type": "ephemeral"}}], "messages": [USER]},
    ]
    found = list(
        conversation_steps(Cassette(CassetteMetadata("live", ""), tuple(_asked(body, _plain({})) for body in bodies)))
    )
    assert [["system", "tools", "user"], ["system"]] == [[role for role, _ in one.new_content] for one in found]


def test_a_huge_text_is_cut_as_a_short_one_is(show: Any) -> None:
    """Only its beginning is wrapped, however wide its words are, and the rest is counted."""
    for text in ("word " * 40_000, "\u200b" * 5_000 + "word " * 40_000, "w" * 90_000, "\n" * 30_000 + "word " * 9_000):
        lines = show(_asked({"messages": [{"role": "user", "content": text}]}, _plain({})))
        first = [line for line in lines if not line.startswith("──")][:2]
        assert first[0].startswith("user")
        assert first[1].endswith(f"… {len(text):,} characters")


def test_a_large_cassette_is_shown_in_little_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file and its bodies are held at once, and a few decoded bodies, but never all of them."""
    bodies = [{"messages": [{"role": "user", "content": f"{number} " + "word " * 100_000}]} for number in range(8)]
    path = tmp_path / "a.json"
    size = path.write_bytes(
        encode_cassette_in_one_file(CassetteMetadata("live", ""), [_asked(body, _plain({})) for body in bodies])
    )
    tracemalloc.start()
    try:
        assert 0 == main(["cassette", "show", str(path)])
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "8 interactions" in capsys.readouterr().out
    assert used < 3 * size


def test_a_conversation_goes_on_from_a_huge_message(show: Any) -> None:
    """Huge texts are compared by their hash, so the second request shows only what is new in it."""
    sent = [{"role": "user", "content": "a long story " * 100_000}]
    more = [*sent, {"role": "assistant", "content": "Oh."}, USER]
    answer = _plain({"type": "message", "content": [{"type": "text", "text": "Oh."}]})
    lines = show(_asked({"messages": sent}, answer), _asked({"messages": more}, _plain({})))
    assert 1 == sum(line.startswith("user        a long story") for line in lines)
    assert 1 == sum(line == "user        Hello." for line in lines)
