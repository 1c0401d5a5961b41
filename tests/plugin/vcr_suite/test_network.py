"""Tests that may not reach the network. Each `test_fails_...` fails."""

import pytest

API = "https://api.anthropic.com/v1"


@pytest.mark.block_network
def test_blocked(client, local_url):
    with pytest.raises(RuntimeError, match=r"^Network is disabled for host '127\.0\.0\.1'$"):
        client.get(local_url)


@pytest.mark.block_network
@pytest.mark.asyncio
async def test_fails_blocked_async(http_library, local_url):
    async with http_library.AsyncClient() as client:
        await client.get(local_url)


@pytest.mark.block_network(allowed_hosts=["127\\.0\\.0\\.1", "::1"])
def test_allowed(client, local_url):
    assert client.get(local_url).text == "local"


@pytest.mark.block_network
class TestConfigured:
    @pytest.fixture
    def vcr_config(self):
        return {"allowed_hosts": "127.*"}

    def test_allowed(self, client, local_url):
        assert client.get(local_url).text == "local"


@pytest.mark.block_network
def test_fails_blocked(client, local_url):
    client.get(local_url)


@pytest.mark.vcr
@pytest.mark.block_network
def test_played(client):
    assert client.get(f"{API}/models").status_code == 200


@pytest.mark.vcr
@pytest.mark.block_network
@pytest.mark.default_cassette("test_played.yaml")
def test_fails_played_twice(client):
    client.get(f"{API}/models")
    client.get(f"{API}/models")
