"""The conversations of failed tests, in a file next to the run record: one line of JSON for each test."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from flag_harness.errors import RecordError
from flag_harness.files import read_regular_file, write_atomically

_MAX_CONVERSATION_FILE_BYTES = 1 << 30


class MessagePart(msgspec.Struct, frozen=True):
    """A part of a message.

    Attributes:
        role: `user`, `assistant`, `system`, `tools`, or another role of the request.
        kind: the type of the content block, such as `text`, `thinking` or `tool_use`.
        text: the text without secrets and personal data; it may be cut.
        characters: the length of the text before it was cut.
    """

    role: str
    kind: str
    text: str
    characters: int


class ConversationTurn(msgspec.Struct, frozen=True):
    """A request and its answer.

    Attributes:
        request: the parts of the messages that the previous request of the conversation did not contain.
        answer: the parts of the answer, as far as it arrived.
        ending: `end`, `abandoned` (the client stopped reading), `no answer`, or how the connection was cut.
    """

    request: tuple[MessagePart, ...]
    answer: tuple[MessagePart, ...]
    ending: str = "end"


class Conversation(msgspec.Struct, frozen=True):
    """The messages that a test sent and received. `case` is the test's node id."""

    case: str
    turns: tuple[ConversationTurn, ...]


def conversations_path(record: Path) -> Path:
    """Return the path of the conversations that belong to a run record: `run.conversations.jsonl` for `run.jsonl`."""
    return record.with_suffix(".conversations.jsonl")


def save_conversations(record: Path, conversations: Iterable[Conversation]) -> None:
    """Write the conversations next to the run record `record`. If there are none, remove the file of an earlier run.

    Raise `OSError` if that fails.
    """
    path = conversations_path(record)
    lines = [msgspec.json.encode(one) + b"\n" for one in sorted(conversations, key=lambda one: one.case)]
    if lines:
        write_atomically(path, b"".join(lines))
    else:
        path.unlink(missing_ok=True)


def load_conversations(*records: Path) -> Mapping[str, Conversation]:
    """Return the conversations that were saved next to run records, by the node id of the test.

    The result is empty if no conversations were saved. Raise `RecordError` if a file cannot be read.
    """
    return {
        one.case: one
        for path in map(conversations_path, records)
        if path.exists()
        for one in _load_conversation_file(path)
    }


def _load_conversation_file(path: Path) -> list[Conversation]:
    try:
        lines = read_regular_file(path, _MAX_CONVERSATION_FILE_BYTES).splitlines()
        return [msgspec.json.decode(line, type=Conversation) for line in lines if line]
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not the conversations of a run: {error}; delete it, or run pytest again") from None
