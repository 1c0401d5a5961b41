"""Batches, files, threads, Bedrock and Vertex AI, through the SDK as far as it is installed."""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from flag_harness.simulator import Simulator, parse_scenario, simulate
from flag_harness.simulator.endpoints import threads
from flag_harness.simulator.endpoints.platforms import parse_platform_request
from flag_harness.transports import async_http_client, http_client
from flag_harness.wire.aws_frames import AWS_STREAM_CONTENT_TYPE
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response, body

CHATTY = '[[turn]]\nwhen = { user_contains = "kernel" }\ntext = "Linux \U0001f427"\n[[turn]]\ntext = "Yes?"\n'
LOOP = """
[[turn]]
when = { results = 0 }
call = [{ name = "add", input = { a = 1, b = 2 } }]
[[turn]]
text = "It is 3."
"""
HEADERS = (("x-api-key", "key"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
PARAMS: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Which kernel?"}],
}


def client(simulator: Simulator) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="key", max_retries=0, http_client=http_client(simulator))


def ask(simulator: Simulator, method: str, path: str, value: Any = None, headers: Any = HEADERS) -> tuple[int, Any]:
    """Return status and JSON body."""
    sent = b"" if value is None else json.dumps(value).encode()
    response = simulator(Request(method, f"https://api.anthropic.com{path}", headers, sent))
    head = response[0]
    assert isinstance(head, Head)
    return head.status, json.loads(body(response))


def batch_of(*params: dict[str, Any]) -> dict[str, Any]:
    return {"requests": [{"custom_id": str(index), "params": one} for index, one in enumerate(params)]}


def test_a_batch_is_answered_once_it_has_been_polled() -> None:
    """In progress at first, then ended; every request has the result that it would have had alone."""
    simulator = simulate(parse_scenario(CHATTY))
    batches = client(simulator).messages.batches
    wrong = {**PARAMS, "max_tokens": 10**7}
    made = batches.create(**batch_of(PARAMS, wrong, {**PARAMS, "stream": False}))  # type: ignore[arg-type]
    states = [made, batches.retrieve(made.id), batches.retrieve(made.id)]
    assert ["in_progress", "in_progress", "ended"] == [state.processing_status for state in states]
    assert (3, 0, 0) == (made.request_counts.processing, made.request_counts.succeeded, made.request_counts.errored)
    counts = states[-1].request_counts
    assert (0, 2, 1) == (counts.processing, counts.succeeded, counts.errored)
    results = {one.custom_id: one.result for one in batches.results(made.id)}
    assert ["succeeded", "errored", "succeeded"] == [results[name].type for name in ("0", "1", "2")]
    message = results["0"].message  # type: ignore[union-attr]
    assert ("Linux \U0001f427", "batch") == (message.content[0].text, message.usage.service_tier)
    assert "which is the maximum allowed" in results["1"].error.error.message  # type: ignore[union-attr]
    assert [made.id] == [one.id for one in batches.list()]
    assert (made.id, "message_batch_deleted") == (batches.delete(made.id).id, "message_batch_deleted")
    assert [] == list(batches.list())


def test_a_cancelled_batch_ends_without_answers() -> None:
    """Its requests take no turn of the scenario."""
    simulator = simulate(parse_scenario('[[turn]]\nwhen = { nth = 1 }\ntext = "first"'))
    batches = client(simulator).messages.batches
    made = batches.create(**batch_of(PARAMS))  # type: ignore[arg-type]
    assert "canceling" == batches.cancel(made.id).processing_status
    assert ("ended", 1) == ((ended := batches.retrieve(made.id)).processing_status, ended.request_counts.canceled)
    assert ["canceled"] == [one.result.type for one in batches.results(made.id)]
    assert [] == simulator.unmatched_requests
    assert 200 == ask(simulator, "POST", "/v1/messages", PARAMS)[0]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"requests": []}, "requests: List should have at least 1 item after validation, not 0"),
        ({}, "requests: Field required"),
        ({"requests": [{"custom_id": "a"}]}, "requests.0.params: Field required"),
        ({"requests": [{"custom_id": "", "params": {}}]}, "requests.0.custom_id: "),
        ({"requests": [{"custom_id": "a", "params": {}}] * 2}, "requests: custom_id 'a' must be unique in the batch"),
    ],
)
def test_a_batch_of_the_wrong_shape_is_refused(value: Any, words: str) -> None:
    """At once; what is wrong inside a request shows in its result."""
    status, error = ask(simulate(), "POST", "/v1/messages/batches", value)
    assert 400 == status
    assert error["error"]["message"].startswith(words)


