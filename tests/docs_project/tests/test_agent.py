"""The test file that the commands of the docs name."""

import os

import pytest
from shop import Agent


@pytest.fixture
def agent():
    return Agent()


@pytest.mark.flag_matrix("streaming", "new_planner")
@pytest.mark.scenario("refund")
def test_refund(cassette, agent):
    assert "refunded" in agent.ask("Refund order 17.")
    assert not os.environ.get("BROKEN")
