"""All chats of one server, each with a file in the folder of sessions."""

import os
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from flag_harness.config import read_project_config
from flag_harness.errors import ContextError, HarnessError
from flag_harness.flag import SHIPPED_FLAGS, Flag
from flag_harness.matrix.combination import parse_combination
from flag_harness.reference.agent import Agent
from flag_harness.reference.context.store import find_repairs_of_saved_context, load_context
from flag_harness.reference.tools.bash import BashTool
from flag_harness.reference.tools.tool import Tool
from flag_harness.reference.ui.chat.approval import ApprovalGate, ToolWithApproval
from flag_harness.reference.ui.chat.exchanges import ExchangeFiles, user_texts
from flag_harness.reference.ui.chat.history import transcripts_of_context
from flag_harness.reference.ui.chat.recording import RecordedChat, read_recorded_chat
from flag_harness.reference.ui.chat.session import ChatSession
from flag_harness.reference.ui.chat.upstreams import make_client
from flag_harness.reference.ui.options import UiOptions
from flag_harness.transports.clock import SystemClock

_CHAT_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MAX_LABEL_CHARACTERS = 40
_MAX_TOOL_CALL_SECONDS = 24 * 3600.0
"""The seconds that a tool call may take, including the wait for the user's approval. Bash has a limit of its own."""


def new_chat_id() -> str:
    """Return an id that no other session has."""
    return secrets.token_hex(6)


def is_chat_id(text: str) -> bool:
    """Return whether a text can be the id of a session, and so a file name: only letters, digits, `_` and `-`."""
    return _CHAT_ID_PATTERN.fullmatch(text) is not None


class ChatDirectory:
    """The chats of a server by their ids.

    `environ` is the environment of the first turn of each chat. A saved session starts with the flags that it had, and
    a session that a cassette answers with the flags of the recording.
    """

    def __init__(self, options: UiOptions, environ: Mapping[str, str]) -> None:
        self.options = options
        self._environ = dict(environ)
        self._chats: dict[str, ChatSession] = {}
        self._lock = threading.Lock()

    def open(self, id: str, environ: Mapping[str, str] | None = None) -> ChatSession:
        """Return the chat with this id, restored from its file if there is one. A new chat starts with `environ`.

        A file that cannot be restored is renamed, and the chat says so. Raise `HarnessError` if the upstream cannot be
        opened, or if that file cannot be renamed.
        """
        with self._lock:
            if id not in self._chats:
                self._chats[id] = self._make_chat(id, self._environ if environ is None else environ)
            return self._chats[id]

    def saved_chat_ids(self) -> list[str]:
        """Return the ids of the saved sessions, the latest first."""
        files = {path: path.stat().st_mtime for path in self.options.folder_path.glob("*.json")}
        return [path.stem for path in sorted(files, key=files.__getitem__, reverse=True) if is_chat_id(path.stem)]

    def describe_saved_chat(self, id: str) -> str:
        """Return a label of a saved session: when it was saved, its first prompt, and its id."""
        path = self.options.folder_path / f"{id}.json"
        try:
            saved_at = path.stat().st_mtime
        except OSError:
            return id
        date = datetime.fromtimestamp(saved_at).astimezone().strftime("%Y-%m-%d %H:%M")
        prompt = " ".join(_first_prompt(path, saved_at).split())
        return f"{date} · {prompt[:_MAX_LABEL_CHARACTERS] or 'not readable'} · {id}"

    def _make_chat(self, id: str, first_environ: Mapping[str, str]) -> ChatSession:
        folder = self.options.folder_path
        path = folder / f"{id}.json"
        exchanges = ExchangeFiles(folder / f"{id}.requests")
        client = make_client(self.options, id, exchanges)
        notices = _session_file_notices(path)
        environ, clock, gate = dict(first_environ), SystemClock(), ApprovalGate(is_on=self.options.asks_before_tools)
        recorded, tools, description = RecordedChat(), list[Tool](), ""
        if self.options.upstream == "cassette":
            recorded = read_recorded_chat(Path(self.options.file))
            tools += recorded.tools
            description = recorded.description
        else:
            tools.append(ToolWithApproval(BashTool(directory=folder / f"{id}.files", environ=environ), gate))
        arguments: dict[str, Any] = {
            "clock": clock,
            "environ": environ,
            "model": self.options.model or recorded.model,
            "system": recorded.system,
            "tools": tools,
            "context_path": path,
            "tool_timeout": _MAX_TOOL_CALL_SECONDS,
        }
        agent = Agent.restore(path, client, **arguments) if path.exists() else Agent(client, **arguments)
        _set_first_flags(environ, agent.context.combination, recorded.combination)
        return ChatSession(
            agent,
            environ,
            clock=clock,
            gate=gate,
            tools=tools,
            path=path,
            turns=transcripts_of_context(agent.context, exchanges.request_numbers_by_turn()),
            exchanges=exchanges,
            notices=notices,
            description=description,
            recorded_combination=recorded.combination,
        )


def _set_first_flags(environ: dict[str, str], saved_combination: str | None, recorded_combination: str) -> None:
    """Set the flags of a chat's first turn in `environ`: those of the saved session, or else those of the cassette.

    `saved_combination` and `recorded_combination` are the ids of these combinations; `saved_combination` is None if the
    chat has no saved session.
    """
    if saved_combination is not None:
        _set_flags(environ, SHIPPED_FLAGS, saved_combination)
    else:
        _set_flags(environ, [*read_project_config()[1].flags, *SHIPPED_FLAGS], recorded_combination)


def _set_flags(environ: dict[str, str], flags: Iterable[Flag], combination: str) -> None:
    """Set the variables of `flags` in an environment to the values in `combination`.

    Do nothing if `combination` is empty or names a flag that is not in `flags`. If two flags have the same variable or
    name, the first one counts.
    """
    kept: list[Flag] = []
    for flag in flags:
        if not any(flag.name == one.name or (flag.env and flag.env == one.env) for one in kept):
            kept.append(flag)
    if (parsed := parse_combination(kept, combination)) is not None:
        for name, text in parsed.environ.items():
            environ.pop(name, None) if text is None else environ.update({name: text})


@lru_cache(maxsize=1024)
def _first_prompt(path: Path, saved_at: float) -> str:
    """Return the first text of the user in a session file, or an empty string.

    `saved_at` is the file's modification time; the result is cached until it changes.
    """
    try:
        messages = load_context(path).messages
    except ContextError:
        return ""
    return next((text for message in messages if message["role"] == "user" for text in user_texts(message)), "")


def _session_file_notices(path: Path) -> list[str]:
    """Return notices about a session file: its repairs, or the new name of a file that cannot be restored."""
    if not os.path.lexists(path):
        return []
    try:
        repairs = find_repairs_of_saved_context(path)
    except ContextError as error:
        aside = _rename_broken_file(path)
        return [
            f"The saved conversation cannot be restored: {error}. "
            f"It was renamed to {aside}; this is a new conversation."
        ]
    return [f"Repaired after an interruption, and the model will be told: {repair}." for repair in repairs]


def _rename_broken_file(path: Path) -> Path:
    """Rename a file to the first free name `NAME.broken`, `NAME.broken-2`, ..., and return the new path."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.broken{f'-{number}' if number > 1 else ''}")):
        number += 1
    try:
        path.rename(aside)
    except OSError as error:
        raise HarnessError(
            f"{path} cannot be restored, and cannot be renamed to {aside}: {error.strerror}; move it away, then reload"
        ) from None
    return aside
