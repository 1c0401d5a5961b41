"""A program that keeps its conversation in a file is killed at each point of each answer, and goes on when started."""

import re

import pytest

SETTINGS = '[tool.flag-harness.sweep]\ntools = "real"\n'
PROMPTS = 10
KILLS = 200
"""The fewest points at which the program must be killed."""

PROGRAM = """
import json
import os
import sys
import urllib.request

STATE, PROMPTS = sys.argv[1], int(sys.argv[2])
ADD = {"name": "add", "description": "Adds.", "input_schema": {"type": "object"}}


def load():
    if not os.path.exists(STATE):
        return []
    with open(STATE) as file:
        return json.load(file)


def save(messages):
    with open(STATE + ".part", "w") as file:
        json.dump(messages, file)
    os.replace(STATE + ".part", STATE)


def ask(messages):
    body = {"model": "claude-haiku-4-5", "max_tokens": 500, "stream": True, "tools": [ADD], "messages": messages}
    headers = {"content-type": "application/json", "x-api-key": "x", "anthropic-version": "2023-06-01"}
    url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    blocks, inputs, is_complete = [], {}, False
    with urllib.request.urlopen(request) as stream:
        for line in stream:
            if not line.startswith(b"data:"):
                continue
            event = json.loads(line[5:])
            is_complete = is_complete or event["type"] == "message_stop"
            if event["type"] == "content_block_start":
                blocks.append(event["content_block"])
            delta = event.get("delta", {})
            if "text" in delta:
                blocks[-1]["text"] += delta["text"]
            if "partial_json" in delta:
                inputs[len(blocks) - 1] = inputs.get(len(blocks) - 1, "") + delta["partial_json"]
    if not is_complete:
        sys.exit("the answer was cut off")
    for index, text in inputs.items():
        blocks[index]["input"] = json.loads(text)
    return blocks


def step(messages):
    last = messages[-1]
    calls = [block for block in last["content"] if block["type"] == "tool_use"]
    if last["role"] == "user":
        return {"role": "assistant", "content": ask(messages)}
    if calls:
        return {"role": "user", "content": [result(call) for call in calls]}


def result(call):
    total = str(call["input"]["a"] + call["input"]["b"])
    return {"type": "tool_result", "tool_use_id": call["id"], "content": total}


messages = load()
asked = sum(one["role"] == "user" and one["content"][0]["type"] == "text" for one in messages)
while True:
    message = step(messages) if messages else None
    if message is None:
        if asked == PROMPTS:
            break
        message = {"role": "user", "content": [{"type": "text", "text": f"What is {asked} + {asked}?"}]}
        asked += 1
    messages.append(message)
    save(messages)
print(messages[-1]["content"][0]["text"])
"""
TEST = """
import subprocess
import sys

import pytest


@pytest.mark.scenario("sums")
def test_program(cassette_server, tmp_path):
    command = [sys.executable, "-S", "program.py", str(tmp_path / "state.json"), "PROMPTS"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "LAST" in run.stdout
"""
TURNS = """
[[turn]]
when = {{ user_contains = "What is {n} + {n}?" }}
text = "I add."
call = [{{ name = "add", input = {{ a = {n}, b = {n} }} }}]

[[turn]]
when = {{ result = "{total}" }}
text = "It is {total}."
"""


def _kill_count(run: pytest.RunResult) -> int:
    """Return the number of kills in the summary of a sweep."""
    (row,) = (line for line in run.outlines if line.startswith("sigkill "))
    return sum(int(number) for number in re.findall(r"\d+", row))


@pytest.mark.deep
def test_a_program_survives_kills_at_200_points(pytester: pytest.Pytester) -> None:
    """Each restart continues from the file, loses no turn and repeats none."""
    pytester.makepyprojecttoml(SETTINGS)
    folder = pytester.mkdir("fixtures").joinpath("scenarios")
    folder.mkdir()
    folder.joinpath("sums.toml").write_text("".join(TURNS.format(n=n, total=2 * n) for n in range(PROMPTS)))
    test = TEST.replace("PROMPTS", str(PROMPTS)).replace("LAST", f"It is {2 * PROMPTS - 2}.")
    pytester.makepyfile(program=PROGRAM, test_program=test)
    run = pytester.runpytest_subprocess("--harness-sweep=kills")
    assert pytest.ExitCode.OK == run.ret
    assert KILLS <= _kill_count(run)
