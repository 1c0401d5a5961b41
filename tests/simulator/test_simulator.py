"""The simulated API as its users meet it: through the SDK, over HTTP and through a transport."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import pytest

from flag_harness.errors import ScenarioError
from flag_harness.simulator import ScenarioTurn, parse_scenario, simulate
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Request, body

MODEL = "claude-haiku-4-5"
KERNEL = """
title = "Which kernel?"
[[turn]]
when = { user_contains = "kernel" }
thinking = "uname tells it."
text = "I'll look."
call = [
  { name = "bash", input = { command = "uname -s" } },
  { name = "bash", input = {} },
]
[[turn]]
when = { results = 2, result_contains = "Linux" }
text = "It is Linux."
[[turn]]
name = "slow down"
when = { user = "fast" }
error = { status = 429, type = "rate_limit_error", message = "Slow down.", headers = { retry-after = "2" } }
[[turn]]
when = { user = "stop" }
text = "1 2"
stop_reason = "stop_sequence"
stop_sequence = "3"
output_tokens = 7
"""
KINDS = [f"anthropic-ratelimit-{name}" for name in ("input-tokens", "output-tokens", "requests", "tokens")]
EVERYWHERE = [
    "strict-transport-security",
    "anthropic-organization-id",
    "traceresponse",
    "server",
    "x-envoy-upstream-service-time",
    "vary",
    "cf-cache-status",
    "content-security-policy",
    "x-robots-tag",
    "cf-ray",
]
TOOL: Any = {"name": "bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}


@pytest.mark.asyncio
@pytest.mark.parametrize("thinking", [{"type": "disabled"}, {"type": "enabled", "budget_tokens": 1024}])
async def test_the_sdk_runs_a_streaming_tool_loop_over_http(thinking: Any) -> None:
    """Two calls in one turn, their results sent back with the thinking as it was issued, the final text."""
    simulator = simulate(parse_scenario(KERNEL))
    with LoopbackServer(simulator) as server:
        async with anthropic.AsyncAnthropic(api_key="x", base_url=server.url, max_retries=0) as client:
            messages: list[Any] = [{"role": "user", "content": "Which kernel?"}]
            final = None
            while final is None or final.stop_reason == "tool_use":
                async with client.messages.stream(
                    model=MODEL, max_tokens=2048, messages=messages, tools=[TOOL], thinking=thinking
                ) as stream:
                    final = await stream.get_final_message()
                calls = [block for block in final.content if block.type == "tool_use"]
                results = [{"type": "tool_result", "tool_use_id": call.id, "content": "Linux"} for call in calls]
                content = [block.model_dump(exclude_unset=True, by_alias=True) for block in final.content]
                messages += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    assert [{"command": "uname -s"}, {}] == [
        block["input"] for block in messages[1]["content"] if block["type"] == "tool_use"
    ]
    assert (thinking["type"] == "enabled") == (messages[1]["content"][0]["type"] == "thinking")
    assert ("end_turn", "It is Linux.") == (final.stop_reason, final.content[0].text)
    assert [] == simulator.unmatched_requests


def test_the_sdk_reads_plain_answers_counts_and_models() -> None:
    """messages.create, count_tokens, models.list over its pages, models.retrieve."""
    with LoopbackServer(simulate()) as server, anthropic.Anthropic(api_key="x", base_url=server.url) as client:
        question: Any = [{"role": "user", "content": "hello"}]
        message = client.messages.create(model=MODEL, max_tokens=100, messages=question)
        counted = client.messages.count_tokens(model=MODEL, messages=question)
        models = [model.id for model in client.models.list(limit=3)]
        model = client.models.retrieve("claude-haiku-4-5")
    assert ("hello", "claude-haiku-4-5-20251001") == (message.content[0].text, message.model)  # type: ignore[union-attr]
    assert message.usage.input_tokens == counted.input_tokens
    assert len(models) == len(set(models)) > 3
    assert {"claude-haiku-4-5-20251001", "claude-opus-4-8"} <= set(models)
    assert ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", 64_000) == (model.id, model.display_name, model.max_tokens)


def test_the_sdk_runs_its_tool_runner() -> None:
    """The SDK's own loop calls a Python function and gets the final answer."""
    simulator = simulate(
        parse_scenario(
            '[[turn]]\nwhen = { results = 0 }\ncall = [{ name = "add", input = { a = 1, b = 2 } }]\n'
            '[[turn]]\nwhen = { result = "3" }\ntext = "Three."'
        )
    )

    @anthropic.beta_tool
    def add(a: int, b: int) -> str:
        """Add two numbers."""
        return str(a + b)

    with LoopbackServer(simulator) as server, anthropic.Anthropic(api_key="x", base_url=server.url) as client:
        runner = client.beta.messages.tool_runner(
            model=MODEL, max_tokens=100, tools=[add], messages=[{"role": "user", "content": "1 + 2?"}], thread=False
        )
        final = runner.until_done()
    assert "Three." == final.content[0].text  # type: ignore[union-attr]


