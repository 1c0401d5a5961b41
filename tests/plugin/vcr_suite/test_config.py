"""Settings of `vcr_config` and of marks: filters, matchers, functions. Each `test_fails_...` fails."""

import json

import pytest

API = "https://api.anthropic.com/v1"


def shorten_vcr_name(response):
    response["body"]["string"] = response["body"]["string"].replace(b"You said: ", b"")
    return response


def without_health(request):
    return None if request.path == "/v1/health" else request


@pytest.fixture(scope="module")
def vcr_config():
    return {
        "filter_headers": ["authorization", ("x-api-key", "KEY")],
        "filter_query_parameters": ["key", ("user", "USER")],
        "filter_post_data_parameters": [("metadata", {"user_id": "USER"})],
        "match_on": ["method", "uri", "body"],
    }


def ask(client, text="Hello.", user="one", model="claude-haiku-4-5"):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "metadata": {"user_id": user}}
    return client.post(f"{API}/messages", json=body, headers={"authorization": f"Bearer {user}"})


@pytest.mark.vcr
def test_query_filtered(client):
    assert client.get(f"{API}/models", params={"key": "another", "user": "another", "limit": 1}).status_code == 200


@pytest.mark.vcr
def test_body_filtered(client):
    assert ask(client, user="another").json()["content"][0]["text"] == "You said: Hello."


@pytest.mark.vcr
@pytest.mark.default_cassette("test_body_filtered.yaml")
def test_fails_another_body(client):
    ask(client, "Good-bye.")


@pytest.mark.vcr(match_on=["method", "host"])
@pytest.mark.default_cassette("test_body_filtered.yaml")
def test_matched_loosely(client):
    assert client.post("https://api.anthropic.com/elsewhere", content=b"{}").status_code == 200


@pytest.mark.vcr(match_on=["raw_body"])
@pytest.mark.default_cassette("test_body_filtered.yaml")
def test_fails_other_bytes(client):
    client.post(f"{API}/messages", content=b"{}")


@pytest.mark.vcr(match_on=["headers"])
def test_headers_matched(client, http_library):
    headers = {"user-agent": "suite", "accept-encoding": "identity", "authorization": "another"}
    with http_library.Client(headers=headers) as client:
        assert client.get(f"{API}/models").status_code == 200


@pytest.mark.vcr(match_on=["headers"])
@pytest.mark.default_cassette("test_headers_matched.yaml")
def test_fails_other_headers(http_library):
    with http_library.Client(headers={"user-agent": "other", "accept-encoding": "identity"}) as client:
        client.get(f"{API}/models")


@pytest.mark.vcr(match_on=["model"])
@pytest.mark.default_cassette("test_body_filtered.yaml")
def test_registered_matcher(client):
    assert ask(client, "Another text.").status_code == 200


@pytest.mark.vcr(match_on=["method"], additional_matchers=["model"])
@pytest.mark.default_cassette("test_body_filtered.yaml")
def test_fails_registered_matcher(client):
    ask(client, model="claude-opus-4-6")


@pytest.mark.vcr(before_record_response=shorten_vcr_name)
@pytest.mark.default_cassette("test_body_filtered.yaml")
def test_response_changed(client):
    assert ask(client).json()["content"][0]["text"] == "Hello."


@pytest.mark.vcr(before_record_request=[without_health])
@pytest.mark.default_cassette("test_body_filtered.yaml")
def test_request_kept(client, vcr):
    assert ask(client).status_code == 200
    assert json.loads(vcr.requests[0].body)["metadata"] == {"user_id": "USER"}


@pytest.mark.vcr(ignore_localhost=True)
@pytest.mark.default_cassette("test_body_filtered.yaml")
def test_localhost_ignored(client, local_url):
    assert client.get(local_url).text == "local"
    assert ask(client).status_code == 200


@pytest.mark.vcr(ignore_hosts=["127.0.0.1"])
@pytest.mark.asyncio
async def test_host_ignored(http_library, local_url):
    async with http_library.AsyncClient() as client:
        assert (await client.get(local_url)).text == "local"


@pytest.mark.vcr
def test_fails_localhost(client, local_url):
    client.get(local_url)


class TestElsewhere:
    @pytest.fixture
    def vcr_cassette_dir(self, request):
        return str(request.path.parent / "cassettes" / "shared")

    @pytest.fixture
    def default_cassette_name(self):
        return "models"

    @pytest.mark.vcr
    def test_in_another_folder(self, client):
        assert client.get(f"{API}/models").status_code == 200
