"""Applies faults that are written for server-sent events to the AWS event streams of Bedrock."""

from collections.abc import Iterable

from flag_harness.wire.aws_frames import FrameSplitter, frame_from_sse, sse_from_frame
from flag_harness.wire.grammar import EventSplitter
from flag_harness.wire.timeline import Chunk, Edit, Piece


class FrameEdit:
    """Applies an edit that was written for server-sent events to an AWS event stream, which sends each event in a
    binary frame.

    Frames of unchanged events are passed on byte for byte. If the edit sends half of an event, half of its frame is
    sent.
    """

    def __init__(self, edit: Edit) -> None:
        self._edit = edit
        self._frame_splitter, self._event_splitter = FrameSplitter(), EventSplitter()
        self._frames_by_event: dict[bytes, bytes] = {}
        self._is_over = False

    def __call__(self, piece: Piece) -> Iterable[Piece]:
        if self._is_over:
            return []
        if not isinstance(piece, Chunk):
            rest, self._frame_splitter.incomplete_frame = self._frame_splitter.incomplete_frame, b""
            out = self._encode_frames(self._edit(piece))
            return [*out[:-1], *chunk_if_nonempty(piece.at, rest), *out[-1:]] if rest else out
        events = []
        for frame in self._frame_splitter.feed(piece.data):
            event = sse_from_frame(frame)
            self._frames_by_event[event] = frame.raw
            events.append(event)
        return self._encode_frames(self._edit(Chunk(piece.at, b"".join(events)))) if events else []

    def _encode_frames(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Return the edited pieces with their events encoded as AWS frames."""
        out: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, Chunk):
                out += chunk_if_nonempty(
                    piece.at, b"".join(map(self._frame_of_event, self._event_splitter.feed(piece.data)))
                )
                continue
            torn, self._event_splitter.incomplete_event = self._event_splitter.incomplete_event, b""
            frame = frame_from_sse(torn) if torn else b""
            out += [*chunk_if_nonempty(piece.at, frame[: len(frame) // 2]), piece]
            self._is_over = True
        return out

    def _frame_of_event(self, event: bytes) -> bytes:
        """Return the AWS frame of an event: the original frame if the event is unchanged."""
        return self._frames_by_event.pop(event, b"") or frame_from_sse(event)


def chunk_if_nonempty(at: float, data: bytes) -> list[Piece]:
    """Return a list with one chunk of these bytes at the time `at`, or an empty list if there are no bytes."""
    return [Chunk(at, data)] if data else []
