"""Show a cassette as a conversation: for each interaction, what is new in its request, and its answer.

In a tool loop each request repeats the earlier messages. To find what is new, a request is compared with the earlier
request whose messages it continues.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from flag_harness import models
from flag_harness.analysis.metrics import seconds_to_first_token, usage_of_answer
from flag_harness.cassette import Cassette, Interaction
from flag_harness.cassette.match.matching import BETA_HEADER, beta_features, decode_comparable_body
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.message import ParsedResponse, parse_response
from flag_harness.wire.timeline import Cut, End
from flag_harness.wire.usage import Usage

_CONTENT_KEYS = ("messages", "system", "tools")
"""The keys of a request whose values are shown as content. All other keys are shown as parameters."""
_CACHE_MARK_KEY = "cache_control"
"""This key is ignored in comparisons, because cache marks move as a conversation grows."""
_HASH_BYTES = 16
_MAX_COMPARED_TEXT = 1 << 20
"""The longest text in characters that is compared as a whole. For longer texts, hashes are compared."""


@dataclass(frozen=True, slots=True)
class ConversationStep:
    """One interaction, prepared for display.

    Attributes:
        index: the index of the interaction in the cassette.
        method, path: the method and path of the request.
        continued_index: the index of the interaction whose messages the request continues, or None.
        model: the requested model, or an empty string.
        parameters: parameters and betas that are new or changed since `continued_index`; None for one that was removed.
        new_content: a pair of role and content block for each new block; roles include `system` and `tools`.
        answer: the parsed answer.
        answer_ending: `end`, `abandoned`, or how the connection was cut.
        usage: the tokens that the answer reports, or None.
        cost: US dollars at list price, or None if the usage or price is not known.
        first_token: seconds to the first content of a stream, or None.
        seconds: seconds to the end of the answer.
    """

    index: int
    method: str
    path: str
    continued_index: int | None
    model: str
    parameters: Mapping[str, Any]
    new_content: tuple[tuple[str, Mapping[str, Any]], ...]
    answer: ParsedResponse
    answer_ending: str
    usage: Usage | None
    cost: float | None
    first_token: float | None
    seconds: float


def conversation_steps(cassette: Cassette) -> Iterator[ConversationStep]:
    """Yield one step for each interaction of a cassette: what is new in its request, and its answer."""
    first_seen: dict[bytes, int] = {}
    answers: list[ParsedResponse] = []
    previous: Mapping[str, Any] = {}
    for number, interaction in enumerate(cassette.interactions):
        body = _decode_request_body(interaction)
        prefixes = _prefix_hashes(_message_list(body))
        common, follows = next(
            ((count, first_seen[key]) for count, key in reversed(prefixes) if key in first_seen), (0, None)
        )
        before = cassette.interactions[follows] if follows is not None else None
        earlier = previous if follows == number - 1 else _decode_request_body(before) if before else {}
        new = _message_list(body)[common:]
        if follows is not None and new and _is_repeat_of_answer(new[0], answers[follows]):
            new = new[1:]
        answers.append(parse_response(decompress_response(interaction.response)))
        first_seen.update((key, number) for _, key in prefixes)
        new_content = (
            *_new_system_and_tool_blocks(body, earlier),
            *_blocks_with_roles(new),
            *_text_block_of_invalid_body(interaction, body),
        )
        parameters = _find_parameter_changes(body, earlier) | _find_beta_changes(interaction, before)
        previous = body
        yield _build_conversation_step(
            number, interaction, answers[-1], (follows, body.get("model"), parameters, new_content)
        )


def cost_at_list_price(model: str, usage: Usage | None) -> float | None:
    """Return the cost of an answer of this model in US dollars, or None if the usage is None or a price is
    not known.
    """
    return None if usage is None else models.load_model_table().find(model).cost(usage)


def describe_answer_ending(last_piece: object) -> str:
    """Return how an answer ended, given its last piece: `end`, `abandoned` (the client stopped reading), or how it was
    cut.
    """
    if isinstance(last_piece, Cut):
        return last_piece.kind
    return "abandoned" if isinstance(last_piece, End) and last_piece.is_abandoned else "end"


def _build_conversation_step(
    index: int,
    interaction: Interaction,
    answer: ParsedResponse,
    new_parts: tuple[int | None, Any, Mapping[str, Any], tuple[tuple[str, Mapping[str, Any]], ...]],
) -> ConversationStep:
    """Return an interaction, prepared for display.

    `index` is its index. `new_parts` has the index of the interaction that it continues (or None), the requested model,
    the changed parameters, and the new content blocks with their roles.
    """
    request, response = interaction.request, interaction.response
    usage = usage_of_answer(answer)
    follows, asked_model, parameters, new_content = new_parts
    model = asked_model if isinstance(asked_model, str) else ""
    return ConversationStep(
        index=index,
        method=request.method,
        path=request.path,
        continued_index=follows,
        model=model,
        parameters=parameters,
        new_content=new_content,
        answer=answer,
        answer_ending=describe_answer_ending(response[-1]),
        usage=usage,
        cost=cost_at_list_price(model, usage),
        first_token=seconds_to_first_token(response),
        seconds=response[-1].at,
    )


def _decode_request_body(interaction: Interaction) -> Mapping[str, Any]:
    """Return the JSON object in a request's body, or an empty dict.

    The result is not cached, because bodies may be large.
    """
    value = decode_comparable_body(interaction.request.body)
    return value if isinstance(value, dict) else {}


def _message_list(body: Mapping[str, Any]) -> list[Any]:
    """Return the messages of a request, or an empty list if the body has no list of messages."""
    messages = body.get("messages")
    return messages if isinstance(messages, list) else []


def _prefix_hashes(messages: Sequence[Any]) -> list[tuple[int, bytes]]:
    """Return `(length, hash)` for each prefix of a conversation: the first message, the first two messages,
    and so on.
    """
    found, parts = [], b""
    for count, message in enumerate(messages, 1):
        parts = _conversation_hash(parts, message)
        found.append((count, parts))
    return found


def _conversation_hash(hash_before: bytes, message: Any) -> bytes:
    """Return the hash of a conversation.

    `hash_before` is the hash of all messages but the last, and `message` is the last.
    """
    content = msgspec.json.encode(_comparable_message(message), order="sorted")
    return blake2b(hash_before + content, digest_size=_HASH_BYTES).digest()


def _comparable_message(value: Any) -> Any:
    """Return a message in a form for comparison: without cache marks, with text blocks for strings, with huge texts
    hashed.
    """
    if isinstance(value, dict):
        members = {key: _comparable_message(member) for key, member in value.items() if key != _CACHE_MARK_KEY}
        if isinstance(members.get("content"), str):
            members["content"] = [{"type": "text", "text": members["content"]}]
        return members
    if isinstance(value, str) and len(value) > _MAX_COMPARED_TEXT:
        return _text_hash(value)
    return [_comparable_message(member) for member in value] if isinstance(value, list) else value


def _text_hash(text: str) -> str:
    """Return a hash of a text. A huge text is encoded piece by piece to save memory."""
    total = blake2b(digest_size=_HASH_BYTES)
    for start in range(0, len(text), _MAX_COMPARED_TEXT):
        total.update(text[start : start + _MAX_COMPARED_TEXT].encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def _is_repeat_of_answer(message: Any, answer: ParsedResponse) -> bool:
    """Return whether a message repeats an earlier answer: it has the same blocks with the same texts.

    Other keys of the blocks may differ.
    """
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return False
    sent = [_comparable_block_values(block) for _, block in _blocks_with_roles([message])]
    return sent == [_comparable_block_values(block) for block in answer.blocks]


def _comparable_block_values(block: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return those values of a content block that must be equal if a message repeats it."""
    return tuple(block.get(key) for key in ("type", "text", "thinking", "name", "id", "input", "tool_use_id"))


