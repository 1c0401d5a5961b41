"""A loop as the computer-use demo has it: streamed answers, and tools of its own that run commands and edit files."""

import subprocess
from pathlib import Path

import anthropic
import pytest

TOOLS = [
    {"type": "bash_20250124", "name": "bash"},
    {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
]


class ToolError(Exception):
    """Raised if a tool cannot do what the model asks."""


def run_bash(command: str | None = None, restart: bool = False) -> str:
    if restart or not command:
        return "tool has been restarted."
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=10, check=False)
    return run.stdout + run.stderr


def edit_file(command: str, path: str, **values: str) -> str:
    file = Path(path)
    if command == "create":
        file.write_text(values["file_text"])
        return f"File created successfully at: {path}"
    text = file.read_text()
    if command == "view":
        return text
    if text.count(values["old_str"]) != 1:
        raise ToolError(f"old_str must be in {path} once")
    file.write_text(text.replace(values["old_str"], values["new_str"]))
    return f"The file {path} has been edited."


FUNCTIONS = {"bash": run_bash, "str_replace_based_edit_tool": edit_file}


def run_tool(call):
    """Return the result of a call, which is an error if the tool raises one."""
    result = {"type": "tool_result", "tool_use_id": call.id}
    try:
        return result | {"content": FUNCTIONS[call.name](**call.input) or "(no output)"}
    except (ToolError, OSError, TypeError, KeyError, ValueError, subprocess.SubprocessError) as error:
        return result | {"content": f"{type(error).__name__}: {error}", "is_error": True}


def sampling_loop(client, messages):
    """Send the conversation and run the tools until the model calls no more."""
    while True:
        with client.messages.stream(
            model="claude-sonnet-4-5", max_tokens=4096, messages=messages, tools=TOOLS
        ) as stream:
            answer = stream.get_final_message()
        messages.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
        results = [run_tool(block) for block in answer.content if block.type == "tool_use"]
        if not results:
            return messages
        messages.append({"role": "user", "content": results})


@pytest.fixture
def client(cassette):
    return anthropic.Anthropic(api_key="x")


@pytest.mark.scenario("files")
def test_conversation(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    messages = []
    for prompt in ("Write hello.txt.", "Which files are here?", "Good."):
        messages = sampling_loop(client, [*messages, {"role": "user", "content": prompt}])
    assert "Hello" in Path("hello.txt").read_text()
    assert "Thanks" in messages[-1]["content"][-1]["text"]
