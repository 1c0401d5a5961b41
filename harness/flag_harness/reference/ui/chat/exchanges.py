"""Keep the raw requests and responses of a session in files, one file for each request.

A file has one JSON value a line: the request, the head of the response, each chunk with its time, and the end. It is
written as the response arrives, so that the file of a killed server has what had arrived.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flag_harness.cassette.redact.headers import select_request_headers, select_response_headers
from flag_harness.reference.context.conversation import list_content_blocks
from flag_harness.reference.context.repair import FIRST_LINE_OF_TRANSITION_PROMPT
from flag_harness.wire.timeline import Chunk, Cut, Edit, Head, Piece, Request

_FILE_NAME_PATTERN = re.compile(r"(\d{4,9})\.jsonl")
_LOSSLESS_TEXT_ENCODING = ("utf-8", "surrogateescape")
"""Chunks may end inside a character; this way they are joined again without loss."""


@dataclass(frozen=True, slots=True)
class RawExchange:
    """A request and its response, as texts.

    Attributes:
        sent_at: when the request was sent, in UTC.
        request: method and URL, headers, and the body as it was sent.
        response_head: status and headers; empty if no response has arrived.
        response_body: the body of the response, as far as it arrived.
        ending: how the response ended, and after how many seconds.
    """

    sent_at: str
    request: str
    response_head: str
    response_body: str
    ending: str

    @property
    def text(self) -> str:
        """The whole exchange."""
        return "\n\n".join(
            part
            for part in (self.sent_at, self.request, self.response_head, self.response_body, f"[{self.ending}]")
            if part
        )


class ExchangeFiles:
    """A layer that appends each request and its response to a file in `folder`.

    `wall_time` returns the seconds since 1970.
    """

    def __init__(self, folder: Path, wall_time: Callable[[], float] = time.time) -> None:
        self._folder, self._wall_time = folder, wall_time
        self._lock = threading.Lock()
        self.last_exchange = max(self._request_numbers(), default=0)
        """The number of the last request."""

    def __call__(self, request: Request) -> Edit:
        sent_at = self._wall_time()
        with self._lock:
            self.last_exchange += 1
            path = self._exchange_path(self.last_exchange)
        path.parent.mkdir(parents=True, exist_ok=True)
        headers = select_request_headers(request.headers)
        sent = {"method": request.method, "url": request.url, "headers": headers, "body": _decode_text(request.body)}
        path.write_text(
            _json_line({"turn": _turn_number(request.body), "sent_at": sent_at}) + _json_line(sent),
            encoding="utf-8",
        )

        def append_piece_to_file(piece: Piece) -> Iterable[Piece]:
            with path.open("a", encoding="utf-8") as file:
                file.write(_json_line(_piece_values(piece, request.url)))
            return (piece,)

        return append_piece_to_file

    def request_numbers_by_turn(self) -> dict[int, list[int]]:
        """Return the numbers of the saved requests by the turn of the conversation, counted from 1, in which they were
        sent. Files that cannot be read are left out.
        """
        found: dict[int, list[int]] = {}
        for number in self._request_numbers():
            lines = self._read_lines(number, 1)
            if lines and isinstance(lines[0].get("turn"), int):
                found.setdefault(lines[0]["turn"], []).append(number)
        return found

    def load(self, number: int) -> RawExchange | None:
        """Return the exchange with this number, or None if there is no such file."""
        lines = self._read_lines(number)
        if len(lines) < _LINES_BEFORE_RESPONSE:
            return None
        request, pieces = lines[1], lines[_LINES_BEFORE_RESPONSE:]
        head = next((one for one in pieces if "status" in one), None)
        body = "".join(one["text"] for one in pieces if "text" in one)
        target = f"{request['method']} {request['url']}"
        sent_at = datetime.fromtimestamp(lines[0].get("sent_at", 0), UTC)
        return RawExchange(
            sent_at.isoformat(sep=" ", timespec="milliseconds"),
            "\n".join((target, *_header_lines(request["headers"]), "", _readable_text(request["body"]))),
            "" if head is None else "\n".join((f"HTTP {head['status']}", *_header_lines(head["headers"]))),
            _readable_text(body),
            _ending_text(pieces),
        )

    def _request_numbers(self) -> list[int]:
        names = (_FILE_NAME_PATTERN.fullmatch(path.name) for path in self._folder.glob("*.jsonl"))
        return sorted(int(name[1]) for name in names if name)

    def _exchange_path(self, number: int) -> Path:
        return self._folder / f"{number:04}.jsonl"

    def _read_lines(self, number: int, max_lines: int | None = None) -> list[dict[str, Any]]:
        """Return the JSON values in the file of a request, without an incomplete last line, or an empty list if it
        cannot be read.

        If `max_lines` is 1, only the first value is read.
        """
        try:
            with self._exchange_path(number).open(encoding="utf-8") as file:
                texts = [file.readline()] if max_lines == 1 else file.readlines()
                return [json.loads(text) for text in texts if text.endswith("\n")]
        except (OSError, ValueError):
            return []


def turn_count(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return how many turns of the user are in these messages. Messages without a text of the user do not count."""
    return sum(message["role"] == "user" and bool(user_texts(message)) for message in messages)


def user_texts(message: Mapping[str, Any]) -> list[str]:
    """Return what the user wrote in a message: its texts without the agent's notes to the model."""
    blocks = list_content_blocks(message["content"])
    return [block["text"] for block in blocks if block["type"] == "text" and not is_transition_prompt(block["text"])]


def is_transition_prompt(text: str) -> bool:
    """Return whether a text is a note of the agent to the model after a restore."""
    return text.startswith(FIRST_LINE_OF_TRANSITION_PROMPT)


def _turn_number(body: bytes) -> int:
    try:
        return turn_count(json.loads(body)["messages"])
    except (ValueError, LookupError, TypeError):
        return 0


def _piece_values(piece: Piece, url: str) -> dict[str, Any]:
    match piece:
        case Head():
            headers = select_response_headers(piece.headers, url)
            return {"at": piece.at, "status": piece.status, "headers": headers}
        case Chunk():
            return {"at": piece.at, "text": _decode_text(piece.data)}
        case Cut():
            return {"at": piece.at, "ending": f"the connection broke: {piece.kind}"}
        case _:
            return {"at": piece.at, "ending": "complete"}


def _ending_text(pieces: Sequence[Mapping[str, Any]]) -> str:
    if not pieces:
        return "no response arrived"
    last = pieces[-1]
    return f"{last.get('ending', 'not read to its end')}, after {last['at']:.3f} s"


def _header_lines(headers: Iterable[Sequence[str]]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers]


def _decode_text(data: bytes) -> str:
    return data.decode(*_LOSSLESS_TEXT_ENCODING)


def _readable_text(text: str) -> str:
    """Return a text in which bytes that are not UTF-8 are replacement characters."""
    return text.encode(*_LOSSLESS_TEXT_ENCODING).decode("utf-8", "replace")


def _json_line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":")) + "\n"


_LINES_BEFORE_RESPONSE = 2
"""The number of lines before the response: one with the turn, which can be read alone, and one with the request."""