def test_batches_that_are_missing_or_unfinished_have_no_results() -> None:
    """In the API's words where they are recorded."""
    simulator = simulate()
    _, made = ask(simulator, "POST", "/v1/messages/batches", batch_of(PARAMS))
    status, error = ask(simulator, "GET", f"/v1/messages/batches/{made['id']}/results")
    assert (404, f"Message Batch {made['id']} has no available results.") == (status, error["error"]["message"])
    assert 404 == ask(simulator, "GET", "/v1/messages/batches/msgbatch_1")[0]
    assert 400 == ask(simulator, "DELETE", f"/v1/messages/batches/{made['id']}")[0]
    assert 405 == ask(simulator, "PUT", "/v1/messages/batches", {})[0]
    assert 404 == ask(simulator, "GET", "/v1/messages/batches/a/b/c")[0]


def test_files_are_uploaded_listed_and_deleted() -> None:
    """With name, type and size; the content cannot be fetched back, as in the API."""
    files = client(simulate()).beta.files
    first = files.upload(file=("a.txt", b"words", "text/plain"))
    second = files.upload(file=("b.pdf", b"%PDF-1.4", "application/pdf"))
    assert ("a.txt", "text/plain", 5) == (first.filename, first.mime_type, first.size_bytes)
    assert [second.id, first.id] == [one.id for one in files.list()]
    assert first == files.retrieve_metadata(first.id)
    with pytest.raises(anthropic.BadRequestError, match="is not downloadable"):
        files.download(first.id)
    files.delete(first.id)
    with pytest.raises(anthropic.NotFoundError, match=f"File not found: {first.id}"):
        files.retrieve_metadata(first.id)


@pytest.mark.parametrize("name", ["", "a/b", "a" * 256])
def test_a_file_without_a_proper_name_is_refused(name: str) -> None:
    """The API wants 1 to 255 characters, without those of paths."""
    form = f'--x\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\nwords\r\n--x--\r\n'
    headers = (*HEADERS[:2], ("content-type", "multipart/form-data; boundary=x"))
    head = simulate()(Request("POST", "https://api.anthropic.com/v1/files", headers, form.encode()))[0]
    assert isinstance(head, Head)
    assert 400 == head.status
    assert 400 == ask(simulate(), "POST", "/v1/files", {})[0]


@anthropic.beta_tool
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@pytest.mark.parametrize("streaming", [False, True])
def test_the_tool_runner_of_the_sdk_works_as_it_comes(streaming: bool) -> None:
    """Newer releases send only what is new in a thread; what the scenario sees is the whole conversation."""
    simulator = simulate(parse_scenario(LOOP))
    options: Any = {"stream": True} if streaming else {}
    runner = client(simulator).beta.messages.tool_runner(
        model="claude-haiku-4-5",
        max_tokens=100,
        tools=[add],
        system="Be brief.",
        messages=[{"role": "user", "content": "1 + 2?"}],
        **options,
    )
    assert "It is 3." == runner.until_done().content[0].text
    assert [] == simulator.unmatched_requests


@pytest.mark.asyncio
async def test_the_async_tool_runner_works_too() -> None:
    """On the same simulator."""

    @anthropic.beta_async_tool
    async def add(a: int, b: int) -> str:
        """Add two numbers."""
        return str(a + b)

    http = async_http_client(simulate(parse_scenario(LOOP)))
    asking = anthropic.AsyncAnthropic(api_key="key", max_retries=0, http_client=http)
    runner = asking.beta.messages.tool_runner(
        model="claude-haiku-4-5", max_tokens=100, tools=[add], messages=[{"role": "user", "content": "1 + 2?"}]
    )
    assert "It is 3." == (await runner.until_done()).content[0].text


def test_a_thread_that_is_not_known_is_told_for_programs() -> None:
    """With the code on which the SDK sends the whole conversation anew; what a thread keeps cannot be changed."""
    simulator = simulate(parse_scenario(CHATTY))
    headers = (*HEADERS, ("anthropic-beta", "message-threads-2026-08-12"))
    going_on = {**PARAMS, "thread": {"type": "continue", "previous_message_id": "msg_1"}}
    status, error = ask(simulator, "POST", "/v1/messages", going_on, headers)
    assert (404, {"error_code": "thread_not_found"}) == (status, error["error"]["details"])
    _, answer = ask(simulator, "POST", "/v1/messages", {**PARAMS, "thread": {"type": "create"}}, headers)
    going_on["thread"]["previous_message_id"] = answer["id"]
    assert 400 == ask(simulator, "POST", "/v1/messages", {**going_on, "system": "Be brief."}, headers)[0]
    assert 400 == ask(simulator, "POST", "/v1/messages", {**PARAMS, "thread": {"type": "continue"}}, headers)[0]
    _, longer = ask(simulator, "POST", "/v1/messages", going_on, headers)
    assert longer["usage"]["input_tokens"] > answer["usage"]["input_tokens"]


BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke"
VERTEX = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/"
SIGNED = "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab"


@pytest.fixture
def on_cloud() -> Callable[..., Response]:
    """Send a body without model to a path of Bedrock or Vertex AI."""

    def send(url: str, simulator: Simulator | None = None, authorization: str = SIGNED, **changes: Any) -> Response:
        value = {**PARAMS, "anthropic_version": "2023-05-31", **changes}
        value = {key: item for key, item in value.items() if key != "model" and item is not ...}
        value |= {"model": changes["model"]} if "model" in changes else {}
        headers = (("authorization", authorization), ("content-type", "application/json"))
        answered = simulator or simulate(parse_scenario(CHATTY))
        return answered(Request("POST", url, headers, json.dumps(value).encode()))

    return send


@pytest.mark.parametrize(
    "url",
    [
        BEDROCK,
        f"{BEDROCK}-with-response-stream",
        f"{VERTEX}claude-haiku-4-5@20251001:rawPredict",
        f"{VERTEX}claude-haiku-4-5@20251001:streamRawPredict",
        f"https://gateway.example/aws{BEDROCK.removeprefix('https://bedrock-runtime.us-east-1.amazonaws.com')}",
    ],
)
def test_the_paths_of_other_clouds_are_answered(url: str, on_cloud: Callable[..., Response]) -> None:
    """The model is that of the path; streams come in the framing of the cloud."""
    answer = parse_response(response := on_cloud(url))
    assert ("Linux \U0001f427", True) == (answer.blocks[0]["text"], answer.is_complete)
    assert "claude-haiku-4-5-20251001" == answer.message["model"]
    assert ("tream" in url) == answer.is_stream
    framed = ("content-type", AWS_STREAM_CONTENT_TYPE) in response[0].headers  # type: ignore[union-attr]
    assert ("with-response-stream" in url) == framed


def test_bedrock_says_at_the_end_what_it_counted(on_cloud: Callable[..., Response]) -> None:
    """In `message_stop`; it sends no pings."""
    answer = parse_response(on_cloud(f"{BEDROCK}-with-response-stream"))
    metrics = answer.events[-1]["amazon-bedrock-invocationMetrics"]
    usage = answer.usage or {}
    assert (usage["input_tokens"], usage["output_tokens"]) == (metrics["inputTokenCount"], metrics["outputTokenCount"])
    assert "ping" not in [event["type"] for event in answer.events]


@pytest.mark.parametrize(
    ("url", "changes", "status", "words"),
    [
        (BEDROCK, {"max_tokens": 10**7}, 400, "max_tokens: 10000000 > 64000"),
        (BEDROCK, {"anthropic_version": ...}, 400, "anthropic_version: Field required"),
        (BEDROCK, {"stream": True}, 400, "stream: Extra inputs are not permitted"),
        (BEDROCK, {"model": "claude-haiku-4-5"}, 400, "model: Extra inputs are not permitted"),
        (BEDROCK, {"authorization": ""}, 403, "x-api-key header is required"),
        (BEDROCK.replace("haiku-4-5-20251001", "moon"), {}, 400, "The provided model identifier is invalid."),
        (BEDROCK, {"anthropic_beta": ["moon-2030-01-01"]}, 400, "Unexpected value(s) `moon-2030-01-01`"),
    ],
)
def test_bedrock_refuses_in_its_own_form(
    url: str, changes: dict[str, Any], status: int, words: str, on_cloud: Callable[..., Response]
) -> None:
    """A message alone, and the exception in a header; also to a request for a stream."""
    for address in (url, f"{url}-with-response-stream"):
        response = on_cloud(address, **changes)
        head = response[0]
        assert isinstance(head, Head)
        assert status == head.status
        assert json.loads(body(response)).keys() == {"message"}
        assert json.loads(body(response))["message"].startswith(words)
        assert "Exception" in dict(head.headers)["x-amzn-errortype"]


@pytest.mark.parametrize("method", ["", "GET", "post", "DELETE"])
def test_another_method_is_a_mistake_of_the_client(method: str) -> None:
    """On every platform; Bedrock does not know the operation."""
    headers = (("authorization", SIGNED), ("content-type", "application/json"))
    value = {**PARAMS, "anthropic_version": "2023-05-31"}
    body_without_model = json.dumps({name: item for name, item in value.items() if name != "model"}).encode()
    for url, status in ((BEDROCK, 404), (f"{VERTEX}claude-haiku-4-5@20251001:rawPredict", 405)):
        head = simulate(parse_scenario(CHATTY))(Request(method, url, headers, body_without_model))[0]
        assert isinstance(head, Head)
        assert status == head.status
        assert url != BEDROCK or "UnknownOperationException" == dict(head.headers)["x-amzn-errortype"]


