"""A base URL with a path: the address is no part of a recording."""

import json

import pytest

TEST = """
import anthropic, json, os, urllib.request
M = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
def test_ask(cassette):
    options = {"base_url": os.environ["GATEWAY"]} if "GATEWAY" in os.environ else {}
    assert anthropic.Anthropic(max_retries=0, **options).messages.create(**M).content[0].text
"""
SERVED = """
import json, os, urllib.request
M = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
HEADERS = {"content-type": "application/json", "x-api-key": "x", "anthropic-version": "2023-06-01"}
def test_ask(cassette_server):
    for prefix in ("", "/anthropic", "/v1/team/gate"):
        url = f"{cassette_server.url}{prefix}/v1/messages"
        asked = urllib.request.Request(url, json.dumps(M).encode(), HEADERS)
        assert "message" == json.load(urllib.request.urlopen(asked))["type"]
"""
RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")


@pytest.fixture(autouse=True)
def _project(pytester: pytest.Pytester) -> None:
    """A project without settings."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n")


@pytest.mark.parametrize(
    ("recording", "playing"),
    [("https://gateway.example/team/anthropic", None), (None, "https://other.example/claude/v1/gate")],
)
def test_a_recording_plays_whatever_the_base_path_is(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, recording: str | None, playing: str | None
) -> None:
    """Recorded behind one gateway, it is played behind another or none; the file holds the endpoint alone."""
    pytester.makepyfile(TEST)
    for gateway, options in ((recording, RECORD), (playing, ())):
        monkeypatch.setenv("GATEWAY", gateway) if gateway else monkeypatch.delenv("GATEWAY", raising=False)
        pytester.runpytest(*options).assert_outcomes(passed=1)
    (file,) = (pytester.path / "recordings").rglob("*.json")
    assert ["/v1/messages"] == [one["request"]["path"] for one in json.loads(file.read_text())["interactions"]]


def test_a_recording_that_holds_a_base_path_still_plays(pytester: pytest.Pytester) -> None:
    """It was made when base paths were stored."""
    pytester.makepyfile(TEST)
    pytester.runpytest(*RECORD).assert_outcomes(passed=1)
    (file,) = (pytester.path / "recordings").rglob("*.json")
    file.write_text(file.read_text().replace('"/v1/messages"', '"/anthropic/v1/messages"'))
    pytester.runpytest().assert_outcomes(passed=1)


def test_the_server_answers_under_any_prefix(pytester: pytest.Pytester) -> None:
    """While it records from the simulator, and while it plays."""
    pytester.makepyfile(SERVED)
    for options in (RECORD, ()):
        pytester.runpytest(*options).assert_outcomes(passed=1)
