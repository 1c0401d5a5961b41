"""Draw turns. Texts of models and tools are drawn as text only, never as Markdown or HTML."""

import time

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from flag_harness.reference.request.limits import MAX_TOKENS_WITHOUT_EXTENDED_OUTPUT
from flag_harness.reference.settings import read_settings
from flag_harness.reference.ui.chat.approval import PendingCall
from flag_harness.reference.ui.chat.session import ChatSession
from flag_harness.reference.ui.chat.transcript import TurnTranscript
from flag_harness.reference.ui.page.exchange_view import exchange_links
from flag_harness.reference.ui.page.pieces import CollapsedPiece, PagePiece, TextPiece, ToolPiece, list_page_pieces
from flag_harness.reference.ui.page.plain_text import make_text_safe_to_show, preserve_layout_for_streamlit

PAGE_STYLE = """<style>
[data-testid="stText"], [data-testid="stText"] * { white-space: pre-wrap !important; overflow-wrap: anywhere; }
[class*="st-key-discarded"] [data-testid="stText"] { text-decoration: line-through; }
[class*="st-key-answer"] { gap: 0; }
[class*="st-key-card"] { margin: 0.5rem 0; }
[data-testid="stStatusWidget"] { display: none; }
[data-testid="stCaptionContainer"] { opacity: 1 !important; }
[data-stale="true"] { opacity: 1 !important; }
</style>"""
"""The page's style. It holds no text of models or tools."""

REDRAW_SECONDS = 0.03
"""The shortest time between two drawings of a running turn."""

HEARTBEAT_SECONDS = 0.1
"""The longest time between two drawings. Streamlit reacts to a click only at the next drawing."""

_CHARACTERS_PER_TOKEN = 4
"""An estimate, to show the progress of an answer whose number of tokens is still unknown."""


class TurnDrawing:
    """A turn on the page. `update` draws only the pieces that have changed since the last time."""

    def __init__(self, prompt: str | None) -> None:
        if prompt is not None:
            with st.chat_message("user"):
                st.text(preserve_layout_for_streamlit(make_text_safe_to_show(prompt)))
        self._chat_message = st.chat_message("assistant")
        self._column = self._chat_message.container(key=_new_container_key("answer"))
        self._slots: list[DeltaGenerator] = []
        self._drawn_pieces: list[PagePiece] = []
        self.footer = self._chat_message.empty()

    def update(self, turn: TurnTranscript, now: float, *, asks_user: bool = False) -> None:
        """Draw the turn as it is at the time `now` of the agent's clock, as `list_page_pieces` says."""
        pieces = list_page_pieces(turn, now, asks_user=asks_user)
        while len(self._slots) < len(pieces):
            self._slots.append(self._column.empty())
        for index, piece in enumerate(pieces):
            if self._drawn_pieces[index : index + 1] != [piece]:
                _draw_piece(self._slots[index], piece)
        for slot in self._slots[len(pieces) : len(self._drawn_pieces)]:
            slot.empty()
        self._drawn_pieces = pieces


def show_turn(turn: TurnTranscript, chat: ChatSession, session_id: str) -> None:
    """Show a turn that has ended, with links to its requests. `session_id` is the id of the chat."""
    drawing = TurnDrawing(turn.prompt)
    drawing.update(turn, chat.clock.now())
    if turn.request_count or turn.request_numbers:
        drawing.footer.caption(" · ".join([usage_text(turn), *exchange_links(turn, session_id)]))


def follow_turn(drawing: TurnDrawing, turn: TurnTranscript, chat: ChatSession, pending: PendingCall | None) -> None:
    """Draw a running turn until it ends, or until the tool call that waits for the user's permission is no longer
    `pending`.
    """
    while chat.is_running and chat.gate.pending_call is pending:
        seen = chat.revision
        drawing.update(turn, chat.clock.now(), asks_user=pending is not None)
        _show_progress(drawing, turn, chat)
        time.sleep(REDRAW_SECONDS)
        chat.wait_for_change(seen, HEARTBEAT_SECONDS - REDRAW_SECONDS)
    drawing.update(turn, chat.clock.now(), asks_user=chat.gate.pending_call is not None)


def usage_text(turn: TurnTranscript) -> str:
    """Return the requests, tokens, cost and time of a turn, as Markdown."""
    if turn.is_restored:
        return "before the server started; its tokens and cost are in the session's total"
    usage, sent = turn.usage, len(turn.request_numbers)
    requests = f"{turn.request_count} request{'' if turn.request_count == 1 else 's'}"
    if sent > turn.request_count:
        requests = f"{turn.request_count} of {sent} request{'' if sent == 1 else 's'} answered"
    cost = "unknown cost" if turn.cost is None else f"\\${turn.cost:.4f}"
    first = "" if turn.first_token_seconds is None else f", first token after {turn.first_token_seconds:.2f} s"
    return (
        f"{requests}, {usage.total_input:,} tokens in "
        f"({usage.cache_read_input_tokens:,} from the cache), {usage.output_tokens:,} out, {cost}{first}"
    )


def _show_progress(drawing: TurnDrawing, turn: TurnTranscript, chat: ChatSession) -> None:
    characters = turn.characters_of_request
    if not characters:
        drawing.footer.caption("Waiting ...")
        return
    settings = read_settings(chat.environ)
    most = settings.max_tokens if settings.extended_output else MAX_TOKENS_WITHOUT_EXTENDED_OUTPUT
    tokens = min(characters // _CHARACTERS_PER_TOKEN, most)
    drawing.footer.progress(tokens / most, text=f"about {tokens:,} of at most {most:,} tokens")


def _draw_piece(slot: DeltaGenerator, piece: PagePiece) -> None:
    match piece:
        case TextPiece(is_discarded=False):
            slot.text(preserve_layout_for_streamlit(piece.text))
        case TextPiece():
            slot.container(key=_new_container_key("discarded")).text(preserve_layout_for_streamlit(piece.text))
        case CollapsedPiece():
            folded = slot.expander(piece.label)
            (folded.container(key=_new_container_key("discarded")) if piece.is_discarded else folded).text(
                preserve_layout_for_streamlit(piece.text)
            )
        case ToolPiece():
            _draw_tool(_draw_card(slot), piece)
        case _:
            _draw_card(slot).text(f"{_TITLE_BY_NOTICE_LEVEL[piece.level]}: {piece.text}")


def _draw_card(slot: DeltaGenerator) -> DeltaGenerator:
    return slot.container(border=True, key=_new_container_key("card"))


def _draw_tool(card: DeltaGenerator, piece: ToolPiece) -> None:
    card.text(f"Tool call: {piece.name}")
    card.code(piece.input, language=None, wrap_lines=True)
    card.text(piece.state)
    if piece.result is not None:
        card.code(piece.result, language=None, wrap_lines=True)


def reset_container_keys() -> None:
    """Count container keys from the start again, so that a new run of the script gives the same keys as the last."""
    st.session_state[_CONTAINER_KEYS] = 0


def _new_container_key(kind: str) -> str:
    """Return a key that no other container of this run of the script has."""
    st.session_state[_CONTAINER_KEYS] += 1
    return f"{kind}-{st.session_state[_CONTAINER_KEYS]}"


_CONTAINER_KEYS = "keys"
_TITLE_BY_NOTICE_LEVEL = {"info": "Note", "warning": "Warning", "error": "Error"}
