"""Split a body into its texts, each of which has its position in the body.

A JSON body has a text for each string, key and number. A stream has the texts of its events, and one joined text for
the deltas (fragments) of each content block. Any other body is one text.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from flag_harness.wire.json import MAX_JSON_NESTING
from flag_harness.wire.json_paths import join_json_paths

LOSSLESS_UTF8 = ("utf-8", "surrogateescape")
"""The encoding and error handler with which any bytes can be decoded, and encoded back without a change."""

_API_WORDS_SEPARATED_BY_SPACES = """
advisor_tool_result assistant base64 bash_code_execution_tool_result cache_control cache_creation
cache_creation_input_tokens cache_read_input_tokens caller citation citations citations_delta code compaction
compaction_delta container content content_block content_block_delta content_block_start content_block_stop
context_management data delta details direct document end_turn ephemeral ephemeral_1h_input_tokens
ephemeral_5m_input_tokens error event id image index inference_geo input input_json_delta input_tokens iterations
max_tokens mcp_tool_result mcp_tool_use message message_delta message_start message_stop messages model
model_context_window_exceeded name output_tokens output_tokens_details partial_json pause_turn ping
redacted_thinking refusal request_id role server_tool_use service_tier signature signature_delta source stop_details
stop_reason stop_sequence system text text_delta text_editor_code_execution_tool_result thinking thinking_delta
thinking_tokens tool_result tool_search_tool_result tool_use tool_use_id tools type usage user web_fetch_tool_result
web_search_requests web_search_tool_result
"""
_API_WORDS = frozenset(_API_WORDS_SEPARATED_BY_SPACES.split())
"""Words of the API's own format, never redacted, because a response would be invalid without them."""
_API_WORD_MEMBERS = ("type", "role", "stop_reason")

GROWING_MEMBERS = frozenset(
    ("arguments", "completion", "content", "delta", "reasoning_content", "response", "text", "thinking")
)
"""The JSON members in which the events of other APIs have the next part of a text."""

_JSON_TOKEN_PATTERN = re.compile(
    r'[ \t\r\n]*+(?:(?P<mark>[{}\[\],:])|"(?P<string>(?>[^"\\]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+)'
    r'(?P<close>"|(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z)|(?P<number>-?[0-9][0-9.eE+-]*)'
    r"|(?P<word>true|false|null|(?:t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?|-)\Z)|(?P<end>\Z))"
)
_STREAM_LINE_PATTERN = re.compile(r"[^\r\n]+")
_STREAM_FIELD_PATTERN = re.compile(r"(?:(event|data|id|retry)?: ?)?")
_SURROGATE_PATTERN = re.compile("[\ud800-\udfff]")

PartKind = Literal["plain", "key", "string", "number"]


@dataclass(frozen=True, slots=True)
class BodyPart:
    """The characters of a body from `start` to `stop`, and the `value` that they encode. `encoding` says how.

    `path` is the JSON path of the value. If `is_fixed`, the part belongs to the API's own format and is never edited.
    """

    start: int
    stop: int
    value: str
    encoding: PartKind = "plain"
    path: str = ""
    is_fixed: bool = False

    def encode_value(self, value: str) -> str:
        """Encode a new value in the same way as this part's value.

        In place of a number, the result is 0, which is a number, too.
        """
        if self.encoding in ("key", "string"):
            quoted = json.dumps(value, ensure_ascii=False)[1:-1]
            return _SURROGATE_PATTERN.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
        return "0" if self.encoding == "number" else value

    def to_body_text(self, *document_paths: str) -> "BodyText":
        """Return the part as a `BodyText`, with a JSON path for each of `document_paths`.

        These are the paths of the text in which the part's document is contained. Without them, the part has only the
        path in its document. A key has no path.
        """
        paths = tuple(join_json_paths(prefix, self.path) for prefix in document_paths or ("",))
        return BodyText((self,), () if self.encoding == "key" else paths, self.path or "body")


