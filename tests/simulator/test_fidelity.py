"""The measures of fidelity see what they are to see; on recorded traffic they find the simulated API true."""

import gzip
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TRAFFIC = BENCHMARKS.parents[1] / "shared" / "traffic" / "interactions.jsonl.gz"
BODY: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
USAGE = {"input_tokens": 8, "output_tokens": 1}


@pytest.fixture
def fidelity(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command's module, imported as a script imports what stands beside it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("fidelity")


def row(name: str, body: Any, status: int, answer: Any, **headers: str) -> dict[str, Any]:
    """One recorded interaction."""
    url = "https://api.anthropic.com/v1/messages"
    return {
        "source": "here",
        "path": name,
        "i": 0,
        "body_fidelity": "verbatim",
        "response_headers_fidelity": "full",
        "request": {"method": "POST", "url": url, "headers": [], "body": json.dumps(body)},
        "response": {
            "status": status,
            "headers": list(headers.items()),
            "body": answer if isinstance(answer, str) else json.dumps(answer),
        },
    }


def answered(*blocks: Any) -> dict[str, Any]:
    """A recorded message."""
    kept = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(blocks)}
    return {**kept, "stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE}


def run(fidelity: Any, monkeypatch: pytest.MonkeyPatch, traffic: Path, *words: str) -> int:
    """The exit code of the command; what it switched off is on again."""
    import logging

    monkeypatch.setattr(sys, "argv", ["fidelity.py", "--traffic", str(traffic), *words])
    try:
        code: int = fidelity.main()
    finally:
        logging.disable(logging.NOTSET)
    return code


def written(path: Path, *rows: dict[str, Any]) -> Path:
    """Rows as a file of traffic."""
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(f"{json.dumps(one)}\n" for one in rows)
    return path


def test_what_does_not_fit_is_counted(
    fidelity: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A 200 that is refused here, a 400 that is not, a stream that is none, keys and headers of their own."""
    day = {"date": "Wed, 05 Aug 2026 10:00:00 GMT"}
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no such thing"}}
    stream = 'event: message_start\ndata: {"type":"message_start","message":{}}\n\n'
    traffic = written(
        tmp_path / "t.jsonl.gz",
        row("refused", {**BODY, "messages": []}, 200, answered({"type": "text", "text": "a"})),
        row("accepted", BODY, 400, error),
        row("cut", {**BODY, "stream": True}, 200, stream),
        row("own", BODY, 200, {**answered({"type": "text", "text": "a"}), "novelty": 1}, **day),
    )
    assert 1 == run(fidelity, monkeypatch, traffic, "--rows")
    told = capsys.readouterr().out
    for line in (
        "| recorded successful requests (messages, count_tokens, models) are accepted | 2 | 3 | 66.7% | 66.7% of 3 |",
        "| recorded 400 errors are answered with the same status, type and message | 0 | 1 | 0.0% | 0.0% of 1 |",
        "| recorded streams pass the stream checker (verbatim ones with their padding) | 0 | 1 | 0.0% | 0.0% of 1 |",
        "1 row: refused with: messages: at least one message is required\n  - here refused #0",
        "1 row: not refused with: no such thing\n  - here accepted #0",
        "1 row: the order of events is wrong\n",
        "| JSON keys in 2026: non-streamed answers | 0 | 1 | 0.0% | 0.0% of 1 |",
        "recorded with novelty",
    ):
        assert line in told


def test_a_warm_conversation_excuses_only_what_was_read_from_before(
    fidelity: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """More than the recording had marked; what was marked and is not read is a miss of ours."""
    mark = {"cache_control": {"type": "ephemeral"}}
    prompts = [[{"type": "text", "text": "word " * 5000, **mark}], [{"type": "text", "text": "other " * 5000, **mark}]]
    texts = [{**BODY, "system": prompt, "messages": [{"role": "user", "content": "hi"}]} for prompt in prompts]

    def counted(read: int, created: int) -> dict[str, Any]:
        kinds = {"input_tokens": 3, "cache_read_input_tokens": read, "cache_creation_input_tokens": created}
        return {**answered({"type": "text", "text": "a"}), "usage": {**USAGE, **kinds}}

    traffic = written(
        tmp_path / "t.jsonl.gz",
        row("warm", texts[0], 200, counted(5000, 0)),
        row("warm", texts[1], 200, counted(5000, 0)),
        row("warm", texts[0], 200, counted(0, 5000)),
    )
    assert 1 == run(fidelity, monkeypatch, traffic)
    told = capsys.readouterr().out
    line = "- prompt cache: reads and writes occur in the same turns: 1 row: "
    assert (
        f"{line}the cache was warm before the recording started, so its contents are unknown (known exception)\n"
        in told
    )
    assert f"{line}not explained\n" in told
    assert "| prompt cache: reads and writes occur in the same turns | 1 | 3 | 33.3% | 50.0% of 2 |\n" in told


def test_without_traffic_it_says_so(
    fidelity: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and what to type."""
    assert 2 == run(fidelity, monkeypatch, tmp_path / "none")
    assert (
        f"{tmp_path / 'none'}: no such file; name a file of recorded traffic with --traffic\n"
        == capsys.readouterr().err
    )


@pytest.mark.skipif(not TRAFFIC.exists(), reason="no recorded traffic beside the project: ../shared/traffic")
@pytest.mark.deep
def test_the_simulated_api_is_true_to_recorded_traffic(
    fidelity: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every line of the table; and the table that the documentation shows is the one that comes out."""
    page = tmp_path / "fidelity.md"
    assert 0 == run(fidelity, monkeypatch, TRAFFIC, "--write", str(page))
    assert capsys.readouterr().out == page.read_text() + "\n"
    assert (BENCHMARKS.parent / "docs" / "fidelity.md").read_text() == page.read_text()


@pytest.mark.skipif(not TRAFFIC.exists(), reason="no recorded traffic beside the project: ../shared/traffic")
def test_cache_reads_and_writes_fall_on_the_recorded_turns(
    fidelity: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of 81 turns, 95 % are predicted; only server tools and caches filled before the recording are left out."""
    measures = importlib.import_module("measures")
    rows = importlib.import_module("recorded").load_rows(TRAFFIC)
    (turns,) = measures.cache_measures(rows, measures.recorded_signatures(rows))
    assert 81 == turns.total
    assert {measures.SERVER_TOOLS: 9, measures.WARM_CACHE: 5} == {
        rule: len(names) for rule, names in turns.differences.items() if rule in measures.KNOWN_EXCEPTIONS
    }
    assert turns.matches / turns.explainable >= 0.95
