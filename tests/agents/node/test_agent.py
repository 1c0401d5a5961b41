"""An agent in Node, which the test runs as a process."""

import subprocess
from pathlib import Path

import pytest

AGENT = Path(__file__).with_name("agent.cjs")


@pytest.mark.scenario("sums")
def test_conversation(cassette_server):
    prompts = ("What is 2 + 3?", "And 4 + 5?", "Good.")
    run = subprocess.run(["node", AGENT, *prompts], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert ["It is 5.", "It is 9.", "Thanks a lot."] == run.stdout.splitlines()
