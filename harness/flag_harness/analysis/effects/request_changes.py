"""Find the differences between requests, by JSON path.

Texts that repeat earlier answers, and ids that the API generated, do not count as differences.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from flag_harness.analysis.alignment import align_sequences
from flag_harness.cassette.match.excerpts import find_changed_words, make_excerpts, truncate
from flag_harness.cassette.redact.scan import redact_api_keys
from flag_harness.record.outline import API_ID_PATTERN
from flag_harness.wording import printable_text

ABSENT = "<absent>"
"""The value at a path that only the other one of two requests has."""

WHOLE_REQUESTS_PATH = "requests"
"""The `path` of a difference that consists of added or removed requests."""

LONG_VALUE_TEXT = "text"
"""Shown in a summary in place of a long value."""

VARIOUS_VALUES = "various"
"""Shown in a summary if the values are not the same in all changes."""

_MAX_SHOWN_VALUE_LENGTH = 60
_ALIGNMENT_KEYS = ("type", "name", "role", "id")
_MAX_ALIGNED_PAIRS = 250_000
"""The most pairs of items for which the best pairing of two lists is searched. Longer lists are paired by index."""
_MAX_LIST_LENGTH = 10_000
"""The most items of a list whose differences are listed one by one. Longer lists are one difference."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """The parts of a request that are compared: method, path, selected headers, and the JSON body."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: Any


@dataclass(frozen=True, slots=True)
class RequestDifference:
    """One difference between two requests. List indices in `path` are `[*]`. A missing value is `ABSENT`."""

    path: str
    old_value: Any
    new_value: Any


def simplify_requests(exchanges: Iterable[tuple[SentRequest, Sequence[Any]]]) -> Iterator[SentRequest]:
    """Yield the requests without texts that the API wrote, so that only what the agent wrote is compared.

    `exchanges` has each request with the content blocks of its answer, which are empty if they are unknown. A short
    mark replaces an assistant message that repeats an answer, and numbers in order of appearance replace the ids that
    the API generated.
    """
    numbers: dict[str, str] = {}
    texts: dict[str, str] = {}
    identities: list[list[tuple[str, str]]] = []
    for one, answer in exchanges:
        body = _replace_repeated_answers(_expand_texts_to_blocks(one.body), identities)
        yield SentRequest(one.method, one.path, one.headers, _replace_ids_by_numbers(body, numbers, texts))
        identities.append([*map(_block_identity, answer)])


def list_request_changes(before: SentRequest, after: SentRequest) -> list[RequestDifference]:
    """Return all differences between two requests: first of the endpoint, then of headers, then of the body."""
    changes = [
        *_compare_values({"endpoint": f"{before.method} {before.path}"}, {"endpoint": f"{after.method} {after.path}"})
    ]
    old, new = dict(before.headers), dict(after.headers)
    changes += (
        RequestDifference(f"header {name}", old.get(name, ABSENT), new.get(name, ABSENT))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )
    return [*changes, *_compare_values(before.body, after.body)]


def changes_by_path(
    before: Sequence[SentRequest], after: Sequence[SentRequest]
) -> Mapping[str, tuple[RequestDifference, ...]]:
    """Return the differences between the requests of two runs, by JSON path."""
    changes: dict[str, list[RequestDifference]] = {}
    if len(before) != len(after):
        changes[WHOLE_REQUESTS_PATH] = [RequestDifference(WHOLE_REQUESTS_PATH, len(before), len(after))]
    for one, other in align_requests(before, after):
        if one is not None and other is not None:
            for change in list_request_changes(one, other):
                changes.setdefault(change.path, []).append(change)
    return {path: tuple(found) for path, found in changes.items()}


def align_requests(
    before: Sequence[SentRequest], after: Sequence[SentRequest]
) -> Iterable[tuple[SentRequest | None, SentRequest | None]]:
    """Pair the requests of two runs of a test in order. A request without a partner is paired with None.

    Runs with the same number of requests are paired by index. Otherwise the pairing with the fewest differences is
    chosen, or pairing by index if there are very many requests.
    """
    if len(before) == len(after) or len(before) * len(after) > _MAX_ALIGNED_PAIRS:
        return zip_longest(before, after)
    costs = [[len(list_request_changes(one, other)) for other in after] for one in before]
    return [
        (None if i is None else before[i], None if j is None else after[j])
        for i, j in _cheapest_alignment(costs, len(before), len(after))
    ]


