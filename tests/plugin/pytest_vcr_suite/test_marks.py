"""Cassettes found by the names of tests, marks and fixtures. Each `test_fails_...` fails."""

import pytest

MODELS = "https://api.anthropic.com/v1/models"


@pytest.fixture(scope="module")
def vcr_config():
    return {"filter_headers": ["authorization"], "record_mode": "none"}


@pytest.mark.vcr
def test_get(http_library):
    assert http_library.get(MODELS).json()["data"][0]["id"] == "claude-haiku-4-5"


@pytest.mark.vcr()  # noqa: PT023 - as many suites have it
@pytest.mark.asyncio
async def test_async(http_library):
    async with http_library.AsyncClient() as client:
        assert (await client.get(MODELS)).status_code == 200


@pytest.mark.vcr
class TestClass:
    def test_in_class(self, http_library, vcr_cassette):
        assert http_library.get(MODELS).status_code == 200
        assert (vcr_cassette.play_count, len(vcr_cassette), vcr_cassette.all_played) == (1, 1, True)


@pytest.mark.vcr
@pytest.mark.parametrize("text", ["a b"])
def test_parametrised(http_library, text):
    assert http_library.get(MODELS).status_code == 200


def test_without_mark(http_library, vcr_cassette):
    assert http_library.get(MODELS).status_code == 200
    assert vcr_cassette._path.endswith("cassettes/test_without_mark.yaml")


class TestNamed:
    @pytest.fixture
    def vcr_cassette_name(self):
        return "chosen"

    @pytest.mark.vcr
    def test_named(self, http_library):
        assert http_library.get(MODELS).status_code == 200


@pytest.mark.vcr(match_on=["same_host"])
def test_registered_matcher(http_library):
    assert http_library.get("https://api.anthropic.com/other").status_code == 200


@pytest.mark.vcr
def test_fails_another_path(http_library):
    http_library.get("https://api.anthropic.com/other")


@pytest.mark.vcr
def test_fails_without_cassette(http_library):
    http_library.get(MODELS)
