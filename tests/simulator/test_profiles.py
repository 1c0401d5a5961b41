"""Answers have the keys that the API's had in a month; keys may be wrong; servers' blocks stream as recorded."""

import json
from typing import Any

import pytest

from flag_harness.simulator import parse_scenario, simulate
from flag_harness.wire.timeline import body

RAW = """
[[turn.block]]
raw = { type = "server_tool_use", id = "srvtoolu_1", name = "web_search", input = { query = "x" } }
[[turn.block]]
raw = { type = "web_search_tool_result", tool_use_id = "srvtoolu_1", content = [] }
[[turn.block]]
raw = { type = "text", text = "Found.", citations = [{ type = "page_location", cited_text = "x" }] }
[[turn.block]]
raw = { type = "compaction", content = "What was said." }
"""


def told(profile: str, request: Any) -> Any:
    """The answer to a request in that month."""
    scenario = f'profile = "{profile}"\n[[turn]]\ntext = "Hi."\ncall = [{{ name = "bash", input = {{}} }}]'
    return simulate(parse_scenario(scenario))(request)


@pytest.mark.parametrize(
    ("profile", "message", "usage"),
    [
        ("2024-06", "id type role model content stop_reason stop_sequence usage", "input_tokens output_tokens"),
        (
            "2025-06",
            "id type role model content stop_reason stop_sequence usage",
            "input_tokens cache_creation_input_tokens cache_read_input_tokens output_tokens service_tier",
        ),
        (
            "2025-11",
            "model id type role content stop_reason stop_sequence usage",
            "input_tokens cache_creation_input_tokens cache_read_input_tokens cache_creation output_tokens "
            "service_tier",
        ),
        (
            "2026-08",
            "model id type role content stop_reason stop_sequence stop_details usage",
            "input_tokens cache_creation_input_tokens cache_read_input_tokens cache_creation output_tokens "
            "service_tier inference_geo",
        ),
    ],
)
def test_a_month_has_its_keys(profile: str, message: str, usage: str, request_for: Any, read: Any) -> None:
    """In their order, in plain answers; calls name their caller since February 2026."""
    _, answer = read(told(profile, request_for()))
    assert (message.split(), usage.split()) == (list(answer), list(answer["usage"]))
    assert ("caller" in answer["content"][1]) == (profile > "2026-02")


@pytest.mark.parametrize(
    ("profile", "delta", "usage"),
    [
        ("2025-06", ["stop_reason", "stop_sequence"], ["output_tokens"]),
        (
            "2026-08",
            ["stop_reason", "stop_sequence", "stop_details"],
            ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"],
        ),
    ],
)
def test_a_month_closes_its_streams_so(profile: str, delta: Any, usage: Any, request_for: Any) -> None:
    """Until August 2025 `message_delta` told the output alone."""
    lines = body(told(profile, request_for(stream=True))).decode().split("\n")
    closing = next(json.loads(line[6:]) for line in lines if '"message_delta"' in line and line.startswith("data"))
    assert (delta, usage) == (list(closing["delta"]), list(closing["usage"]))


def test_errors_of_an_earlier_month_name_no_request(request_for: Any, read: Any) -> None:
    """They do since November 2025."""
    assert ["type", "error"] == list(read(told("2025-05", request_for(messages=[])))[1])
    assert ["type", "error", "request_id"] == list(read(told("2025-11", request_for(messages=[])))[1])


def test_a_scenario_may_name_the_keys_that_are_right(request_for: Any, read: Any) -> None:
    """Any other is wrong, in whichever header; a 401 names no organization."""
    simulator = simulate(parse_scenario('keys = ["right"]\n[[turn]]\ntext = "Hi."'))
    sent: list[dict[str, str | None]] = [
        {"x-api-key": "right"},
        {"x-api-key": None, "authorization": "Bearer right"},
        {"x-api-key": "wrong"},
        {"x-api-key": None, "authorization": "Bearer wrong"},
    ]
    responses = [simulator(request_for(headers=headers)) for headers in sent]
    assert [200, 200, 401, 401] == [read(response)[0] for response in responses]
    error = {"type": "authentication_error", "message": "invalid x-api-key"}
    assert error == read(responses[2])[1]["error"]
    assert "anthropic-organization-id" not in dict(responses[2][0].headers)


def test_blocks_of_servers_stream_as_recorded(request_for: Any) -> None:
    """Citations before their text, a compaction in one delta, results whole; what the servers' tools did is counted."""
    simulator = simulate(parse_scenario(f'[[turn]]\nstop_reason = "end_turn"\n{RAW}'))
    lines = body(simulator(request_for(stream=True))).decode().split("\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith("data")]
    starts = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert [{}, None, [], None] == [start.get("input", start.get("citations")) for start in starts]
    assert (None, "") == (starts[3]["content"], starts[2]["text"])
    kinds = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta"]
    assert ["citations_delta", "text_delta"] == [kind for kind in kinds if kind in ("citations_delta", "text_delta")][
        :2
    ]
    assert "compaction_delta" == kinds[-1]
    closing = next(event for event in events if event["type"] == "message_delta")
    assert {"web_search_requests": 1, "web_fetch_requests": 0} == closing["usage"]["server_tool_use"]