def test_a_hooks_turn_is_judged_as_a_files_is(request_for: Any) -> None:
    """What no file could say is told before anything is sent."""
    simulator = simulate(hook=lambda body: ScenarioTurn(text="a", stop_reason="tool_use"))
    with pytest.raises(ScenarioError) as caught:
        simulator(request_for())
    words = 'stop_reason = "tool_use", but the turn has no call; add one or remove stop_reason'
    assert f"the turn that the hook returned: {words}" == str(caught.value)


def test_dates_in_a_raw_block_are_sent_as_text(request_for: Any) -> None:
    """TOML has dates, and JSON has none."""
    scenario = parse_scenario('[[turn]]\nblock = [{ raw = { type = "x", on = 2026-02-06 } }]')
    content = json.loads(body(simulate(scenario)(request_for())))["content"]
    assert [{"type": "x", "on": "2026-02-06"}] == content


def test_what_was_asked_long_ago_is_forgotten(request_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """How often a request came is kept of the latest ones: then it is answered as at first."""
    monkeypatch.setattr("flag_harness.simulator.simulator.MAX_REMEMBERED_REQUESTS", 2)
    simulator = simulate()
    one, two, three = (request_for(max_tokens=most) for most in (1001, 1002, 1003))
    first = body(simulator(one))
    assert first != body(simulator(one))
    for request in (two, three):
        simulator(request)
    assert first == body(simulator(one))


def test_same_seed_same_bytes(request_for: Any) -> None:
    """Recording twice gives the same bytes; asking twice gives another id; another seed gives others."""
    scenario = parse_scenario(KERNEL)
    asked = request_for(messages=[{"role": "user", "content": "Which kernel?"}], stream=True)
    one, other = simulate(scenario, seed=1), simulate(scenario, seed=1)
    first, second = one(asked), one(asked)
    assert [first, second] == [other(asked), other(asked)]
    assert len({body(first), body(second), body(simulate(scenario, seed=2)(asked))}) == 3


def test_bytes_do_not_depend_on_other_requests_or_on_the_order_of_keys(request_for: Any) -> None:
    """Concurrent cases may interleave, and SDK versions order keys differently."""
    asked = request_for(stream=True)
    alone = simulate()(asked)
    busy = simulate()
    busy(request_for(messages=[{"role": "user", "content": "other"}]))
    turned = json.dumps(dict(reversed(json.loads(asked.body).items()))).encode()
    assert alone == busy(replace(asked, body=turned))


def test_headers_are_the_recorded_ones(request_for: Any) -> None:
    """JSON and streams, each with its own; one organization for all."""
    simulator = simulate()
    plain, streamed = simulator(request_for())[0].headers, simulator(request_for(stream=True))[0].headers
    limits = [f"{name}-{part}" for name in KINDS for part in ("limit", "remaining", "reset")]
    canonical_body = [*limits, "request-id", *EVERYWHERE]
    assert ["date", "content-type", *canonical_body] == [name for name, _ in plain]
    assert ["date", "content-type", "cache-control", *canonical_body] == [name for name, _ in streamed]
    one, other = dict(plain), dict(streamed)
    assert ("application/json", "text/event-stream; charset=utf-8") == (one["content-type"], other["content-type"])
    assert one["anthropic-organization-id"] == other["anthropic-organization-id"]
    assert {"content-type", "request-id", "cf-ray", "traceresponse", "x-envoy-upstream-service-time"} == {
        name for name in one if one[name] != other[name]
    }
    assert ("Tue, 01 Sep 2026 00:00:00 GMT", "3999") == (one["date"], one["anthropic-ratelimit-requests-remaining"])


def test_a_scenario_answers_with_errors_and_stop_sequences(request_for: Any, read: Any) -> None:
    """A 429 with its header, and an answer that a stop sequence ends."""
    simulator = simulate(parse_scenario(KERNEL))
    response = simulator(request_for(messages=[{"role": "user", "content": "fast"}]))
    status, error = read(response)
    assert (429, {"type": "rate_limit_error", "message": "Slow down."}) == (status, error["error"])
    assert ("2", "true") == (dict(response[0].headers)["retry-after"], dict(response[0].headers)["x-should-retry"])
    _, answer = read(simulator(request_for(messages=[{"role": "user", "content": "stop"}])))
    assert ("stop_sequence", "3", 7) == (
        answer["stop_reason"],
        answer["stop_sequence"],
        answer["usage"]["output_tokens"],
    )


def test_a_request_without_a_turn_is_told_and_kept(request_for: Any, read: Any) -> None:
    """In words of our own, with what to add; a test's teardown finds it."""
    simulator = simulate(parse_scenario(KERNEL))
    asked = request_for(messages=[{"role": "user", "content": 'Who said\n"hi"?'}])
    status, error = read(simulator(asked))
    turns = (
        'turn[0] when { user_contains = "kernel" }; turn[1] when { result_contains = "Linux", results = 2 }; '
        'slow down when { user = "fast" }; turn[3] when { user = "stop" }'
    )
    message = (
        'The simulated API\'s scenario has no turn for message 1, the user text "Who said\\n\\"hi\\"?". '
        f"The turns of 'Which kernel?' are: {turns}. "
        "Add one that matches this request."
    )
    assert (400, {"type": "scenario_has_no_turn", "message": message}) == (status, error["error"])
    assert [(asked, message)] == [(unmatched.request, unmatched.message) for unmatched in simulator.unmatched_requests]
    assert (
        '[[turn]]\nwhen = { user_contains = "Who said\\n\\"hi\\"?" }\ntext = "..."'
        == simulator.unmatched_requests[0].proposed_turn
    )


def test_tool_results_without_a_turn_are_told(request_for: Any, read: Any) -> None:
    """The results in place of the user's text; conditions of every type as the file says them."""
    scenario = parse_scenario(
        '[[turn]]\nwhen = { streaming = true, nth = [1, 2] }\ntext = "a"\n[[turn]]\nwhen = { user = "x" }\ntext = "b"'
    )
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x" * 200}]},
    ]
    _, error = read(simulate(scenario)(request_for(messages=messages)))
    assert (
        f'The simulated API\'s scenario has no turn for message 3, tool results "{"x" * 120}...". The turns are: '
        'turn[0] when { streaming = true, nth = [1, 2] }; turn[1] when { user = "x" }. '
        "Add one that matches this request."
    ) == error["error"]["message"]


