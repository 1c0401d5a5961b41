"""The page: a chat, with the switches of the flags beside it."""

import os
from collections.abc import Mapping

import streamlit as st

from flag_harness.errors import HarnessError
from flag_harness.reference.ui.chat.approval import PendingCall
from flag_harness.reference.ui.chat.directory import ChatDirectory, is_chat_id, new_chat_id
from flag_harness.reference.ui.chat.session import ChatSession
from flag_harness.reference.ui.options import UiOptions
from flag_harness.reference.ui.page.address import SESSION_PARAMETER
from flag_harness.reference.ui.page.exchange_view import exchange_number_in_address, show_exchange
from flag_harness.reference.ui.page.plain_text import make_text_safe_to_show
from flag_harness.reference.ui.page.sidebar import show_sidebar
from flag_harness.reference.ui.page.turn_view import (
    PAGE_STYLE,
    TurnDrawing,
    follow_turn,
    reset_container_keys,
    show_turn,
)

IDLE_POLL_SECONDS = 5.0
"""The time between two checks of an idle page for turns that another tab has started."""

_MAX_TURNS_SHOWN = 30
"""The most turns that the page shows, unless the user wants to see all."""


def show_page(options: UiOptions) -> None:
    """Show the session in the page's address, or a new one. If a turn is running, follow it."""
    st.set_page_config(page_title="flag-harness", layout="centered")
    st.html(PAGE_STYLE)
    reset_container_keys()
    try:
        chats = chat_directory(options.to_argument())
        session = _session_id()
        chat = chats.open(session)
    except HarnessError as error:
        st.error(_escape_markdown(str(error)))
        return
    if number := exchange_number_in_address():
        show_exchange(chat.exchanges, number, session)
        return
    environ = show_sidebar(options, chats, chat, session)
    unsent = _send_prompt(chat, environ)
    is_running, revision = chat.is_running, chat.revision
    drawing = _show_turns(chat, session, is_running)
    if unsent:
        st.session_state[_PROMPT_KEY] = unsent
        st.warning("Not sent, because another tab has just started a turn. Your prompt is still in the field below.")
    st.chat_input("Your message", disabled=is_running, key=_PROMPT_KEY, on_submit=_store_submitted_prompt)
    if drawing is not None:
        follow_turn(drawing, chat.turns[-1], chat, _show_controls(chat))
        st.rerun()
    if chat.can_continue:
        st.button("Continue the unanswered turn", on_click=_continue_turn, args=(chat, environ), key="continue")
    _watch_other_tabs(chat, revision)


@st.cache_resource(show_spinner=False)
def chat_directory(argument: str) -> ChatDirectory:
    """Return the chats of this process for the options in `argument`, the only argument of Streamlit's script."""
    return ChatDirectory(UiOptions.from_argument(argument), os.environ)


def _session_id() -> str:
    """Return the session's id in the page's address. If the address has none, add a new id to it."""
    id = st.query_params.get(SESSION_PARAMETER, "")
    if not is_chat_id(id):
        id = new_chat_id()
        st.query_params[SESSION_PARAMETER] = id
    return id


def _show_turns(chat: ChatSession, session_id: str, is_running: bool) -> TurnDrawing | None:
    """Show the turns of the chat. Return the drawing of the running turn, or None if none is running."""
    turns = list(chat.turns)
    for notice in chat.notices:
        st.warning(_escape_markdown(notice))
    if not turns:
        st.text(
            "Write a message below. It is sent under the flags in the sidebar, and the answer is shown as it comes."
        )
    done = turns[:-1] if is_running else turns
    if (hidden := len(done) - _MAX_TURNS_SHOWN) > 0 and not st.toggle(f"Show {hidden} earlier turns", key="all"):
        done = done[hidden:]
    for turn in done:
        show_turn(turn, chat, session_id)
    return TurnDrawing(turns[-1].prompt) if is_running else None


def _show_controls(chat: ChatSession) -> PendingCall | None:
    """Show the buttons of a running turn. Return the tool call that waits for the user's permission, or None."""
    pending = chat.gate.pending_call
    with st.container(horizontal=True):
        # the slots stay: Streamlit would show a button of the last run as long as this one follows the turn
        stop, allow, deny = st.empty(), st.empty(), st.empty()
    stop.button("Stop", on_click=chat.stop, key="stop", type="primary")
    if pending is not None:
        allow.button(f"Run {pending.name}", on_click=chat.gate.answer, kwargs={"allow": True}, key="allow")
        deny.button("Do not run it", on_click=chat.gate.answer, kwargs={"allow": False}, key="deny")
    return pending


def _store_submitted_prompt() -> None:
    """Store the submitted prompt. Streamlit clears the input field, and returns no prompt from it while it is
    disabled.
    """
    st.session_state[_SUBMITTED_PROMPT_KEY] = st.session_state[_PROMPT_KEY]


def _send_prompt(chat: ChatSession, environ: Mapping[str, str]) -> str:
    """Send the prompt that the user has submitted, if there is one.

    Return the prompt if it could not be sent because a turn is running, and otherwise an empty string.
    """
    prompt: str = st.session_state.pop(_SUBMITTED_PROMPT_KEY, "")
    return "" if not prompt or chat.send(prompt, environ) else prompt


def _continue_turn(chat: ChatSession, environ: Mapping[str, str]) -> None:
    chat.send(None, environ)


@st.fragment(run_every=IDLE_POLL_SECONDS)
def _watch_other_tabs(chat: ChatSession, revision: int) -> None:
    if chat.revision != revision:
        st.rerun()


def _escape_markdown(text: str) -> str:
    """Return a text as Markdown that shows the text unchanged."""
    return "".join(f"\\{one}" if one in _MARKDOWN_CHARACTERS else one for one in make_text_safe_to_show(text))


_PROMPT_KEY = "prompt"
_SUBMITTED_PROMPT_KEY = "submitted"
_MARKDOWN_CHARACTERS = frozenset("\\`*_{}[]<>()#+-.!|~$:")
