"""A cassette as a conversation: of each interaction what is new in its request, and what its answer says.

A request of a tool loop repeats everything before it. What is new is what no earlier request said and no earlier answer
did: the request is laid beside the one whose messages it goes on from.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from flag_harness import models
from flag_harness.analysis.metrics import first_token, model_of, stated_usage
from flag_harness.cassette import Cassette, Interaction
from flag_harness.cassette.match.matching import BETA_HEADER, betas
from flag_harness.wire.compression import uncompressed
from flag_harness.wire.message import Received, received
from flag_harness.wire.timeline import Cut, End
from flag_harness.wire.usage import Usage

_SAID = ("messages", "system", "tools")
"""Parts of a request that are shown as what is said, not as parameters."""
_UNMARKED = "cache_control"
"""Moves along as a conversation grows, and makes no message another one."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One interaction, for a reader.

    Attributes:
        number: its place in the cassette.
        method, path: of the request.
        follows: the interaction whose messages it goes on from, `None` where it begins anew.
        model: the one asked for; empty where the request names none.
        parameters: those of the body, and the betas, that the one it follows did not have, or had otherwise; `None`
            for one left out.
        said: `(role, content block)` of all that is new; the roles `system` and `tools` stand for those parts.
        answer: what came.
        ended: `end`, `abandoned`, or how the connection was cut.
        usage: tokens as stated, `None` where none are.
        cost: US dollars at list price, `None` where the usage or the price is not known.
        first_token: seconds to the first content of a stream. seconds: to the end.
    """

    number: int
    method: str
    path: str
    follows: int | None
    model: str
    parameters: Mapping[str, Any]
    said: tuple[tuple[str, Mapping[str, Any]], ...]
    answer: Received
    ended: str
    usage: Usage | None
    cost: float | None
    first_token: float | None
    seconds: float


def exchanges(cassette: Cassette) -> Iterator[Exchange]:
    """The interactions of a cassette, in their order."""
    met: dict[bytes, int] = {}
    answers: list[Received] = []
    for number, interaction in enumerate(cassette.interactions):
        body = interaction.value if isinstance(interaction.value, dict) else {}
        prefixes = _prefixes(_messages(body))
        common, follows = next(((count, met[key]) for count, key in reversed(prefixes) if key in met), (0, None))
        earlier = cassette.interactions[follows].value if follows is not None else {}
        new = _messages(body)[common:]
        if follows is not None and new and _repeats(new[0], answers[follows]):
            new = new[1:]
        answers.append(received(uncompressed(interaction.response)))
        met.update((key, number) for _, key in prefixes)
        said = (*_changed_parts(body, earlier), *_blocks(new), *_other(interaction, body))
        before = cassette.interactions[follows] if follows is not None else None
        parameters = _parameters(body, earlier) | _betas(interaction, before)
        yield _exchange(number, interaction, answers[-1], (follows, parameters, said))


def cost_at_list_price(model: str, usage: Usage | None) -> float | None:
    """US dollars for one answer; `None` where it states no usage, or no price is known."""
    return None if usage is None else models.shipped().find(model).cost(usage)


def ending(last: object) -> str:
    """How an answer ended: `end`, `abandoned`, or how the connection was cut."""
    if isinstance(last, Cut):
        return last.how
    return "abandoned" if isinstance(last, End) and last.abandoned else "end"


def days_since(recorded_at: str, now: datetime) -> int | None:
    """Whole days since a moment in ISO 8601; `None` where it is none."""
    try:
        moment = datetime.fromisoformat(recorded_at)
    except ValueError:
        return None
    return (now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))).days


def _exchange(
    number: int,
    interaction: Interaction,
    answer: Received,
    new: tuple[int | None, Mapping[str, Any], tuple[tuple[str, Mapping[str, Any]], ...]],
) -> Exchange:
    request, response, model = interaction.request, interaction.response, model_of(interaction.request)
    usage = stated_usage(answer)
    follows, parameters, said = new
    return Exchange(
        number=number,
        method=request.method,
        path=request.path,
        follows=follows,
        model=model,
        parameters=parameters,
        said=said,
        answer=answer,
        ended=ending(response[-1]),
        usage=usage,
        cost=cost_at_list_price(model, usage),
        first_token=first_token(response),
        seconds=response[-1].at,
    )


def _messages(body: Mapping[str, Any]) -> list[Any]:
    messages = body.get("messages")
    return messages if isinstance(messages, list) else []


def _prefixes(messages: Sequence[Any]) -> list[tuple[int, bytes]]:
    """How many messages, and what all of them say, for each beginning of a conversation; longest last."""
    found, parts = [], b""
    for count, message in enumerate(messages, 1):
        parts = _fingerprint(parts, message)
        found.append((count, parts))
    return found


def _fingerprint(before: bytes, message: Any) -> bytes:
    return blake2b(before + msgspec.json.encode(_comparable(message), order="sorted"), digest_size=16).digest()


def _comparable(value: Any) -> Any:
    """A message without what may change when it is sent again: cache marks, and a text's two ways of being written."""
    if isinstance(value, dict):
        members = {key: _comparable(member) for key, member in value.items() if key != _UNMARKED}
        if isinstance(members.get("content"), str):
            members["content"] = [{"type": "text", "text": members["content"]}]
        return members
    return [_comparable(member) for member in value] if isinstance(value, list) else value


def _repeats(message: Any, answer: Received) -> bool:
    """Whether a message is the answer, sent back: the same blocks of the same words; other members may be left out."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return False
    sent = [_words(block) for _, block in _blocks([message])]
    return sent == [_words(block) for block in answer.blocks]


def _words(block: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(block.get(key) for key in ("type", "text", "thinking", "name", "id", "input", "tool_use_id"))


def _blocks(messages: Iterable[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Role and block of each content block; what is no message of the API is a block of no known type."""
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else message
        for block in content if isinstance(content, list) else [content]:
            yield str(role or "?"), block if isinstance(block, dict) else _text(block)


def _text(value: Any) -> Mapping[str, Any]:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return {"type": "text", "text": text}


def _changed_parts(body: Mapping[str, Any], earlier: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    before = earlier if isinstance(earlier, dict) else {}
    for part in ("system", "tools"):
        value = body.get(part)
        if value is not None and _comparable(value) != _comparable(before.get(part)):
            yield from ((part, block) for _, block in _blocks([{"role": part, "content": value}]))


def _parameters(body: Mapping[str, Any], earlier: Any) -> dict[str, Any]:
    before = earlier if isinstance(earlier, dict) else {}
    changed = {key: value for key, value in body.items() if key not in _SAID and value != before.get(key)}
    return changed | {key: None for key in before if key not in body and key not in _SAID}


def _other(interaction: Interaction, body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A body that is not that of a Messages request, as it stands."""
    if not body and interaction.request.body:
        yield "body", {"type": "text", "text": interaction.request.body.decode("utf-8", "replace")}


def _betas(interaction: Interaction, earlier: Interaction | None) -> dict[str, Any]:
    asked = betas(interaction.request.headers)
    before = betas(earlier.request.headers) if earlier else ()
    return {} if asked == before else {BETA_HEADER: ",".join(asked) or None}
