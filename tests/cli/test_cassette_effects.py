"""`flag-harness cassette effects`: what each flag changes, from recordings alone."""

import json
from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction, cassette
from flag_harness.cli import main
from flag_harness.wire.timeline import Chunk, End, Head, Request

ROOT = Path(__file__).parents[2]


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(["cassette", "effects", *arguments])
    return status, capsys.readouterr().out


def test_the_effects_of_the_cases_are_one_json_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the project's recordings if no path is given; no flag is inert, so the exit code is 0."""
    monkeypatch.chdir(ROOT)
    status, out = _run(capsys, "--json")
    found = json.loads(out)
    assert (0, {}, []) == (status, found["inert"], [*found["unpaired"]])
    paths = {(effect["flag"], effect["path"]) for effect in found["effects"]}
    assert {("streaming", "stream"), ("extended_output", "max_tokens"), ("extended_output", "thinking")} <= paths


def test_recordings_without_pairs_are_said_to_show_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One recording has no neighbour; each declared flag is named as not shown."""
    monkeypatch.chdir(ROOT)
    (one,) = sorted((ROOT / "recordings").rglob("*rate_limited*.json"))
    status, out = _run(capsys, str(one))
    assert 0 == status
    first, *others = out.splitlines()
    assert "No recordings of a test under two combinations were found." == first
    assert "streaming: not shown; no two recordings of a test differ in this flag alone" in others


def test_a_path_that_does_not_exist_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With what may stand there."""
    monkeypatch.chdir(tmp_path)
    assert 2 == main(["cassette", "effects", "absent"])
    assert "absent does not exist; name a cassette, or a folder of them" in capsys.readouterr().err


def test_a_change_at_the_end_of_a_very_long_text_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Long texts are kept in part only, with a hash of the whole."""
    monkeypatch.chdir(ROOT)
    for combination, end in (("off", "a"), ("streaming", "b")):
        body = {"model": "m", "messages": [{"role": "user", "content": "long " * 210_000 + end}]}
        request = Request("POST", "https://api.anthropic.com/v1/messages", (), json.dumps(body).encode())
        metadata = CassetteMetadata(
            "simulator", "2026-11-26T00:07:27Z", "anthropic 2.14.0", "t.py::test_a", combination
        )
        answer = (Head(0.0, 200, ()), Chunk(0.1, b"{}"), End(0.2))
        Cassette(metadata, (Interaction(request, answer),)).save(tmp_path / f"{combination}.json")
    _, out = _run(capsys, "--json", str(tmp_path))
    (effect,) = json.loads(out)["effects"]
    assert ("streaming", "messages[*].content[*].text") == (effect["flag"], effect["path"])


def test_large_recordings_have_the_same_effects(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their interactions are read one by one, and their requests kept compressed."""
    monkeypatch.chdir(ROOT)
    expected = _run(capsys, "--json")
    monkeypatch.setattr(cassette, "_MIN_BYTES_OF_LARGE_FILE", 0)
    assert expected == _run(capsys, "--json")
