"""`flag-harness cassette diff`: where two cassettes differ."""

import json
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cassette import CassetteMetadata, Interaction
from flag_harness.cassette.file.format import encode_cassette_in_one_file
from flag_harness.cli import main
from flag_harness.wire.timeline import Chunk, End, Head, Request

MATRIX = Path(__file__).parents[2] / "recordings" / "matrix"
LONG = "You keep the notes of a small engineering team, and answer in plain sentences when you are asked. "


def _write(path: Path, *bodies: Any, text: str = "Hi.") -> str:
    answer = {
        "id": f"msg_{path.stem}",
        "content": [{"type": "text", "text": text}],
        "usage": {"output_tokens": len(text)},
    }
    data = json.dumps(answer).encode()
    interactions = [
        Interaction(
            Request("POST", "/v1/messages", (), json.dumps(body).encode()),
            (Head(0.1, 200, ()), Chunk(0.2, data), End(1.0)),
        )
        for body in bodies
    ]
    path.write_bytes(encode_cassette_in_one_file(CassetteMetadata("live", "2026-11-01T00:00:00Z"), interactions))
    return str(path)


def _diff(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    code = main(["cassette", "diff", *arguments])
    return code, capsys.readouterr().out.splitlines()


def test_a_cassette_does_not_differ_from_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor from one with other ids and times."""
    path = str(MATRIX / "streaming+prompt_cache+extended_output.json")
    assert (0, ["4 interactions compared: none differ"]) == _diff(capsys, path, path)


def test_the_places_that_differ_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of long texts the words that changed are counted; of answers words and usage are told."""
    before = _write(tmp_path / "a.json", {"system": LONG + "Be kind.", "max_tokens": 1})
    after = _write(tmp_path / "b.json", {"system": LONG + "Be brief.", "stream": True}, text="Hi there.")
    assert (
        1,
        [
            "~ 0 POST /v1/messages",
            "    request system  1 word: …' when you are asked. Be kind.' → …' when you are asked. Be brief.'",
            "    request max_tokens  1 → nothing",
            "    request stream  nothing → True",
            "    answer  content[0].text  'Hi.' → 'Hi there.'",
            "    answer  usage.output_tokens  3 → 9",
            "1 interaction compared: 1 differs",
        ],
    ) == _diff(capsys, before, after)


def test_interactions_of_one_side_only_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And those whose place has changed."""
    before = _write(tmp_path / "a.json", {"n": 1}, {"n": 2})
    after = _write(tmp_path / "b.json", {"n": 0}, {"n": 1}, text="Ho.")
    assert (
        1,
        [
            "+ 0 POST /v1/messages: only in the second",
            "~ 0 (there 1) POST /v1/messages",
            "    answer  content[0].text  'Hi.' → 'Ho.'",
            "- 1 POST /v1/messages: only in the first",
            "3 interactions compared: 3 differ",
        ],
    ) == _diff(capsys, before, after)


def test_a_body_that_is_no_json_differs_as_a_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no paths."""
    code, lines = _diff(capsys, _write(tmp_path / "a.json", "one"), _write(tmp_path / "b.json", "two"))
    assert (1, "    request body  'one' → 'two'") == (code, lines[1])


def test_scripts_get_values_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As one JSON object."""
    before, after = _write(tmp_path / "a.json", {"n": 1}), _write(tmp_path / "b.json", {"n": 2})
    code, lines = _diff(capsys, before, after, "--json")
    difference = {"path": "n", "before": 1, "after": 2, "absent": []}
    pair = {"before": 0, "after": 0, "method": "POST", "path": "/v1/messages", "request": [difference], "answer": []}
    expected = {"before": before, "after": after, "compared": 1, "interactions": [pair]}
    assert (1, expected) == (code, json.loads("\n".join(lines)))


def test_a_missing_file_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named."""
    path = _write(tmp_path / "a.json")
    assert 2 == main(["cassette", "diff", path, "nowhere.json"])
    assert capsys.readouterr().err.startswith("nowhere.json: cannot be read as a cassette: ")


def test_its_help_holds_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """Of each of the three."""
    for command in ("show", "diff", "stat"):
        with pytest.raises(SystemExit):
            main(["cassette", command, "--help"])
        assert f"examples:\n  flag-harness cassette {command}" in capsys.readouterr().out