def format_value_in_one_line(value: Any) -> str:
    """Return a value as one line for a summary.

    Of a long text only the beginning is shown; any other long value is `text`.
    """
    if isinstance(value, str):
        return truncate(printable_text(redact_api_keys(value)), _MAX_SHOWN_VALUE_LENGTH)
    shown = repr(value)
    return shown if len(shown) <= _MAX_SHOWN_VALUE_LENGTH else LONG_VALUE_TEXT


def summarize_values(changes: Sequence[RequestDifference]) -> tuple[str, str]:
    """Return the old and the new value of several changes as texts; `various` if they are not the same in all changes.

    For long texts, return the words that all changes remove, and the words that all changes add.
    """
    if all(map(_is_long_text_change, changes)):
        first, *others = dict.fromkeys((change.old_value, change.new_value) for change in changes)
        words = _format_changed_words(*first)
        is_same = all(words == _format_changed_words(*pair) for pair in others)
        return words if is_same else (VARIOUS_VALUES, VARIOUS_VALUES)
    old_values, new_values = zip(*((change.old_value, change.new_value) for change in changes), strict=True)
    return _common_value_text(old_values), _common_value_text(new_values)


def _common_value_text(values: Sequence[Any]) -> str:
    """Return the text of all values, or `various` if they are not the same."""
    text = format_value_in_one_line(values[0])
    is_same = all(value == values[0] or format_value_in_one_line(value) == text for value in values)
    return text if is_same else VARIOUS_VALUES


def _is_long_text_change(change: RequestDifference) -> bool:
    """Return whether a change replaces one text by another, and the two are too long for a summary."""
    texts = [value for value in (change.old_value, change.new_value) if isinstance(value, str) and value != ABSENT]
    return len(texts) == 2 and max(map(len, texts)) > _MAX_SHOWN_VALUE_LENGTH


def _format_changed_words(before: str, after: str) -> tuple[str, str]:
    """Return the words that only the old text has, and those that only the new text has.

    The results look like `5 words: 'Name problems of style, too.'`, or `nothing`.
    """
    before, after = redact_api_keys(before), redact_api_keys(after)
    words = find_changed_words(before, after)
    old, new = words.short_quotes if words.recorded_words or words.sent_words else make_excerpts(before, after)
    return f"{words}: {old}", new


def _cheapest_alignment(costs: list[list[int]], rows: int, columns: int) -> list[tuple[int | None, int | None]]:
    """Return the pairing of two sequences in order that has the lowest sum of costs, as pairs of indices.

    `costs[row][column]` is the cost of a pair. Every item of the shorter sequence has a partner.
    """
    skip = max((max(line) for line in costs if line), default=0) + 1
    best: dict[tuple[int, int], tuple[int, tuple[int | None, int | None] | None]] = {(0, 0): (0, None)}
    for i in range(rows + 1):
        for j in range(columns + 1):
            options: list[tuple[int, tuple[int | None, int | None]]] = []
            if i and j:
                options.append((best[i - 1, j - 1][0] + costs[i - 1][j - 1], (i - 1, j - 1)))
            if i:
                options.append((best[i - 1, j][0] + skip, (i - 1, None)))
            if j:
                options.append((best[i, j - 1][0] + skip, (None, j - 1)))
            if options:
                best[i, j] = min(options, key=lambda option: option[0])
    pairs: list[tuple[int | None, int | None]] = []
    i, j = rows, columns
    while (step := best[i, j][1]) is not None:
        pairs.append(step)
        i, j = i - (step[0] is not None), j - (step[1] is not None)
    return pairs[::-1]


