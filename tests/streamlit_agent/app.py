"""A support chat that can look orders up, of the kind that quickstarts show. It knows nothing of the harness."""

import os
import time

import anthropic
import streamlit as st

ORDERS = {"17": "a lamp, delivered yesterday", "18": "a chair, on its way"}
TOOLS = [
    {
        "name": "find_order",
        "description": "Look an order up by its number.",
        "input_schema": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
    }
]


@st.cache_resource
def make_client() -> anthropic.Anthropic:
    return anthropic.Anthropic()


def find_order(number: str) -> str:
    st.caption(f"Looking order {number} up ...")
    time.sleep(1)  # the shop's computer is slow
    return ORDERS.get(number, "no such order")


def ask_model(messages: list) -> anthropic.types.Message:
    """Show the next answer of the model, and return it."""
    request = {"model": "claude-haiku-4-5", "max_tokens": 1024, "tools": TOOLS, "messages": messages}
    if os.environ.get("POLITE_PROMPT"):
        request["system"] = "You are the polite support of a furniture shop."
    if os.environ.get("ENABLE_STREAMING"):
        with make_client().messages.stream(**request) as stream:
            st.write_stream(stream.text_stream)
            return stream.get_final_message()
    answer = make_client().messages.create(**request)
    st.write("".join(block.text for block in answer.content if block.type == "text"))
    return answer


def answer_user(messages: list) -> None:
    """Call the model and its tools until it calls no more."""
    while True:
        answer = ask_model(messages)
        content = [block.model_dump(mode="json", exclude_unset=True) for block in answer.content]
        messages.append({"role": "assistant", "content": content})
        calls = [block for block in answer.content if block.type == "tool_use"]
        if not calls:
            return
        results = []
        for call in calls:
            result = find_order(call.input["number"])
            st.caption(f"{call.name}: {result}")
            results.append({"type": "tool_result", "tool_use_id": call.id, "content": result})
        messages.append({"role": "user", "content": results})


def drop_unanswered_turn(messages: list) -> None:
    """Drop the end of a turn that a click has interrupted: a question without answer, or a call without result."""
    while messages and not is_answer(messages[-1]):
        messages.pop()


def is_answer(message: dict) -> bool:
    return message["role"] == "assistant" and all(block["type"] != "tool_use" for block in message["content"])


st.title("Support")
messages = st.session_state.setdefault("messages", [])
drop_unanswered_turn(messages)
for message in messages:
    texts = (
        [message["content"]]
        if isinstance(message["content"], str)
        else [block["text"] for block in message["content"] if block["type"] == "text"]
    )
    if texts:
        with st.chat_message(message["role"]):
            st.write("\n\n".join(texts))

if st.button("New chat"):
    messages.clear()
    st.rerun()

if prompt := st.chat_input("Your question"):
    with st.chat_message("user"):
        st.write(prompt)
    messages.append({"role": "user", "content": prompt})
    with st.chat_message("assistant"):
        answer_user(messages)
