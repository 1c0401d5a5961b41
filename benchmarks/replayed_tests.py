"""Suites whose tests send one request each: replayed by us, by pytest-recording, and answered by a `MockTransport`."""

import json
from collections.abc import Mapping
from pathlib import Path

TESTS = 300
ANSWER = {"type": "message", "content": [], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}
REQUEST = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}]}
URL = "https://api.anthropic.com/v1/messages"

HEAD = """
import {http} as http
import pytest

CLIENT = http.Client({transport})

def send():
    headers = {{"content-type": "application/json"}}
    assert 200 == CLIENT.post("{url}", content=b'{body}', headers=headers).status_code
"""
BODY = json.dumps(REQUEST, separators=(",", ":"))
MOCK = "transport=http.MockTransport(lambda request: http.Response(200, json={}))"

INTERACTION = """interactions:
- request:
    body: '{body}'
    headers:
      content-type:
      - application/json
    method: POST
    uri: {url}
  response:
    body:
      string: '{answer}'
    headers:
      content-type:
      - application/json
    status:
      code: 200
      message: OK
version: 1
"""


def write_suites(directory: Path) -> Mapping[str, Path]:
    """Write the suites and their cassettes, and return their folders by name."""
    suites = {
        "flag-harness": _write(directory / "ours", "httpx2", "", "@pytest.mark.usefixtures('cassette')\n"),
        "bare httpx2": _write(directory / "bare_httpx2", "httpx2", MOCK, ""),
        "pytest-recording": _write(directory / "recording", "httpx", "", "@pytest.mark.vcr\n"),
        "bare httpx": _write(directory / "bare_httpx", "httpx", MOCK, ""),
    }
    _write_our_cassettes(suites["flag-harness"] / "recordings" / "test_many")
    folder = suites["pytest-recording"] / "cassettes" / "test_many"
    folder.mkdir(parents=True)
    text = INTERACTION.format(body=BODY, url=URL, answer=json.dumps(ANSWER))
    for number in range(TESTS):
        (folder / f"test_{number}.yaml").write_text(text, "utf-8")
    return suites


def _write(folder: Path, http: str, transport: str, mark: str) -> Path:
    folder.mkdir()
    head = HEAD.format(http=http, transport=transport, url=URL, body=BODY)
    tests = "\n\n".join(f"{mark}def test_{number}():\n    send()\n" for number in range(TESTS))
    (folder / "test_many.py").write_text(head + "\n\n" + tests, "utf-8")
    (folder / "pyproject.toml").write_text("[tool.flag-harness]\n", "utf-8")
    return folder


def _write_our_cassettes(folder: Path) -> None:
    from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
    from flag_harness.wire.timeline import Chunk, End, Head, Request

    headers = (("content-type", "application/json"),)
    request = Request("POST", URL, headers, BODY.encode())
    answer = Head(0.5, 200, headers), Chunk(0.5, json.dumps(ANSWER).encode()), End(0.5)
    cassette = Cassette(CassetteMetadata("simulator", "2026-11-01T00:00:00Z"), (Interaction(request, answer),))
    for number in range(TESTS):
        cassette.save(folder / f"test_{number}.json")