@pytest.mark.parametrize(("status", "expected"), [(402, 400), (409, 400), (418, 400), (500, 500), (502, 500)])
def test_bedrock_answers_a_mistake_of_the_client_with_no_error_of_the_server(status: int, expected: int) -> None:
    """Also for a status that it does not have itself."""
    platform = parse_platform_request(Request("POST", BEDROCK, (), b"{}"))
    assert platform is not None
    error = b'{"type": "error", "error": {"type": "x", "message": "no"}}'
    head = platform.convert_response((Head(0, status, ()), Chunk(0, error), End(0)))[0]
    assert isinstance(head, Head)
    assert expected == head.status


def test_vertex_counts_tokens_and_refuses_as_the_api_does(on_cloud: Callable[..., Response]) -> None:
    """Its count of tokens names the model in the body, as Vertex AI spells it."""
    counted = on_cloud(f"{VERTEX}count-tokens:rawPredict", model="claude-haiku-4-5@20251001", max_tokens=...)
    assert {"input_tokens"} == json.loads(body(counted)).keys()
    refused = on_cloud(f"{VERTEX}claude-haiku-4-5@20251001:rawPredict", max_tokens=0.5)
    assert "invalid_request_error" == json.loads(body(refused))["error"]["type"]


def test_a_signature_is_no_key_of_its_own(on_cloud: Callable[..., Response]) -> None:
    """Two requests of one account share the prompt cache, although each is signed anew."""
    simulator = simulate(parse_scenario(CHATTY))
    system = [{"type": "text", "text": "prefix " * 5000, "cache_control": {"type": "ephemeral"}}]
    sent = [on_cloud(BEDROCK, simulator, authorization=SIGNED + end, system=system) for end in ("1", "2")]
    read = [json.loads(body(one))["usage"]["cache_read_input_tokens"] for one in sent]
    assert (0, True) == (read[0], read[1] > 0)


@pytest.mark.parametrize(
    ("url", "changes", "words"),
    [
        (BEDROCK, {"model": "claude-haiku-4-5"}, "model: Extra inputs are not permitted"),
        (BEDROCK, {"stream": True}, "stream: Extra inputs are not permitted"),
        (BEDROCK, {"anthropic_version": ...}, "anthropic_version: Field required"),
        (f"{VERTEX}claude-haiku-4-5@20251001:rawPredict", {"model": "x"}, "model: Extra inputs are not permitted"),
    ],
)
def test_what_the_path_says_may_not_stand_in_the_body(
    url: str, changes: dict[str, Any], words: str, on_cloud: Callable[..., Response]
) -> None:
    """And the version must, since these clouds take it from there."""
    response = on_cloud(url, **changes)
    assert isinstance(response[0], Head)
    assert 400 == response[0].status
    assert words in body(response).decode()


def test_a_body_that_is_no_object_is_refused_on_every_cloud() -> None:
    """By the rule of the Messages API."""
    for url in (BEDROCK, f"{VERTEX}claude-haiku-4-5@20251001:rawPredict"):
        response = simulate()(Request("POST", url, (("authorization", SIGNED),), b"[1]"))
        assert isinstance(response[0], Head)
        assert 400 == response[0].status


def test_a_batch_of_an_early_month_names_no_service_tier() -> None:
    """As a message of that month, which lacks the key."""
    batches = client(simulate(parse_scenario(f'profile = "2024-06"\n{CHATTY}'))).messages.batches
    made = batches.create(**batch_of(PARAMS))  # type: ignore[arg-type]
    assert ["in_progress", "ended"] == [batches.retrieve(made.id).processing_status for _ in range(2)]
    (result,) = batches.results(made.id)
    assert None is result.result.message.usage.service_tier  # type: ignore[union-attr]


def test_the_oldest_thread_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that continues it is answered as if it never was."""
    monkeypatch.setattr(threads, "_MAX_THREADS", 1)
    simulator = simulate(parse_scenario(CHATTY))
    headers = (*HEADERS, ("anthropic-beta", "message-threads-2026-08-12"))
    create = {**PARAMS, "thread": {"type": "create"}}
    ids = [ask(simulator, "POST", "/v1/messages", create, headers)[1]["id"] for _ in range(2)]
    going_on = [{**PARAMS, "thread": {"type": "continue", "previous_message_id": id}} for id in ids]
    assert [404, 200] == [ask(simulator, "POST", "/v1/messages", one, headers)[0] for one in going_on]
