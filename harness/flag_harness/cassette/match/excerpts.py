"""Compare two texts word by word, show excerpts of them near their first difference, and align two lists."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from flag_harness.cassette.redact.scan import redact_api_keys

CHARACTERS_BEFORE_CHANGE = 24
"""The number of characters of a text that are shown before its first change."""
MAX_EXCERPT_LENGTH = 80
"""The most characters of a value that a message shows."""
MAX_QUOTE_LENGTH = 40
"""The most characters of changed words that a message quotes."""
_MAX_COMPARED_PAIRS = 250_000
"""The most pairs of elements for which two lists are aligned. Longer lists are not, to save time."""
_MAX_COMPARED_TEXT = 2_000_000
"""The longest text in characters whose words are compared, to save time and memory."""
_REDACTED_CONTEXT_LENGTH = 20_000
"""The number of characters before and after the first change of a text in which API keys are masked before
it is shown.
"""
_MAX_ELEMENTS_IN_EXCERPT = 10_000
"""The most elements of a list that are formatted for an excerpt. These are more than an excerpt shows."""
_CHARACTERS_COMPARED_AT_ONCE = 4096
_WORD_PATTERN = re.compile(r"\S+")


class ChangedWords(NamedTuple):
    """The words that differ between two texts: those only in the recorded text, and only in the sent one.

    `is_partial` is True if the texts differ over so long a part that only its beginning was compared.
    """

    recorded_words: tuple[str, ...]
    sent_words: tuple[str, ...]
    is_partial: bool = False

    def __str__(self) -> str:
        count = max(len(self.recorded_words), len(self.sent_words))
        if self.is_partial:
            return f"more than {max(count - 1, 1):,} words"
        return f"{count} word{'s' if count != 1 else ''}" if count else "white space"

    @property
    def short_quotes(self) -> tuple[str, str]:
        """The recorded and the sent words as short quotes. If there are no words on one side, its text is `nothing`."""
        recorded, sent = (
            truncate(repr(" ".join(words)), MAX_QUOTE_LENGTH) if words else "nothing"
            for words in (self.recorded_words, self.sent_words)
        )
        return recorded, sent


def find_changed_words(recorded: str, sent: str) -> ChangedWords:
    """Return the words that occur in only one of two texts, in order."""
    is_partial = False
    if len(recorded) + len(sent) > _MAX_COMPARED_TEXT:
        recorded, sent = _differing_middles(recorded, sent)
        is_partial = len(recorded) + len(sent) > 2 * _MAX_COMPARED_TEXT
        recorded, sent = recorded[:_MAX_COMPARED_TEXT], sent[:_MAX_COMPARED_TEXT]
    ours, theirs = _WORD_PATTERN.findall(recorded), _WORD_PATTERN.findall(sent)
    blocks = list(differing_slices(ours, theirs))
    return ChangedWords(
        tuple(word for start, stop, _, _ in blocks for word in ours[start:stop]),
        tuple(word for _, _, start, stop in blocks for word in theirs[start:stop]),
        is_partial,
    )


def _differing_middles(recorded: str, sent: str) -> tuple[str, str]:
    """Return two texts without the words that they have in common at the beginning and at the end."""
    start = _common_prefix_length(recorded, sent)
    while start and not recorded[start - 1].isspace():
        start -= 1
    recorded, sent = recorded[start:], sent[start:]
    end = _common_prefix_length(recorded[::-1], sent[::-1])
    while end and not recorded[-end].isspace():
        end -= 1
    return recorded[: len(recorded) - end], sent[: len(sent) - end]


def make_excerpts(recorded: Any, sent: Any) -> tuple[str, str]:
    """Return short excerpts of two values, without API keys.

    If both values are texts, the excerpts begin shortly before the first difference.
    """
    if isinstance(recorded, str) and isinstance(sent, str):
        first = max(_common_prefix_length(recorded, sent) - _REDACTED_CONTEXT_LENGTH, 0)
        lengths = len(recorded), len(sent)
        recorded, sent = (text[first : first + 2 * _REDACTED_CONTEXT_LENGTH] for text in (recorded, sent))
        recorded, sent = redact_api_keys(recorded), redact_api_keys(sent)  # before truncation could leave half a key
        start = max(_common_prefix_length(recorded, sent) - CHARACTERS_BEFORE_CHANGE, 0)
        is_cut = [length > first + 2 * _REDACTED_CONTEXT_LENGTH for length in lengths]
        return _text_excerpt(recorded, start, first, is_cut[0]), _text_excerpt(sent, start, first, is_cut[1])
    return truncate(redact_api_keys(repr(_shorten_list(recorded)))), truncate(
        redact_api_keys(repr(_shorten_list(sent)))
    )


def _shorten_list(value: Any) -> Any:
    """Return the beginning of a long list: still more elements than an excerpt shows.

    Return other values unchanged.
    """
    return value[:_MAX_ELEMENTS_IN_EXCERPT] if isinstance(value, list) else value


class DifferingSlices(NamedTuple):
    """The bounds of two differing slices, one of the recorded list and one of the sent list."""

    recorded_start: int
    recorded_stop: int
    sent_start: int
    sent_stop: int


def differing_slices(recorded: Sequence[Any], sent: Sequence[Any]) -> Iterator[DifferingSlices]:
    """Yield the bounds of each pair of slices in which two lists differ. The parts between these slices are equal."""
    start = next((n for n, (one, other) in enumerate(zip(recorded, sent, strict=False)) if one != other), None)
    if start is None:
        start = min(len(recorded), len(sent))
    stop, other_stop = len(recorded), len(sent)
    while stop > start and other_stop > start and recorded[stop - 1] == sent[other_stop - 1]:
        stop, other_stop = stop - 1, other_stop - 1
    if (stop - start) * (other_stop - start) > _MAX_COMPARED_PAIRS:
        yield DifferingSlices(start, stop, start, other_stop)
        return
    matcher = SequenceMatcher(None, recorded[start:stop], sent[start:other_stop], autojunk=False)
    for tag, first, last, other_first, other_last in matcher.get_opcodes():
        if tag != "equal":
            yield DifferingSlices(start + first, start + last, start + other_first, start + other_last)


def _common_prefix_length(one: str, other: str) -> int:
    """Return how many leading characters two texts share."""
    shortest = min(len(one), len(other))
    for start in range(0, shortest, _CHARACTERS_COMPARED_AT_ONCE):
        stop = min(start + _CHARACTERS_COMPARED_AT_ONCE, shortest)
        if one[start:stop] != other[start:stop]:
            return next(index for index in range(start, stop) if one[index] != other[index])
    return shortest


def _text_excerpt(text: str, start: int, omitted: int, is_cut: bool) -> str:
    """Return an excerpt of a text from `start` on.

    `omitted` is not 0 if characters before `text` were left out, and `is_cut` is True if characters after it were.
    """
    shown = text[start : start + MAX_EXCERPT_LENGTH]
    is_longer = is_cut or start + MAX_EXCERPT_LENGTH < len(text)
    return ("…" if start or omitted else "") + repr(shown) + ("…" if is_longer else "")


def truncate(text: str, length: int = MAX_EXCERPT_LENGTH) -> str:
    """Return the text, or its beginning if it is longer than `length`."""
    return text if len(text) <= length else text[: length - 1] + "…"
