"""The sidebar: switches of the flags, the tools, and the usage of the session."""

import os
from collections.abc import Mapping
from typing import Any

import streamlit as st

from flag_harness.config import find_root
from flag_harness.flag import TRUE_VALUES
from flag_harness.reference.settings import ENABLE_TOOLS, MAX_TOKENS, THINKING_BUDGET
from flag_harness.reference.ui.chat.directory import ChatDirectory, new_chat_id
from flag_harness.reference.ui.chat.session import ChatSession
from flag_harness.reference.ui.options import UiOptions
from flag_harness.reference.ui.page.address import SESSION_PARAMETER
from flag_harness.reference.ui.page.plain_text import make_text_safe_to_show
from flag_harness.reference.ui.page.switches import (
    FlagSwitch,
    environ_with_values,
    find_flag_changes_in_recordings,
    flag_switches,
    flag_value_in_environment,
)


def show_sidebar(options: UiOptions, chats: ChatDirectory, chat: ChatSession, session_id: str) -> dict[str, str]:
    """Show the sidebar, and return the environment of the next turn. `session_id` is the id of `chat`."""
    with st.sidebar:
        st.text(_upstream_text(options, chat))
        if chat.description:
            st.text(make_text_safe_to_show(chat.description))
        environ = _show_switches(chat, session_id)
        _show_tools(chat)
        _show_session(chats, chat, environ)
    return environ


def _upstream_text(options: UiOptions, chat: ChatSession) -> str:
    file = f" {options.file}" if options.file else ""
    return f"{chat.conversation.model}\nanswered by: {options.upstream}{file}"


def _show_switches(chat: ChatSession, session_id: str) -> dict[str, str]:
    st.subheader("Flags")
    st.text("They take effect with the next turn.")
    values = {switch.flag: _show_switch(switch, chat.environ, session_id) for switch in flag_switches(PYPROJECT)}
    if st.button("What do they change in the recordings?", key="changes"):
        st.code(
            "\n".join(map(make_text_safe_to_show, find_flag_changes_in_recordings(PYPROJECT))),
            language=None,
            wrap_lines=True,
        )
    numbers = {
        setting.variable: _show_number_input(setting.variable, setting.default, chat, session_id)
        for setting in (MAX_TOKENS, THINKING_BUDGET)
    }
    has_tools = st.toggle(
        "tools", value=(chat.environ.get(ENABLE_TOOLS) or "1").lower() in TRUE_VALUES, key=f"tools-{session_id}"
    )
    return environ_with_values(os.environ, values, {**numbers, ENABLE_TOOLS: "true" if has_tools else "false"})


def _show_switch(switch: FlagSwitch, environ: Mapping[str, str], session_id: str) -> Any:
    """Show the switch of a flag, and return its value. Each session has switches of its own."""
    flag, key = switch.flag, f"{switch.flag.name}-{session_id}"
    value = flag_value_in_environment(flag, environ)
    help = f"{flag.env}: {switch.explanation}"
    if flag.is_boolean:
        return st.toggle(flag.name, value=value, help=help, key=key)
    index = flag.values.index(value)
    return st.selectbox(flag.name, flag.values, index, format_func=str, help=help, key=key)


def _show_number_input(name: str, default: int, chat: ChatSession, session_id: str) -> str:
    placeholder = f"{default}, with extended_output"
    return st.text_input(name, value=chat.environ.get(name, ""), placeholder=placeholder, key=f"{name}-{session_id}")


def _show_tools(chat: ChatSession) -> None:
    st.subheader("Tools")
    chat.gate.is_on = st.toggle("ask before running a tool", value=chat.gate.is_on, key="ask")
    for tool in chat.tools:
        with st.expander(tool.name):
            st.text(make_text_safe_to_show(str(tool.definition.get("description", "Defined by the API."))))
            st.json(dict(tool.input_schema))


def _show_session(chats: ChatDirectory, chat: ChatSession, environ: Mapping[str, str]) -> None:
    st.subheader("Session")
    usage, cost = chat.conversation.usage, chat.cost
    st.text(
        f"{usage.total_input:,} tokens in\n{usage.cache_read_input_tokens:,} of them from the cache\n"
        f"{usage.output_tokens:,} tokens out\n{'unknown cost' if cost is None else f'${cost:.4f} at list price'}\n"
        f"saved as {chat.path}"
    )
    st.button("New session", on_click=_open_new_session, args=(chats, environ), key="new")
    if saved := chats.saved_chat_ids():
        st.selectbox(
            "Open a saved session",
            saved,
            index=None,
            format_func=lambda id: make_text_safe_to_show(chats.describe_saved_chat(id)),
            key=_SAVED_SESSION_KEY,
            on_change=_open_saved_session,
        )


def _open_saved_session() -> None:
    if (id := st.session_state.get(_SAVED_SESSION_KEY)) is not None:
        st.query_params[SESSION_PARAMETER] = id


def _open_new_session(chats: ChatDirectory, environ: Mapping[str, str]) -> None:
    """Let the next run of the script show a new session, which starts with the flags that are switched on now."""
    id = new_chat_id()
    chats.open(id, environ)
    st.query_params[SESSION_PARAMETER] = id


_SAVED_SESSION_KEY = "saved"
PYPROJECT = find_root() / "pyproject.toml"
"""The configuration of the project in whose folder, or one below, the server was started."""