def _blocks_with_roles(messages: Iterable[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield `(role, content block)` for each block of the messages. A message that is a string has one text block."""
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else message
        for block in content if isinstance(content, list) else [content]:
            yield str(role or "?"), block if isinstance(block, dict) else _to_text_block(block)


def _to_text_block(value: Any) -> Mapping[str, Any]:
    """Return a text block for a string. For any other value the block has the value's JSON text."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return {"type": "text", "text": text}


def _new_system_and_tool_blocks(
    body: Mapping[str, Any], earlier_body: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the blocks of `system` and `tools` that the request `earlier_body` does not have, each as (`system` or
    `tools`, block).
    """
    for part in ("system", "tools"):
        value = body.get(part)
        if value is not None and _comparable_message(value) != _comparable_message(earlier_body.get(part)):
            yield from ((part, block) for _, block in _blocks_with_roles([{"role": part, "content": value}]))


def _find_parameter_changes(body: Mapping[str, Any], earlier_body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are new or changed since the request `earlier_body`.

    A removed parameter has the value None.
    """
    changed = {key: value for key, value in body.items() if key not in _CONTENT_KEYS and value != earlier_body.get(key)}
    return changed | {key: None for key in earlier_body if key not in body and key not in _CONTENT_KEYS}


def _text_block_of_invalid_body(
    interaction: Interaction, body: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the request's body as a text block with its role, if it is not a JSON object. Otherwise yield nothing."""
    if not body and interaction.request.body:
        yield "body", {"type": "text", "text": interaction.request.body.decode("utf-8", "replace")}


def _find_beta_changes(interaction: Interaction, earlier: Interaction | None) -> dict[str, Any]:
    """Return `{"anthropic-beta": value}` if this header changed since the earlier request, else an empty dict."""
    asked = beta_features(interaction.request.headers)
    before = beta_features(earlier.request.headers) if earlier else ()
    return {} if asked == before else {BETA_HEADER: ",".join(asked) or None}