@dataclass(frozen=True, slots=True)
class BodyText:
    """One text of a body, and its position in the body.

    `paths` are its JSON paths: the one in the assembled message first, then that in the stream's event. `location`
    describes for people where the text is. `is_json` is True for JSON inside JSON, such as the input of a tool. If the
    text is joined from deltas (fragments) of the content block `block_index`, `delta_indices` has the indices of these.
    """

    parts: tuple[BodyPart, ...]
    paths: tuple[str, ...] = ()
    location: str = ""
    is_json: bool = False
    delta_indices: tuple[int, ...] = ()
    block_index: int = 0

    @property
    def value(self) -> str:
        """The decoded text, joined from its parts."""
        return "".join(part.value for part in self.parts)

    def describe_location(self, start: int, stop: int) -> str:
        """Return a description, such as `delta 3-4 of block 0`, of where in the body the characters from `start` to
        `stop` are.
        """
        if not self.delta_indices:
            return self.location
        touched, position = [], 0
        for part, delta in zip(self.parts, self.delta_indices, strict=True):
            if position < stop and position + len(part.value) > start:
                touched.append(delta)
            position += len(part.value)
        return f"delta {touched[0]}{f'-{touched[-1]}' if touched[-1] != touched[0] else ''} of block {self.block_index}"


def body_texts(body: str) -> list[BodyText]:
    """Return all texts of a body, which may be JSON, an event stream, or anything else."""
    is_lines = _is_json_lines(body)
    if not is_lines and (parts := parse_json_parts(body)) is not None:
        return [part.to_body_text() for part in parts]
    if is_lines or _has_json_events(body):
        return list(_stream_texts(body))
    return [BodyText((BodyPart(0, len(body), body),), location="body")] if body else []


def parse_json_parts(text: str, start: int = 0, stop: int | None = None) -> list[BodyPart] | None:
    """Return the strings, keys and numbers of a JSON document, which may be incomplete.

    Only the characters from `start` to `stop` are read. Return None if they are not JSON, or nested deeper than
    `MAX_JSON_NESTING`.
    """
    stop = len(text) if stop is None else stop
    if not text[start:stop].lstrip().startswith(("{", "[", '"')):
        return None
    tracker, parts, position = _PathTracker(), [], start
    while position < stop:
        if (token := _JSON_TOKEN_PATTERN.match(text, position, stop)) is None:
            return None
        if part := tracker.read_token(token):
            parts.append(part)
        if tracker.depth > MAX_JSON_NESTING:
            return None
        position = token.end()
    return parts


class _PathTracker:
    """Keeps track of the JSON path while the tokens of a JSON document are read one by one."""

    def __init__(self) -> None:
        self._steps: list[str | int] = []  # the key or the index in each open container
        self._prefix: str | None = None  # the path of the innermost container, once it is needed
        self._expects_key = False

    @property
    def depth(self) -> int:
        """The number of objects and lists that have begun and not ended."""
        return len(self._steps)

    def read_token(self, token: re.Match[str]) -> BodyPart | None:
        """Read the next token of the JSON; return the string, key or number that it is, or None for punctuation."""
        kind = token.lastgroup if token.lastgroup != "close" else "string"
        if kind == "mark":
            self._read_punctuation(token["mark"])
        if kind == "number":
            return BodyPart(
                *token.span("number"), token["number"], "number", self._current_path(), self._current_key() == "index"
            )
        return self._body_part_of_string(token) if kind == "string" else None

    def _body_part_of_string(self, token: re.Match[str]) -> BodyPart:
        value = json.loads(f'"{token["string"]}"', strict=False)
        fixed = value in _API_WORDS and (self._expects_key or self._current_key() in _API_WORD_MEMBERS)
        if self._expects_key:
            self._steps[-1] = value
        return BodyPart(
            *token.span("string"), value, "key" if self._expects_key else "string", self._current_path(), fixed
        )

    def _read_punctuation(self, mark: str) -> None:
        """Update the JSON path for a bracket, comma or colon."""
        if mark in "{[}]":
            self._prefix = None
        if mark in "{[":
            self._steps.append("" if mark == "{" else 0)
        elif mark in "}]" and self._steps:
            self._steps.pop()
        elif mark == "," and self._steps and isinstance(self._steps[-1], int):
            self._steps[-1] += 1
        self._expects_key = mark in "{," and bool(self._steps) and isinstance(self._steps[-1], str)

    def _current_key(self) -> str | int:
        return self._steps[-1] if self._steps else ""

    def _current_path(self) -> str:
        if not self._steps:
            return ""
        if self._prefix is None:
            self._prefix = "".join(map(_format_path_step, self._steps[:-1]))
        return (self._prefix + _format_path_step(self._steps[-1])).removeprefix(".")


