"""A test suite that moved in: its vcrpy cassette, imported, plays under the plugin."""

import json
from typing import Any

import pytest

STREAM = (
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    '"model":"claude-haiku-4-5","content":[],"stop_reason":null,"stop_sequence":null,'
    '"usage":{"input_tokens":1,"output_tokens":1}}   }\n\n'
    'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    '"content_block":{"type":"text","text":""}  }\n\n'
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    '"delta":{"type":"text_delta","text":"Hello"} }\n\n'
    'event: content_block_stop\ndata: {"type":"content_block_stop","index":0    }\n\n'
    'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
    '"usage":{"output_tokens":2} }\n\n'
    'event: message_stop\ndata: {"type":"message_stop"  }\n\n'
)
ROW: dict[str, Any] = {
    "request": {
        "method": "POST",
        "uri": "https://api.anthropic.com/v1/messages",
        "headers": {"content-type": ["application/json"]},
        "body": '{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"as it was recorded"}]}',
    },
    "response": {
        "status": {"code": 200, "message": "OK"},
        "headers": {"content-type": ["text/event-stream; charset=utf-8"], "request-id": ["req_1"]},
        "body": {"string": STREAM},
    },
}
TEST = """
    import anthropic

    def test_hello(cassette):
        client = anthropic.Anthropic(api_key="x", max_retries=0)
        with client.messages.stream(
            model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "worded otherwise"}]
        ) as stream:
            assert "Hello" == stream.get_final_text()
"""


def _imported(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    pytester.makepyfile(test_hello=TEST)
    pytester.path.joinpath("test_hello.json").write_text(json.dumps({"version": 1, "interactions": [ROW]}))
    to = pytester.path / "recordings" / "test_hello"
    done = pytester.run(
        *pytester._getpytestargs()[:1],
        "-m",
        "flag_harness.cli",
        "cassette",
        "import",
        "test_hello.json",
        "--to",
        str(to),
        *options,
    )
    assert 0 == done.ret
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")


def test_an_imported_cassette_plays_as_loosely_as_at_home_and_is_counted(pytester: pytest.Pytester) -> None:
    """The prompt is worded otherwise; method, path and query decide, as in vcrpy, and the summary says `imported`."""
    result = _imported(pytester)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["answered: 1 run by imported recordings*"])


def test_where_the_body_decided_it_still_decides(pytester: pytest.Pytester) -> None:
    """Imported with vcrpy's `match_on` of that suite, the same test misses, and is told why."""
    result = _imported(pytester, "--match-on", "method,path,body")
    assert 1 == result.ret
    result.stdout.fnmatch_lines(["*messages[[]0].content: recorded 'as it was recorded', sent 'worded otherwise'*"])