@pytest.mark.parametrize(
    "content",
    [
        "A long text, with tabs\t, \x7f and \\ in it, that the user typed",
        [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x" * 200}],
    ],
)
def test_the_proposed_turn_answers_the_request(request_for: Any, read: Any, content: Any) -> None:
    """Pasted into the scenario as it is."""
    messages = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}]},
        {"role": "user", "content": content},
    ]
    asked = request_for(messages=messages if isinstance(content, list) else messages[2:])
    simulator = simulate(parse_scenario(KERNEL))
    assert 400 == read(simulator(asked))[0]
    repaired = simulate(parse_scenario(f"{KERNEL}\n\n{simulator.unmatched_requests[0].proposed_turn}\n"))
    assert "..." == read(repaired(asked))[1]["content"][0]["text"]


def test_without_a_scenario_the_user_is_echoed(request_for: Any, read: Any) -> None:
    """The text, the tool's results, or a word that there was none."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Linux"}
    loop = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    image = {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}
    asked = [request_for(), request_for(messages=loop), request_for(messages=[{"role": "user", "content": [image]}])]
    told = [read(simulate()(one))[1]["content"][0]["text"] for one in asked]
    assert ["hello", "Linux", "(empty message)"] == told


def test_a_hook_answers_before_the_turns(request_for: Any, read: Any) -> None:
    """What it returns is answered; None leaves the answer to the turns."""

    def hook(asked: Any) -> ScenarioTurn | None:
        return ScenarioTurn(text=f"{asked['max_tokens']} tokens") if asked["max_tokens"] < 10 else None

    simulator = simulate(parse_scenario('[[turn]]\ntext = "turn"'), hook=hook)
    told = [read(simulator(request_for(max_tokens=most)))[1]["content"][0]["text"] for most in (9, 10)]
    assert ["9 tokens", "turn"] == told


def test_a_scenario_is_read_from_its_path(tmp_path: Path, request_for: Any, read: Any) -> None:
    """A path as text or as a Path."""
    path = tmp_path / "a.toml"
    path.write_text('[[turn]]\ntext = "from a file"')
    for given in (path, str(path)):
        assert "from a file" == read(simulate(given)(request_for()))[1]["content"][0]["text"]


def test_thinking_comes_back_only_as_it_was_issued(request_for: Any, read: Any) -> None:
    """An altered text is refused; a simulator of the same seed knows the signature, one of another does not."""
    scenario = parse_scenario(
        '[[turn]]\nblock = [{ thinking = "why" }, { redacted_thinking = "how" }, { text = "so" }]'
    )
    thinking = {"type": "enabled", "budget_tokens": 1024}
    _, answer = read(simulate(scenario)(request_for(thinking=thinking)))
    content = answer["content"]
    altered = [{**content[0], "thinking": "because"}, *content[1:]]
    swapped = [content[0], {**content[1], "data": content[0]["signature"]}, content[2]]

    def again(blocks: Any, seed: int) -> int:
        question = {"role": "user", "content": "hello"}
        messages = [question, {"role": "assistant", "content": blocks}, question]
        status: int = read(simulate(scenario, seed=seed)(request_for(messages=messages)))[0]
        return status

    assert [200, 400, 400, 400] == [again(content, 0), again(altered, 0), again(swapped, 0), again(content, 1)]


def test_signatures_from_elsewhere_may_be_trusted() -> None:
    """For conversations that a live API began."""
    from flag_harness.simulator.answer.signatures import SeededSignatures

    signatures = SeededSignatures(0, trusted=["live"])
    assert signatures.is_valid("live", "anything")
    assert signatures.is_issued_redacted_data("live")
    assert not signatures.is_valid("not base64!", "anything")
    assert not signatures.is_issued_redacted_data("not base64!")


def test_pages_of_models_follow_and_precede_each_other() -> None:
    """And a page after the last model is empty, as is one after a model that is not listed any more."""

    def page(query: str) -> Any:
        headers = (("x-api-key", "key"), ("anthropic-version", "2023-06-01"))
        return json.loads(body(simulate()(Request("GET", f"https://a/v1/models{query}", headers, b""))))

    def names(query: str) -> list[str]:
        return [model["id"] for model in page(query)["data"]]

    everything = page("?limit=1000")
    every = [model["id"] for model in everything["data"]]
    assert not everything["has_more"]
    empty = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert empty == page(f"?after_id={everything['last_id']}") == page("?after_id=claude-2.1")
    assert every[1:3] == names(f"?limit=2&after_id={every[0]}")
    assert every[3:5] == names(f"?limit=2&before_id={every[5]}")
    assert every[:1] == names(f"?limit=2&before_id={every[1]}")
    assert [True, False] == [page(f"?limit=2&before_id={every[place]}")["has_more"] for place in (3, 2)]
    assert empty == page("?before_id=claude-2.1")


def test_a_model_is_listed_under_its_full_name() -> None:
    """Whatever name was asked for."""
    headers = (("x-api-key", "key"), ("anthropic-version", "2023-06-01"))
    told = {
        name: json.loads(body(simulate()(Request("GET", f"https://a/v1/models/{name}", headers, b""))))["id"]
        for name in ("claude-4-sonnet-20250514", "claude-sonnet-4-0", "claude-haiku-4-5")
    }
    assert ["claude-sonnet-4-20250514", "claude-sonnet-4-20250514", "claude-haiku-4-5-20251001"] == [*told.values()]