def _format_path_step(step: str | int) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{step}"


def _has_json_events(body: str) -> bool:
    """Return whether a body is an event stream with JSON."""
    lines = _STREAM_LINE_PATTERN.finditer(body)
    return any(line[0].startswith("data:") and _json_parts_of_event(body, line) is not None for line in lines)


def _is_json_lines(body: str) -> bool:
    """Return whether a body has several lines, each of which is a JSON object."""
    if not body.startswith("{") or "\n{" not in body:
        return False
    lines = _STREAM_LINE_PATTERN.finditer(body)
    return all(line[0].startswith("{") and _json_parts_of_event(body, line) is not None for line in lines)


def _json_parts_of_event(body: str, line: re.Match[str]) -> list[BodyPart] | None:
    """Return the strings, keys and numbers in a line `data: {...}` or `{...}`. Return None for any other line."""
    if not line[0].startswith(("data:", "{")):
        return None
    return parse_json_parts(body, line.start() + (len("data:") if line[0][0] == "d" else 0), line.end())


def _stream_texts(body: str) -> Iterator[BodyText]:
    """Yield the texts of each event of a stream, then the joined deltas of each content block."""
    assembled: dict[tuple[int, str], list[tuple[BodyPart, int]]] = {}
    growing: dict[str, list[tuple[BodyPart, int]]] = {}
    counts: dict[int, int] = {}
    number = -1
    for line in _STREAM_LINE_PATTERN.finditer(body):
        if (parts := _json_parts_of_event(body, line)) is None:
            yield from _texts_of_line(line)
            continue
        number += 1
        event: dict[str, Any] = {part.path: part.value for part in parts if part.encoding != "key"}
        block = int(event.get("index", "0")) if event.get("index", "0").isdecimal() else 0
        is_delta = event.get("type") == "content_block_delta"
        for part in parts:
            if is_delta and (name := _name_in_delta(part)):
                assembled.setdefault((block, name), []).append((part, counts.get(block, 0)))
            elif not part.is_fixed:
                text = part.to_body_text()
                paths = (_path_in_assembled_message(part.path, event.get("type", ""), block), *text.paths)
                yield replace(text, paths=paths if text.paths else (), location=f"event {number} {part.path}")
                if part.encoding == "string" and part.path.rpartition(".")[2] in GROWING_MEMBERS:
                    growing.setdefault(part.path, []).append((part, number))
        counts[block] = counts.get(block, 0) + is_delta
    for (block, name), found in assembled.items():
        is_json = name == "partial_json"
        path = f"content[{block}].{'input' if is_json else name}"
        yield BodyText(
            tuple(part for part, _ in found),
            (path, f"delta.{name}"),
            is_json=is_json,
            delta_indices=tuple(delta for _, delta in found),
            block_index=block,
        )
    for found in growing.values():
        yield BodyText(tuple(part for part, _ in found), delta_indices=tuple(number for _, number in found))


def _name_in_delta(part: BodyPart) -> str:
    """Return the name of the delta's member whose value is this string, or an empty string if the part is no such
    value.
    """
    name = part.path.removeprefix("delta.")
    is_member = part.encoding == "string" and name != part.path and name.isidentifier() and not part.is_fixed
    return name if is_member else ""


def _texts_of_line(line: re.Match[str]) -> Iterator[BodyText]:
    """Yield the text of one line of a stream, if it has any. The line is without JSON, such as a comment or an id."""
    field = _STREAM_FIELD_PATTERN.match(line[0])
    start = line.start() + (field.end() if field else 0)
    value = line.string[start : line.end()]
    if value and value not in _API_WORDS:
        yield BodyText((BodyPart(start, line.end(), value),), location="stream")


def _path_in_assembled_message(path: str, event: str, block: int) -> str:
    """Return the path that a value of a stream event has in the assembled message.

    `path` is its path in the event, `event` the type of the event, and `block` the index of the content block.
    """
    first, _, rest = path.partition(".")
    if first == "content_block" or (first == "delta" and event == "content_block_delta"):
        return f"content[{block}].{rest}"
    return rest if first in ("message", "delta") else path
