"""Differences between two requests, by path. Texts that repeat earlier answers, and ids that the API generated, do not
count as differences.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from flag_harness.analysis.alignment import align_sequences
from flag_harness.cassette.match.excerpts import find_changed_words, make_excerpts, truncate
from flag_harness.cassette.redact.scan import redact_api_keys
from flag_harness.record.outline import API_ID_PATTERN
from flag_harness.wording import printable_text

ABSENT = "<absent>"
"""Stands for the missing value if only one of two requests has a path."""

WHOLE_REQUESTS_PATH = "requests"
"""The `path` of a change that adds or removes whole requests."""

LONG_VALUE_TEXT = "text"
"""Stands for a long value in a summary."""

VARIOUS = "various"
"""Stands in a summary for values that differ between changes."""

_MAX_SHOWN_VALUE_LENGTH = 60
_ALIGNMENT_KEYS = ("type", "name", "role", "id")
_MAX_ALIGNED_PAIRS = 250_000
"""Lists that form more pairs of items than this are paired by index, to save time."""
_MAX_LIST_LENGTH = 10_000
"""Two lists that differ are one change if either has more items than this."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request in the form that is compared: method, path, selected headers, and the JSON body."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: Any


@dataclass(frozen=True, slots=True)
class RequestDifference:
    """One difference between two requests. List indices in `path` are `[*]`; a missing value is `ABSENT`."""

    path: str
    before: Any
    after: Any


def simplify_requests(requests: Sequence[SentRequest], answers: Sequence[Sequence[Any]]) -> list[SentRequest]:
    """Return the requests without text that the API wrote, so that only the agent's own content is compared.

    `answers[i]` has the content blocks of the answer to `requests[i]`; it is empty if they are unknown. An assistant
    message that repeats an answer is replaced by a short mark. Ids that the API generated become numbers in their
    order.
    """
    numbers: dict[str, str] = {}
    return [
        SentRequest(
            one.method,
            one.path,
            one.headers,
            _number_ids(_replace_repeated_answers(_expand_texts_to_blocks(one.body), answers[:index]), numbers),
        )
        for index, one in enumerate(requests)
    ]


def list_changes(before: SentRequest, after: SentRequest) -> list[RequestDifference]:
    """Return all differences between two requests: of the endpoint, the headers, then the body."""
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
    before: tuple[SentRequest, ...], after: tuple[SentRequest, ...]
) -> Mapping[str, tuple[RequestDifference, ...]]:
    """Return the changes between the requests of two runs, by path."""
    changes: dict[str, list[RequestDifference]] = {}
    if len(before) != len(after):
        changes[WHOLE_REQUESTS_PATH] = [RequestDifference(WHOLE_REQUESTS_PATH, len(before), len(after))]
    for one, other in align_requests(before, after):
        if one is not None and other is not None:
            for change in list_changes(one, other):
                changes.setdefault(change.path, []).append(change)
    return {path: tuple(found) for path, found in changes.items()}


def align_requests(
    before: Sequence[SentRequest], after: Sequence[SentRequest]
) -> list[tuple[SentRequest | None, SentRequest | None]]:
    """Pair the requests of two runs of a test in order. A request without a partner is paired with None.

    Runs with equally many requests are paired by index, others so that the pairs have the fewest differences. If there
    are very many requests, all runs are paired by index.
    """
    if len(before) == len(after) or len(before) * len(after) > _MAX_ALIGNED_PAIRS:
        return list(zip_longest(before, after))
    costs = [[len(list_changes(one, other)) for other in after] for one in before]
    return [
        (None if i is None else before[i], None if j is None else after[j])
        for i, j in _cheapest_alignment(costs, len(before), len(after))
    ]


def format_value_in_one_line(value: Any) -> str:
    """Return a value as one line for a summary. Of a long text, return the beginning; other long values are `text`."""
    if isinstance(value, str):
        return truncate(printable_text(redact_api_keys(value)), _MAX_SHOWN_VALUE_LENGTH)
    shown = repr(value)
    return shown if len(shown) <= _MAX_SHOWN_VALUE_LENGTH else LONG_VALUE_TEXT


def summarize_values(changes: Sequence[RequestDifference]) -> tuple[str, str]:
    """Return the old and the new value that all changes share, as text; `various` if they differ.

    For long texts, return the words that all changes remove and add.
    """
    if all(map(_is_long_text_change, changes)):
        texts = dict.fromkeys((change.before, change.after) for change in changes)
        first, *others = texts
        words = _format_changed_words(*first)
        return words if all(words == _format_changed_words(*pair) for pair in others) else (VARIOUS, VARIOUS)
    before = {format_value_in_one_line(change.before) for change in changes}
    after = {format_value_in_one_line(change.after) for change in changes}
    return (
        before.pop() if len(before) == 1 else VARIOUS,
        after.pop() if len(after) == 1 else VARIOUS,
    )


