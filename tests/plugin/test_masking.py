"""What the filters took out of a test's traffic, hidden in any text, without reading the traffic again and again."""

import threading
from typing import Any

import pytest

from flag_harness.cassette import Filters
from flag_harness.plugin.redact.masking import TrafficMask
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request
from flag_harness.wire.traffic_log import TrafficLog

FILTERS = Filters(patterns=("secret-[a-z]+",), headers=("x-mine",))


def _send(tap: TrafficLog, body: bytes, *pieces: Piece) -> Any:
    note = tap(Request("POST", "/v1/messages", (("x-mine", "hidden-by-name"),), body))
    for piece in pieces:
        list(note(piece))
    return note


def test_what_was_sent_and_what_has_come_so_far_is_hidden() -> None:
    """Also of an answer that is still on its way, and also what came apart; the longest first."""
    tap = TrafficLog()
    hiding = TrafficMask(FILTERS, tap)
    assert "hidden-by-name" == hiding("hidden-by-name")
    note = _send(tap, b'{"a":"secret-abc"}', Head(0.1, 200, (("x-mine", "hidden-by-name-too"),)))
    assert "REDACTED, REDACTED" == hiding("hidden-by-name, hidden-by-name-too")
    list(note(Chunk(0.2, b'{"b":"my secret-def"}')))
    list(note(End(0.3)))
    assert "REDACTED" == hiding("secret-def")


def test_a_log_that_is_written_while_the_traffic_is_read_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the garbage collector frees just then may write one: it is masked by what is known, and nobody waits."""
    tap, texts = TrafficLog(), []
    read_secrets = Filters.secrets

    def log_and_read(filters: Filters, request: Request, response: Any) -> frozenset[str]:
        texts.append(hiding("secret-abc, secret-def"))
        return read_secrets(filters, request, response)

    monkeypatch.setattr(Filters, "secrets", log_and_read)
    hiding = TrafficMask(FILTERS, tap)
    for body in (b'{"a":"secret-abc"}', b'{"a":"secret-def"}'):
        _send(tap, body, End(0.3))
    thread = threading.Thread(target=lambda: texts.append(hiding("hidden-by-name")), daemon=True)
    thread.start()
    thread.join(30)
    assert ["REDACTED, REDACTED"] * 2 + ["REDACTED"] == texts


def test_without_filters_only_keys_are_hidden() -> None:
    """They look like what they are."""
    tap = TrafficLog()
    _send(tap, b'{"a":"secret-abc"}')
    assert "secret-abc REDACTED" == TrafficMask(Filters(), tap)("secret-abc sk-ant-api03-Zm9vYmFyZm9vYmFyZm9v")


@pytest.mark.parametrize("last", [End(0.3), Cut(0.3, "reset")])
def test_a_whole_exchange_is_read_once(last: Piece, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many texts are shown after it, so that many requests that log much do not read each other again."""
    tap, read = TrafficLog(), []
    taken = Filters.secrets

    def counted(filters: Filters, request: Request, response: Any) -> frozenset[str]:
        read.append(request.body)
        return taken(filters, request, response)

    monkeypatch.setattr(Filters, "secrets", counted)
    hiding = TrafficMask(FILTERS, tap)
    bodies = [b"%d" % number for number in range(50)]
    for body in bodies:
        note = _send(tap, body)
        for _ in range(3):
            hiding("text")
        list(note(Chunk(0.1, b"more")))
        hiding("text")
        list(note(last))
        hiding("text")
    assert [body for body in bodies for _ in range(3)] == read
