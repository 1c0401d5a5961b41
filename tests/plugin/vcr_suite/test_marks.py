"""Cassettes found by the names of tests, marks and fixtures. Each `test_fails_...` fails."""

import pytest

API = "https://api.anthropic.com/v1"


def ask(client, text="Hello.", model="claude-haiku-4-5", **options):
    body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": text}]}
    return client.post(f"{API}/messages", json=body, headers={"x-api-key": "none"}, **options)


@pytest.mark.vcr
def test_get(client):
    assert client.get(f"{API}/models").json()["data"][0]["id"] == "claude-haiku-4-5"


@pytest.mark.vcr
def test_post(client):
    assert ask(client).json()["content"][0]["text"] == "You said: Hello."


@pytest.mark.vcr()  # noqa: PT023 - as many suites have it
@pytest.mark.asyncio
async def test_async(http_library):
    async with http_library.AsyncClient() as client:
        answer = await ask(client)
    assert answer.json()["content"][0]["text"] == "You said: Hello."


@pytest.mark.vcr
@pytest.mark.parametrize("text", ["one", "a/b: c?", "drei \u00e4"])
def test_parametrised(client, text):
    assert ask(client, text).json()["content"][0]["text"] == f"You said: {text}"


@pytest.mark.vcr
class TestClass:
    def test_in_class(self, client):
        assert ask(client, "In a class.").json()["content"][0]["text"] == "You said: In a class."

    @pytest.mark.default_cassette("test_post.yaml")
    def test_with_another_cassette(self, client):
        assert ask(client).json()["content"][0]["text"] == "You said: Hello."

    @pytest.mark.parametrize("number", [1, 2])
    def test_in_class_parametrised(self, client, number):
        assert ask(client, str(number)).json()["content"][0]["text"] == f"You said: {number}"


@pytest.mark.vcr
def test_stream(client):
    with client.stream("POST", f"{API}/messages", json={"stream": True}) as answer:
        events = [line for line in answer.iter_lines() if line.startswith("event: ")]
    assert events == ["event: message_start", "event: message_stop"]


@pytest.mark.vcr
def test_equal_requests_in_order(client):
    assert [client.get(f"{API}/count").json()["count"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.default_cassette("test_equal_requests_in_order")
@pytest.mark.vcr
def test_unplayed_answers_are_no_mistake(client):
    assert client.get(f"{API}/count").json()["count"] == 1


@pytest.mark.vcr("test_get.yaml", "test_equal_requests_in_order.yaml")
@pytest.mark.default_cassette("test_post")
def test_more_cassettes(client):
    assert ask(client).status_code == client.get(f"{API}/models").status_code == 200
    assert client.get(f"{API}/count").json()["count"] == 1


@pytest.mark.vcr(allow_playback_repeats=True)
@pytest.mark.default_cassette("test_post.yaml")
def test_repeats(client):
    assert ask(client).content == ask(client).content


@pytest.mark.vcr(record_mode="once")
@pytest.mark.default_cassette("test_post.yaml")
def test_once_plays_what_there_is(client):
    assert ask(client).status_code == 200


@pytest.mark.vcr
@pytest.mark.default_cassette("test_equal_requests_in_order.yaml")
def test_cassette_counts(client, vcr):
    assert (vcr.play_count, vcr.all_played, len(vcr)) == (0, False, 3)
    assert [request.path for request in vcr.requests] == ["/v1/count"] * 3
    client.get(f"{API}/count")
    assert (vcr.play_count, vcr.all_played) == (1, False)


def test_without_mark(vcr):
    assert vcr is None


@pytest.mark.vcr
def test_headers_of_the_answer(client):
    answer = client.get(f"{API}/headers")
    assert answer.headers["server"] == "suite"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.status_code == 529


@pytest.mark.vcr
def test_compressed(client):
    answer = client.get(f"{API}/gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json() == {"compressed": True}


@pytest.mark.vcr(decode_compressed_response=True)
@pytest.mark.default_cassette("test_compressed.yaml")
def test_decoded(client, vcr):
    assert client.get(f"{API}/gzip").json() == {"compressed": True}
    assert vcr.responses[0]["body"]["string"] == b'{"compressed": true}'


@pytest.mark.vcr
def test_fails_without_cassette(client):
    client.get(f"{API}/models")


@pytest.mark.vcr
@pytest.mark.default_cassette("test_post.yaml")
def test_fails_asked_twice(client):
    ask(client)
    ask(client)


@pytest.mark.vcr
@pytest.mark.default_cassette("test_get.yaml")
@pytest.mark.parametrize(
    "url", ["http://api.anthropic.com/v1/models", "https://example.com/v1/models", f"{API}/models?limit=1"]
)
def test_fails_another_url(client, url):
    client.get(url)


@pytest.mark.vcr
@pytest.mark.asyncio
async def test_fails_async(http_library):
    async with http_library.AsyncClient() as client:
        await client.get(f"{API}/models")


@pytest.mark.vcr
@pytest.mark.default_cassette("test_post.yaml")
def test_fails_on_its_own(client):
    assert ask(client).json()["content"][0]["text"] == "Something else."