def _is_long_text_change(change: RequestDifference) -> bool:
    """Return whether a change is from one text to another, and a summary cannot show both in full."""
    texts = [value for value in (change.before, change.after) if isinstance(value, str) and value != ABSENT]
    return len(texts) == 2 and max(map(len, texts)) > _MAX_SHOWN_VALUE_LENGTH


def _format_changed_words(before: str, after: str) -> tuple[str, str]:
    """Return the words that only one of two texts has, as `5 words: 'Name problems of style, too.'` and `nothing`."""
    before, after = redact_api_keys(before), redact_api_keys(after)
    words = find_changed_words(before, after)
    old, new = words.short_quotes if words.recorded_words or words.sent_words else make_excerpts(before, after)
    return f"{words}: {old}", new


def _cheapest_alignment(costs: list[list[int]], rows: int, columns: int) -> list[tuple[int | None, int | None]]:
    """Pair the indices of two sequences in order, with the lowest sum of costs.

    Every item of the shorter sequence gets a partner.
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
    """Yield the differences between two JSON values, with their paths."""
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
    """Yield pairs of items of two lists. An item that was added or removed is paired with `ABSENT`."""
    if len(before) == len(after) or len(before) * len(after) > _MAX_ALIGNED_PAIRS:
        yield from zip_longest(before, after, fillvalue=ABSENT)
        return
    for old, new in align_sequences([*map(_alignment_key, before)], [*map(_alignment_key, after)]):
        yield ABSENT if old is None else before[old], ABSENT if new is None else after[new]


def _alignment_key(item: Any) -> str:
    """Return a key by which an item of one list is recognised in the other, even if parts of it changed."""
    if isinstance(item, Mapping):
        return repr([item.get(key) for key in _ALIGNMENT_KEYS])
    return repr(item)


def _expand_texts_to_blocks(body: Any) -> Any:
    """Replace each content that is a string by an equal text block.

    The API takes both forms, but only a block can have a cache mark.
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


def _replace_repeated_answers(body: Any, answers: Sequence[Sequence[Any]]) -> Any:
    """Return a request body in which a short mark replaces each message that repeats an earlier answer."""
    messages = body.get("messages") if isinstance(body, Mapping) else None
    if not isinstance(messages, list):
        return body
    return {**body, "messages": [_replace_repeated_answer(message, answers) for message in messages]}


def _replace_repeated_answer(message: Any, answers: Sequence[Sequence[Any]]) -> Any:
    """Return a short mark for an assistant message that repeats an earlier answer, else the message itself.

    The mark keeps the message's cache marks, and names the block types of the answer that the message lacks.
    """
    if not isinstance(message, Mapping) or message.get("role") != "assistant":
        return message
    blocks = message.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
        return message
    own = [*map(_block_identity, blocks)]
    for answer in reversed(answers):
        keys = [*map(_block_identity, answer)]
        if own == keys or (own and own == [key for key in keys if key in own]):
            left_out = sorted({key[0] for key in keys if key not in own})
            marks = [{"cache_control": block["cache_control"]} for block in blocks if "cache_control" in block]
            echo = f"<the answer without {', '.join(left_out)}>" if left_out else "<the answer>"
            return {"role": "assistant", "content": [echo, *marks]}
    return message


def _block_identity(block: Any) -> tuple[str, str]:
    """Return the type of a content block, and a text that is equal for blocks with the same content."""
    if not isinstance(block, Mapping):
        return ("", repr(block))
    said = [block.get(key) for key in ("id", "text", "thinking", "data", "tool_use_id")]
    return (str(block.get("type")), repr(said))


def _number_ids(value: Any, numbers: dict[str, str]) -> Any:
    """Return a value with each API id replaced by its number in `numbers`. Add new ids to `numbers`."""
    if isinstance(value, str):
        return API_ID_PATTERN.sub(lambda match: numbers.setdefault(match[0], f"<id {len(numbers) + 1}>"), value)
    if isinstance(value, Mapping):
        return {key: _number_ids(item, numbers) for key, item in value.items()}
    if isinstance(value, list):
        return [_number_ids(item, numbers) for item in value]
    return value
