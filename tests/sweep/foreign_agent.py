"""A small agent in a process, without a library: `foreign_agent.py STATE PROMPT...` prints an answer to each prompt.

It saves the conversation to STATE after each step. If it was killed, the next process of the same command ends the
turn that was left, and then answers its prompts. With `BUG=orphan` it saves answers only, and ends no earlier turn.
"""

import json
import os
import socket
import sys

BUG = os.environ.get("BUG", "")
HOST, PORT = os.environ["ANTHROPIC_BASE_URL"].removeprefix("http://").split("/")[0].split(":")
ADD = {
    "name": "add",
    "description": "Adds two numbers.",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
}


class Conversation:
    """The messages, in a file."""

    def __init__(self, path):
        self.path = path
        self.messages = []
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.messages = json.load(file)

    def append(self, role, content):
        """Add a message, and save all of them in one step."""
        self.messages.append({"role": role, "content": content})
        if BUG == "orphan" and role == "user":
            return
        with open(f"{self.path}.new", "w", encoding="utf-8") as file:
            json.dump(self.messages, file)
        os.replace(f"{self.path}.new", self.path)

    def finish(self):
        """Run the calls that were left, and ask for the answers that are missing. Return the text of the last one."""
        while True:
            last = self.messages[-1]
            if last["role"] == "user":
                self.append("assistant", read_answer(self.messages))
                continue
            calls = [block for block in last["content"] if block["type"] == "tool_use"]
            if not calls:
                return "".join(block["text"] for block in last["content"])
            self.append("user", [run(call) for call in calls])


def run(call):
    """Return the result of a call of the tool, which has no side effect, so that it can run again."""
    return {"type": "tool_result", "tool_use_id": call["id"], "content": str(call["input"]["a"] + call["input"]["b"])}


def read_answer(messages):
    """Send the conversation. Return the content blocks of the answer; raise `EOFError` if it is cut off."""
    body = {"model": "claude-haiku-4-5", "max_tokens": 1024, "messages": messages, "tools": [ADD], "stream": True}
    data = json.dumps(body).encode()
    head = f"POST /v1/messages HTTP/1.0\r\nhost: {HOST}\r\nx-api-key: x\r\nanthropic-version: 2023-06-01\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    blocks = []
    with socket.create_connection((HOST, int(PORT))) as connection, connection.makefile("rb") as lines:
        connection.sendall(head.encode() + data)
        for line in lines:
            if line.startswith(b"data: ") and add_event(blocks, json.loads(line[6:])):
                return blocks
    raise EOFError("the answer was cut off")


def add_event(blocks, event):
    """Add an event to the blocks. Return whether it is the last one."""
    if event["type"] == "content_block_start":
        blocks.append({**event["content_block"]})
        if blocks[-1]["type"] == "tool_use":
            blocks[-1]["input"] = ""
    if event["type"] == "content_block_delta":
        key, part = next((key, part) for key, part in event["delta"].items() if key != "type")
        blocks[-1][{"partial_json": "input"}.get(key, key)] += part
    if event["type"] == "content_block_stop" and blocks[-1]["type"] == "tool_use":
        blocks[-1]["input"] = json.loads(blocks[-1]["input"])
    return event["type"] == "message_stop"


def main():
    conversation = Conversation(sys.argv[1])
    if conversation.messages and BUG != "orphan":
        conversation.finish()
    for prompt in sys.argv[2:]:
        conversation.append("user", [{"type": "text", "text": prompt}])
        print(conversation.finish(), flush=True)


if __name__ == "__main__":
    main()
