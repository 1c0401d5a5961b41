"""Async tests and fixtures of every kind send as the test that they belong to, and fail as without the harness."""

import pytest

CONFIGURATION = """
[tool.pytest.ini_options]
addopts = "--disable-recording --harness-upstream=simulator -p no:cacheprovider"
asyncio_default_fixture_loop_scope = "function"
[tool.flag-harness]
"""
SUITE = """
import unittest

import httpx2
import pytest
import pytest_asyncio

BODY = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello."}]}
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}

async def send():
    async with httpx2.AsyncClient() as client:
        answer = await client.post("https://api.anthropic.com/v1/messages", json=BODY, headers=HEADERS)
    return answer.json()["type"]

@pytest.mark.usefixtures("cassette")
class TestOfUnittest(unittest.IsolatedAsyncioTestCase):
    async def test_of_unittest(self):
        assert "message" == await send()

@pytest.fixture
def anyio_backend():
    return "trio"

@pytest.mark.anyio
async def test_under_trio(cassette):
    assert "message" == await send()
    assert 1 == len(cassette.exchanges)

@pytest_asyncio.fixture
async def twice(cassette):
    yield await send()
    yield await send()

@pytest.mark.asyncio
async def test_of_a_fixture_that_yields_twice(twice):
    assert "message" == twice
"""


def test_async_tests_of_unittest_and_trio_are_answered(pytester: pytest.Pytester) -> None:
    """The requests belong to the test, whichever library runs it."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=SUITE)
    run = pytester.runpytest_subprocess("-k", "unittest or trio")
    run.assert_outcomes(passed=2, deselected=1)


def test_a_fixture_that_yields_twice_is_reported_by_its_own_plugin(pytester: pytest.Pytester) -> None:
    """The test itself passes."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=SUITE)
    run = pytester.runpytest_subprocess("-k", "twice")
    run.assert_outcomes(passed=1, errors=1, deselected=2)
    run.stdout.fnmatch_lines(["*Async generator fixture didn't stop*"])
