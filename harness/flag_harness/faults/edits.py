"""Edits of answers: at one point of a stream, at every event, or in a body that is not a stream.

An edit leaves all other bytes unchanged. An edit at a point (such as `inside_text`) passes a stream on event by event,
because only the next complete event shows whether the point has been reached.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias

from flag_harness.faults import checks
from flag_harness.faults.fault import FaultEffect, FaultyRequest
from flag_harness.faults.frames import FrameEdit, chunk_if_nonempty
from flag_harness.wire.aws_frames import is_aws_stream
from flag_harness.wire.grammar import POINTS_BY_NAME, EventSplitter, StreamGap, StreamGapTracker, matching_point_names
from flag_harness.wire.timeline import Chunk, Cut, Edit, End, Head, Headers, Piece, header_value, is_stream

INSIDE_BODY = "inside_body"
"""The name of the only point of an answer that is not a stream: after half of its bytes."""
STREAM_POINTS = tuple(POINTS_BY_NAME)
ALL_POINTS = (*STREAM_POINTS, INSIDE_BODY)


@dataclass(frozen=True, slots=True)
class PointContext:
    """A point of a stream, and what a fault needs to know to change the stream there.

    Attributes:
        time: the time of the point, in seconds since the request was sent.
        next_event: the bytes of the event after the point; empty at the end of the stream.
        gap: the position of the point between two events of the stream.
        random: a random generator for this request.
    """

    time: float
    next_event: bytes
    gap: StreamGap
    random: Random


@dataclass(frozen=True, slots=True)
class StreamChange:
    """A change to a stream at a point.

    Attributes:
        replacement_pieces: the pieces to send instead of the next event. After an `End` or a `Cut`, the stream is over.
        later_delay: the seconds by which all later pieces are delayed.
        bytes_after_next_event: bytes to send only after the next event. If no event follows, the stream does not count
            as changed.
    """

    replacement_pieces: tuple[Piece, ...]
    later_delay: float = 0.0
    bytes_after_next_event: bytes = b""


StreamPointAction: TypeAlias = Callable[[PointContext], "StreamChange | None"]
"""A function that returns the change to make at a point of a stream, or None if it cannot change the stream there."""
BodyAction: TypeAlias = Callable[[bytes, float], tuple[Piece, ...] | None]
"""A function that receives a body and the time of its end. It returns the pieces to send instead, or None."""


class AnswerEdit:
    """Edits an answer with `stream` if it is a stream, or with `body` if it is not.

    Answers with an error status, and compressed answers, are left unchanged. If `only_sse` is true, AWS event streams
    are left unchanged too, because the edit changes something that only server-sent events have.
    """

    def __init__(
        self,
        request: FaultyRequest,
        *,
        stream_edit: Edit | None = None,
        body_edit: Edit | None = None,
        only_sse: bool = False,
    ) -> None:
        self._request, self._stream_edit, self._body_edit, self._only_sse = request, stream_edit, body_edit, only_sse
        self._chosen_edit: Edit | None = None

    def __call__(self, piece: Piece) -> Iterable[Piece]:
        if isinstance(piece, Head):
            return (self._edit_head(piece),)
        return (piece,) if self._chosen_edit is None else self._chosen_edit(piece)

    def _edit_head(self, head: Head) -> Head:
        """Choose the edit for the answer that begins with this head. Return the head for the edited answer.

        If the answer cannot be edited, store the reason, and return the head unchanged.
        """
        is_framed = is_aws_stream(head)
        is_streamed = is_stream(head) or is_framed
        encoding = header_value(head.headers, "content-encoding", "identity")
        if head.status != 200:
            self._request.store_reason_for_not_firing(f"the answer was {head.status}")
        elif encoding != "identity":
            self._request.store_reason_for_not_firing(f"the answer is compressed ({encoding})")
        elif (edit := self._stream_edit if is_streamed else self._body_edit) is None:
            self._request.store_reason_for_not_firing(f"the answer is {'a' if is_streamed else 'no'} stream")
        elif is_framed and self._only_sse:
            self._request.store_reason_for_not_firing("the answer is an AWS event stream, which has no lines of text")
        else:
            self._chosen_edit = FrameEdit(edit) if is_framed else edit
            return replace(head, headers=remove_headers(head.headers, "content-length"))
        return head


class StreamPointEdit:
    """Changes a stream once, when it reaches a point such as `inside_text` for the `occurrence`-th time."""

    def __init__(self, request: FaultyRequest, at: str, occurrence: int, make_change: StreamPointAction) -> None:
        self._request, self._point, self._make_change = request, at, make_change
        self._random = request.make_random("point")
        self._remaining_occurrences, self._occurrence = occurrence, occurrence
        self._event_splitter, self._gap_tracker = EventSplitter(), StreamGapTracker()
        self._reached_points: set[str] = set()
        self._delay, self._delayed_bytes, self._is_over = 0.0, b"", False

    def __call__(self, piece: Piece) -> Iterable[Piece]:
        if self._is_over:
            return ()
        if isinstance(piece, Chunk):
            return self._edit_chunk(piece)
        return self._edit_last_piece(piece)

    def _edit_chunk(self, chunk: Chunk) -> list[Piece]:
        """Return the pieces that replace a chunk: its events, with the change if the point is among them."""
        out: list[Piece] = []
        unchanged = b""
        for event in self._event_splitter.feed(chunk.data):
            change = self._stream_change_at(chunk.at, event)
            if change is None:
                unchanged += event + self._take_delayed_bytes()
                continue
            out += chunk_if_nonempty(chunk.at + self._delay, unchanged)
            out += self._apply_change(change)
            unchanged = b""
            if self._is_over:
                return out
        return out + chunk_if_nonempty(chunk.at + self._delay, unchanged)

    def _take_delayed_bytes(self) -> bytes:
        """Return the bytes that had to wait for the end of the next event, and count the answer as changed."""
        delayed, self._delayed_bytes = self._delayed_bytes, b""
        if delayed:
            self._request.mark_as_fired()
        return delayed

    def _edit_last_piece(self, piece: Piece) -> list[Piece]:
        """Return the pieces that replace the end of the stream. If the stream was never changed, store the reason."""
        if self._delayed_bytes:
            self._request.store_reason_for_not_firing(f"nothing came after the event at {self._point}")
        out = chunk_if_nonempty(piece.at + self._delay, self._delayed_bytes + self._event_splitter.incomplete_event)
        complete = isinstance(piece, End) and not piece.is_abandoned
        if complete and (change := self._stream_change_at(piece.at, b"")) is not None:
            out += self._apply_change(change)
        if self._remaining_occurrences and not is_client_disconnect(piece):
            self._request.store_reason_for_not_firing(self._reason_for_unchanged_stream())
        last = [] if self._is_over else [replace(piece, at=piece.at + self._delay)]
        self._is_over = True
        return out + last

    def _stream_change_at(self, time: float, event: bytes) -> StreamChange | None:
        """Return the change to make before `event`, or None if the point has not been reached often enough yet."""
        if not self._remaining_occurrences:
            return None
        gap = self._gap_tracker.advance(event) if event else self._gap_tracker.gap_after_last_event()
        names = matching_point_names(gap)
        self._reached_points.update(names)
        if (
            self._point not in names
            or (change := self._make_change(PointContext(time + self._delay, event, gap, self._random))) is None
        ):
            return None
        self._remaining_occurrences -= 1
        return None if self._remaining_occurrences else change

    def _apply_change(self, change: StreamChange) -> tuple[Piece, ...]:
        """Return the pieces of a change. Store its delay, and the bytes that must wait until after the next event."""
        if not change.bytes_after_next_event:
            self._request.mark_as_fired()
        self._delay += change.later_delay
        self._delayed_bytes = change.bytes_after_next_event
        self._is_over = bool(change.replacement_pieces) and isinstance(change.replacement_pieces[-1], (Cut, End))
        return tuple(piece for piece in change.replacement_pieces if not isinstance(piece, Chunk) or piece.data)

    def _reason_for_unchanged_stream(self) -> str:
        """Return why the stream was not changed: it did not reach the point, or not often enough."""
        if self._point in self._reached_points:
            return f"the stream came to {self._point} fewer than {self._occurrence} times where it could be changed"
        had = ", ".join(name for name in POINTS_BY_NAME if name in self._reached_points)
        return f"the stream never came to {self._point} (it came to {had or 'no point'})"


class EventEdit:
    """Changes every event of a stream.

    `missing_part` names what a stream lacks (such as `usage`) if none of its events could be changed.
    """

    def __init__(self, request: FaultyRequest, change_event: Callable[[bytes], bytes], missing_part: str) -> None:
        self._request, self._change_event, self._missing_part = request, change_event, missing_part
        self._event_splitter = EventSplitter()
        self._has_changed = False

    def __call__(self, piece: Piece) -> Iterable[Piece]:
        if isinstance(piece, Chunk):
            return chunk_if_nonempty(
                piece.at, b"".join(self._edit_event(event) for event in self._event_splitter.feed(piece.data))
            )
        if not self._has_changed and not is_client_disconnect(piece):
            self._request.store_reason_for_not_firing(f"the stream has no {self._missing_part}")
        rest, self._event_splitter.incomplete_event = self._event_splitter.incomplete_event, b""
        return [*chunk_if_nonempty(piece.at, rest), piece]

    def _edit_event(self, event: bytes) -> bytes:
        changed = self._change_event(event)
        if changed != event and not self._has_changed:
            self._has_changed = True
            self._request.mark_as_fired()
        return changed


class BodyEdit:
    """Collects the whole body of an answer that is not a stream, then changes it.

    `missing_part` names what a body lacks (such as `usage`) if it could not be changed.
    """

    def __init__(self, request: FaultyRequest, change_body: BodyAction, missing_part: str) -> None:
        self._request, self._change_body, self._missing_part = request, change_body, missing_part
        self._collected_pieces: list[Piece] = []

    def __call__(self, piece: Piece) -> Iterable[Piece]:
        self._collected_pieces.append(piece)
        if isinstance(piece, Chunk):
            return ()
        waiting, self._collected_pieces = self._collected_pieces, []
        if isinstance(piece, Cut) or is_client_disconnect(piece):
            return waiting
        body = b"".join(part.data for part in waiting if isinstance(part, Chunk))
        changed = self._change_body(body, piece.at)
        if changed is None:
            self._request.store_reason_for_not_firing(f"the body has no {self._missing_part}")
            return waiting
        self._request.mark_as_fired()
        return [piece for piece in changed if not isinstance(piece, Chunk) or piece.data]


class ChunkEdit:
    """Changes every chunk of a body, streamed or not. The fault counts as fired once a chunk has become different."""

    def __init__(self, request: FaultyRequest, change_chunk: Callable[[Chunk], list[Chunk]], missing_part: str) -> None:
        self._request, self._change_chunk, self._missing_part = request, change_chunk, missing_part
        self._has_changed = False
        self._time_of_last_chunk = 0.0

    def __call__(self, piece: Piece) -> Iterable[Piece]:
        if isinstance(piece, Head):
            return (piece,)
        if not isinstance(piece, Chunk):
            if not self._has_changed and not is_client_disconnect(piece):
                self._request.store_reason_for_not_firing(f"the body has no {self._missing_part}")
            return (replace(piece, at=max(piece.at, self._time_of_last_chunk)),)
        chunks = self._change_chunk(replace(piece, at=max(piece.at, self._time_of_last_chunk)))
        if chunks:
            self._time_of_last_chunk = chunks[-1].at
        if not self._has_changed and [one.data for one in chunks] != [piece.data]:
            self._has_changed = True
            self._request.mark_as_fired()
        return chunks


def is_client_disconnect(piece: Piece) -> bool:
    """Return whether a recorded response ends because the client stopped reading it."""
    return isinstance(piece, End) and piece.is_abandoned


def remove_headers(headers: Headers, *names: str) -> Headers:
    """Return the headers without those in `names`, which are given in lower case."""
    return tuple((name, value) for name, value in headers if name.lower() not in names)


def make_effect_at_point(
    at: str, occurrence: int, change_stream: StreamPointAction, change_body: BodyAction | None = None
) -> FaultEffect:
    """Return an effect that applies `change_stream` at the point `at` of a stream.

    If `at` is `inside_body`, the effect applies `change_body`, if it is given, to an answer that is not a stream.
    """
    checks.require_one_of("at", at, ALL_POINTS if change_body else STREAM_POINTS)
    checks.require_whole_number("occurrence", occurrence)

    def make_answer_edit(request: FaultyRequest) -> Edit:
        if change_body is not None and at == INSIDE_BODY:
            return AnswerEdit(request, body_edit=BodyEdit(request, change_body, "bytes"))
        return AnswerEdit(request, stream_edit=StreamPointEdit(request, at, occurrence, change_stream))

    return make_answer_edit
