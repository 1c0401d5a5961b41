"""Measure how many bytes the recordings of a matrix take: 40 tests under the 64 combinations of six flags.

Four of the agent's flags change its requests, two do not. The simulator answers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AGENT = """
import os

import anthropic

GUIDE = "\\n".join(f"{number}. When a customer mentions topic {number}, look it up before you answer, and say what you "
                  f"found in one or two sentences; never guess a price, a date or an address." for number in range(20))
TOOLS = [
    {
        "name": f"look_up_{what}",
        "description": f"Look up the {what} that a customer asks about. Call it before each answer about {what}s, "
        "because they change during the day. It returns the present state as one line of text.",
        "input_schema": {
            "type": "object",
            "properties": {
                "number": {"type": "string", "description": f"The number of the {what}, as the customer wrote it."},
                "details": {"type": "boolean", "description": "Whether to return the history, too.", "default": False},
            },
            "required": ["number"],
        },
    }
    for what in ("order", "parcel", "invoice", "refund", "customer", "voucher")
]


def is_on(variable):
    return os.environ.get(variable) == "true"


def run(question):
    client = anthropic.Anthropic()
    system = {"type": "text", "text": GUIDE + ("\\nBe brief." if is_on("CONCISE") else "")}
    if is_on("PROMPT_CACHE"):
        system["cache_control"] = {"type": "ephemeral"}
    messages = [{"role": "user", "content": question}]
    while True:
        body = {
            "model": "claude-haiku-4-5",
            "max_tokens": 8192 if is_on("EXTENDED_OUTPUT") else 1024,
            "system": [system],
            "tools": TOOLS,
            "messages": messages,
        }
        if is_on("STREAMING"):
            with client.messages.stream(**body) as stream:
                answer = stream.get_final_message()
        else:
            answer = client.messages.create(**body)
        content = [block.model_dump(exclude_none=True) for block in answer.content]
        messages.append({"role": "assistant", "content": content})
        calls = [block for block in answer.content if block.type == "tool_use"]
        if not calls:
            return answer.content[0].text
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "shipped"} for call in calls]
        messages.append({"role": "user", "content": results})
"""
TESTS = """
import pytest
from agent import run


@pytest.mark.parametrize("number", range(TESTS))
@pytest.mark.flag_matrix(strength=None)
@pytest.mark.scenario("order")
def test_order(cassette, flags, number):
    assert "shipped" in run(f"Where is order {number}?")
"""
SCENARIO = """
[[turn]]
when = { user_contains = "Where is order" }
call = [{ name = "look_up_order", input = { number = "17", details = true } }]

[[turn]]
when = { result_of = "look_up_order" }
text = "Your order is shipped. It will arrive tomorrow, or on the day after if the roads are icy. Anything else?"
"""
CONFIGURATION = """
[tool.flag-harness.flags]
streaming = "STREAMING"
prompt_cache = "PROMPT_CACHE"
extended_output = "EXTENDED_OUTPUT"
concise = "CONCISE"
new_logs = "NEW_LOGS"
new_store = "NEW_STORE"
"""


def main() -> None:
    """Record the tests, and print how many files and bytes the recordings have."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=40, help="the number of tests (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="write the project to this new folder, and keep it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = arguments.keep or Path(folder) / "project"
        write_project(project, arguments.tests)
        start = time.monotonic()
        run_tests(project, "--record-mode=rewrite", "--harness-upstream=simulator")
        recorded = time.monotonic() - start
        run_tests(project)
        played = time.monotonic() - start - recorded
        print(json.dumps({**sizes(project / "recordings"), "seconds": [round(recorded, 1), round(played, 1)]}))


def write_project(project: Path, tests: int) -> None:
    """Write the agent with its tests and its scenario."""
    (project / "fixtures" / "scenarios").mkdir(parents=True)
    (project / "pyproject.toml").write_text(CONFIGURATION)
    (project / "agent.py").write_text(AGENT)
    (project / "test_agent.py").write_text(TESTS.replace("TESTS", str(tests)))
    (project / "fixtures" / "scenarios" / "order.toml").write_text(SCENARIO)


def run_tests(project: Path, *options: str) -> None:
    """Run the tests with two workers. Raise `CalledProcessError` if one fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--no-header", "-p", "no:cacheprovider", *options]
    subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)


def sizes(recordings: Path) -> dict[str, int]:
    """Return the number of files and bytes of the cassettes, and of the parts that they share."""
    files = [path for path in recordings.rglob("*") if path.is_file()]
    shared = [path for path in files if path.parent.name == "blobs"]
    totals = {"cassettes": len(files) - len(shared), "shared files": len(shared)}
    total, part = (sum(path.stat().st_size for path in paths) for paths in (files, shared))
    return {**totals, "bytes": total, "shared bytes": part}


if __name__ == "__main__":
    main()
