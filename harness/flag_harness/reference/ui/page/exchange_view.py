"""Show one request of a session and its response as they were sent, and the links to them."""

import json
from collections.abc import Sequence

import streamlit as st

from flag_harness.reference.ui.chat.exchanges import ExchangeFiles, RawExchange
from flag_harness.reference.ui.chat.transcript import TurnTranscript
from flag_harness.reference.ui.page.address import REQUEST_PARAMETER, SESSION_PARAMETER
from flag_harness.reference.ui.page.plain_text import make_text_safe_to_show

MAX_CHARACTERS = 100_000
"""The most characters of a text that the page shows. The rest is in the file to download."""


def exchange_links(turn: TurnTranscript, session_id: str) -> list[str]:
    """Return a link to each request of a turn, as Markdown."""
    return [
        f"[request {number}](?{SESSION_PARAMETER}={session_id}&{REQUEST_PARAMETER}={number})"
        for number in turn.request_numbers
    ]


def exchange_number_in_address() -> int:
    """Return the number of the request in the page's address, or 0 if there is none."""
    number = st.query_params.get(REQUEST_PARAMETER, "")
    return int(number) if number.isdecimal() and number.isascii() else 0


def show_exchange(exchanges: ExchangeFiles, number: int, session_id: str) -> None:
    """Show a request and its response. Keys and the headers that may hold secrets are left out."""
    st.subheader(f"Request {number}")
    exchange = exchanges.load(number)
    if exchange is None:
        st.warning(f"This session has no request {number}. It has {exchanges.last_exchange}.")
    else:
        _show_request_and_response(exchange)
        name = f"{session_id}-request-{number}.txt"
        st.download_button("Download", make_text_safe_to_show(exchange.text), name, "text/plain", key="download")
    st.link_button("Open the chat", f"?{SESSION_PARAMETER}={session_id}")


def _show_request_and_response(exchange: RawExchange) -> None:
    head, _, body = exchange.request.partition("\n\n")
    st.text(f"Sent at {exchange.sent_at}")
    _show_code([head, _indent_json(body)])
    st.subheader("Response")
    st.text(make_text_safe_to_show(exchange.ending))
    _show_code([exchange.response_head, _indent_json(exchange.response_body)])


def _show_code(texts: Sequence[str]) -> None:
    for text in filter(None, texts):
        st.code(make_text_safe_to_show(text[:MAX_CHARACTERS]), language=None, wrap_lines=True)
        if len(text) > MAX_CHARACTERS:
            st.text(f"These are the first {MAX_CHARACTERS:,} of {len(text):,} characters. Download all of them below.")


def _indent_json(text: str) -> str:
    """Return JSON with one value a line; other texts as they are."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