def _compare_values(before: Any, after: Any, path: str = "") -> Iterator[RequestDifference]:
    """Yield the differences between two JSON values that stand at `path`, with their paths."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys(), key=str):
            below = f"{path}.{key}" if path else str(key)
            if key not in before or key not in after:
                yield RequestDifference(below, before.get(key, ABSENT), after.get(key, ABSENT))
            else:
                yield from _compare_values(before[key], after[key], below)
    elif isinstance(before, list) and isinstance(after, list) and max(len(before), len(after)) <= _MAX_LIST_LENGTH:
        for one, other in _pair_list_items(before, after):
            yield from _compare_values(one, other, f"{path}[*]")
    elif type(before) is not type(after) or before != after:
        yield RequestDifference(path, before, after)


def _pair_list_items(before: list[Any], after: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield pairs of an item of `before` and an item of `after`. An added or removed item is paired with `ABSENT`."""
    if len(before) == len(after) or len(before) * len(after) > _MAX_ALIGNED_PAIRS:
        yield from zip_longest(before, after, fillvalue=ABSENT)
        return
    for old, new in align_sequences([*map(_alignment_key, before)], [*map(_alignment_key, after)]):
        yield ABSENT if old is None else before[old], ABSENT if new is None else after[new]


def _alignment_key(item: Any) -> str:
    """Return a key that an item of a list keeps if parts of it change, so that it can be found in the other list."""
    if isinstance(item, Mapping):
        return repr([item.get(key) for key in _ALIGNMENT_KEYS])
    return repr(item)


def _expand_texts_to_blocks(body: Any) -> Any:
    """Replace each content that is a string by an equal text block, because agents use a block only to add a cache
    mark.
    """
    if not isinstance(body, Mapping):
        return body
    blocks = dict(body)
    if isinstance(blocks.get("system"), str):
        blocks["system"] = [{"type": "text", "text": blocks["system"]}]
    if isinstance(blocks.get("messages"), list):
        blocks["messages"] = [
            {**message, "content": [{"type": "text", "text": message["content"]}]}
            if isinstance(message, Mapping) and isinstance(message.get("content"), str)
            else message
            for message in blocks["messages"]
        ]
    return blocks


def _replace_repeated_answers(body: Any, answers: Sequence[list[tuple[str, str]]]) -> Any:
    """Return a request body in which a short mark replaces each message that repeats an earlier answer.

    `answers` has the identities of the blocks of each earlier answer.
    """
    messages = body.get("messages") if isinstance(body, Mapping) else None
    if not isinstance(messages, list):
        return body
    return {**body, "messages": [_replace_repeated_answer(message, answers) for message in messages]}


def _replace_repeated_answer(message: Any, answers: Sequence[list[tuple[str, str]]]) -> Any:
    """Return a short mark in place of an assistant message that repeats an earlier answer; return other messages
    unchanged.

    The mark keeps the message's cache marks, and names the types of the answer's blocks that the message lacks.
    """
    if not isinstance(message, Mapping) or message.get("role") != "assistant":
        return message
    blocks = message.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
        return message
    own = [*map(_block_identity, blocks)]
    for keys in reversed(answers):
        if own == keys or (own and own == [key for key in keys if key in own]):
            left_out = sorted({key[0] for key in keys if key not in own})
            marks = [{"cache_control": block["cache_control"]} for block in blocks if "cache_control" in block]
            echo = f"<the answer without {', '.join(left_out)}>" if left_out else "<the answer>"
            return {"role": "assistant", "content": [echo, *marks]}
    return message


def _block_identity(block: Any) -> tuple[str, str]:
    """Return the type of a content block, and a text that is the same for all blocks with the same content."""
    if not isinstance(block, Mapping):
        return ("", repr(block))
    said = [block.get(key) for key in ("id", "text", "thinking", "data", "tool_use_id")]
    return (str(block.get("type")), repr(said))


def _replace_ids_by_numbers(value: Any, numbers: dict[str, str], texts: dict[str, str]) -> Any:
    """Return a value in which each id of the API is replaced by its number.

    `numbers` has these by id; new ids are added. `texts` has the result for each text so far, because each request of a
    conversation repeats those of the requests before it.
    """
    if isinstance(value, str):
        if (known := texts.get(value)) is None:
            known = API_ID_PATTERN.sub(lambda match: numbers.setdefault(match[0], f"<id {len(numbers) + 1}>"), value)
            texts[value] = known
        return known
    if isinstance(value, Mapping):
        return {key: _replace_ids_by_numbers(item, numbers, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_ids_by_numbers(item, numbers, texts) for item in value]
    return value
