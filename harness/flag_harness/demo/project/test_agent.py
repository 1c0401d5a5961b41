import pytest
from agent import SupportAgent


@pytest.mark.flag_matrix("streaming", "tools", "prompt_cache", "memory")
@pytest.mark.scenario("support")
def test_five_questions(cassette, flags):
    agent = SupportAgent()
    for number in ("1", "2", "3", "4", "5"):
        assert f"Order {number} is" in agent.ask(f"Where is order {number}?")
