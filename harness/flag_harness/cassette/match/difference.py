"""Find the differences between two JSON values, each with its JSON path."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flag_harness.cassette.match.excerpts import (
    MAX_EXCERPT_LENGTH,
    MAX_QUOTE_LENGTH,
    DifferingSlices,
    differing_slices,
    find_changed_words,
    make_excerpts,
    truncate,
)
from flag_harness.cassette.match.matching import encode_with_sorted_keys
from flag_harness.cassette.match.order import (
    MAX_LIST_LENGTH,
    describe_order,
    has_names_in_another_order,
    has_same_elements,
    has_words_in_another_order,
    index_by_name,
)

ABSENT = type("Absent", (), {"__repr__": lambda self: "nothing"})()
"""The value of a difference on the side that does not have the value at all."""

_MAX_COMPARISONS = 20_000
"""The most comparisons of elements in one comparison of two values.

If more are needed, only their members are compared, to save time and memory.
"""
_PLAIN_KEY_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

PathSteps: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead from a JSON document to a value in it."""
EqualityTest: TypeAlias = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between a recorded and a sent value, with a path such as `messages[0].content`.

    `path` is empty if the whole values differ. `recorded_steps` leads to the place in the recorded value, `sent_steps`
    in the sent value. If only one side has a list element, the other side's steps lead to the index at which it would
    be inserted, and `path` is the path in the side that has it.
    """

    path: str
    recorded_value: Any
    sent_value: Any
    recorded_steps: PathSteps = field(default=(), compare=False)
    sent_steps: PathSteps = field(default=(), compare=False)

    @property
    def is_reordered(self) -> bool:
        """Whether two lists hold the same elements, or elements of the same names, in a different order."""
        recorded, sent = self.recorded_value, self.sent_value
        if not (isinstance(recorded, list) and isinstance(sent, list)):
            return False
        return has_same_elements(recorded, sent) or has_names_in_another_order(recorded, sent)

    def __str__(self) -> str:
        if self.is_reordered:
            return f"{self.path or 'body'}: {describe_order(self.recorded_value, self.sent_value)}"
        recorded, sent = make_excerpts(self.recorded_value, self.sent_value)
        return f"{self.path or 'body'}: {self._describe_words()}recorded {recorded}, sent {sent}"

    def _describe_words(self) -> str:
        """Return which words of two texts differ, or an empty string if the excerpts of the texts show it."""
        recorded, sent = self.recorded_value, self.sent_value
        if not (isinstance(recorded, str) and isinstance(sent, str)):
            return ""
        if has_words_in_another_order(recorded, sent):
            return "the same words in another order, "
        return f"{find_changed_words(recorded, sent)}, " if len(recorded) > MAX_EXCERPT_LENGTH else ""


def describe_difference(difference: Difference) -> str:
    """Return a difference as a short text, such as `system[0].text`, 1 word: 'Hello' → 'Hi'.

    Equal changes give equal texts.
    """
    path = difference.path or "body"
    if difference.is_reordered:
        return f"`{path}`, reordered"
    if isinstance(difference.recorded_value, str) and isinstance(difference.sent_value, str):
        words = find_changed_words(difference.recorded_value, difference.sent_value)
        if not words.recorded_words and not words.sent_words:
            return (
                f"`{path}`, white space: {' → '.join(make_excerpts(difference.recorded_value, difference.sent_value))}"
            )
        return f"`{path}`, {words}: {' → '.join(words.short_quotes)}"
    recorded, sent = (
        truncate(repr(one), MAX_QUOTE_LENGTH) for one in (difference.recorded_value, difference.sent_value)
    )
    return f"`{path}`: {recorded} → {sent}"


def find_differences(
    recorded: Any, sent: Any, are_equal: EqualityTest = lambda one, other: False
) -> Iterator[Difference]:
    """Yield the smallest differences between two JSON values, in the order of the recorded value.

    Lists are aligned, so that an inserted element is a single difference. Lists of more than 10,000 elements, and
    members of values that differ in thousands of positions, are compared as a whole. `are_equal` may declare two scalar
    values equal although they are not identical.
    """
    try:
        return iter(list(_differences_between_values(recorded, sent, (), (), _ComparisonCounter(are_equal))))
    except _TooManyComparisonsError:
        return _member_differences(recorded, sent)


def format_json_path(steps: PathSteps) -> str:
    """Return the path of a value in JSON, such as `messages[0].content`. Unusual keys are put in brackets."""
    path = ""
    for step in steps:
        if isinstance(step, str) and _PLAIN_KEY_PATTERN.fullmatch(step):
            path += f".{step}" if path else step
        else:
            path += f"[{step!r}]"
    return path


class _TooManyComparisonsError(Exception):
    """Raised if two values differ so much that they cannot be compared in full."""


@dataclass(slots=True)
class _ComparisonCounter:
    """A limit for one comparison of two values: how many more comparisons are allowed.

    `are_equal` tells whether two scalar values count as equal.
    """

    are_equal: EqualityTest
    remaining: int = _MAX_COMPARISONS

    def count(self, comparisons: int) -> None:
        """Subtract `comparisons` from those that are allowed.

        Raise `_TooManyComparisonsError` if there are too many.
        """
        self.remaining -= comparisons
        if self.remaining < 0:
            raise _TooManyComparisonsError


def _member_differences(recorded: Any, sent: Any) -> Iterator[Difference]:
    """Yield one difference for each member that differs, or one for the whole values if they have too many members."""
    if isinstance(recorded, dict) and isinstance(sent, dict) and len(recorded) + len(sent) <= MAX_LIST_LENGTH:
        for key in recorded | sent:
            ours, theirs = recorded.get(key, ABSENT), sent.get(key, ABSENT)
            if ours is ABSENT or theirs is ABSENT or encode_with_sorted_keys(ours) != encode_with_sorted_keys(theirs):
                yield Difference(format_json_path((key,)), ours, theirs, (key,), (key,))
    else:
        yield Difference("", recorded, sent)


def _differences_between_values(
    recorded: Any, sent: Any, recorded_steps: PathSteps, sent_steps: PathSteps, comparison: "_ComparisonCounter"
) -> Iterator[Difference]:
    """Yield the differences between two values. `recorded_steps` and `sent_steps` lead to them in the whole values."""
    comparison.count(1)
    if isinstance(recorded, dict) and isinstance(sent, dict):
        for key in [*recorded, *(key for key in sent if key not in recorded)]:
            ours, theirs = recorded.get(key, ABSENT), sent.get(key, ABSENT)
            yield from _differences_between_values(ours, theirs, (*recorded_steps, key), (*sent_steps, key), comparison)
    elif isinstance(recorded, list) and isinstance(sent, list):
        yield from _differences_between_lists(recorded, sent, (recorded_steps, sent_steps), comparison)
    elif (recorded != sent or type(recorded) is not type(sent)) and not comparison.are_equal(recorded, sent):
        yield Difference(
            format_json_path(sent_steps if recorded is ABSENT else recorded_steps),
            recorded,
            sent,
            recorded_steps,
            sent_steps,
        )


def _differences_between_lists(
    recorded: list[Any], sent: list[Any], steps: tuple[PathSteps, PathSteps], comparison: "_ComparisonCounter"
) -> Iterator[Difference]:
    """Yield the differences between two lists. A different order is one difference.

    `steps` are the paths of the recorded and of the sent list.
    """
    if encode_with_sorted_keys(recorded) == encode_with_sorted_keys(sent):
        return
    whole = Difference(format_json_path(steps[0]), recorded, sent, *steps)
    if has_names_in_another_order(recorded, sent):
        yield whole
        if not has_same_elements(recorded, sent):
            yield from _named_element_differences(recorded, sent, steps, comparison)
        return
    found: list[Difference] = []
    if is_short := max(len(recorded), len(sent)) <= MAX_LIST_LENGTH:
        found = list(_list_differences(recorded, sent, steps, comparison))
    yield from [whole] if not is_short or (found and has_same_elements(recorded, sent)) else found


def _named_element_differences(
    recorded: list[Any], sent: list[Any], steps: tuple[PathSteps, PathSteps], comparison: "_ComparisonCounter"
) -> Iterator[Difference]:
    """Yield the differences between the elements of two lists, such as tools, each compared with the one of its
    name.
    """
    ours, theirs = index_by_name(recorded), index_by_name(sent)
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        index, other = ours.get(name), theirs.get(name)
        one = ABSENT if index is None else recorded[index]
        another = ABSENT if other is None else sent[other]
        at = (*steps[0], len(recorded) if index is None else index)
        to = (*steps[1], len(sent) if other is None else other)
        yield from _differences_between_values(one, another, at, to, comparison)


def _list_differences(
    recorded: list[Any], sent: list[Any], steps: tuple[PathSteps, PathSteps], comparison: "_ComparisonCounter"
) -> Iterator[Difference]:
    """Yield the differences between two lists, aligned so that an inserted element is one difference.

    `steps` are the paths of the recorded and of the sent list.
    """
    comparison.count(len(recorded) + len(sent))
    for block in differing_slices(
        list(map(encode_with_sorted_keys, recorded)), list(map(encode_with_sorted_keys, sent))
    ):
        yield from _slice_differences(recorded, sent, block, steps, comparison)


def _slice_differences(
    recorded: list[Any],
    sent: list[Any],
    slices: DifferingSlices,
    steps: tuple[PathSteps, PathSteps],
    comparison: "_ComparisonCounter",
) -> Iterator[Difference]:
    """Yield the differences between a slice of each list. `slices` has their bounds, and `steps` the lists' paths.

    Elements are paired from the start of the slices or from the end, whichever gives fewer differences.
    """
    common = min(slices.recorded_stop - slices.recorded_start, slices.sent_stop - slices.sent_start)

    def differences_between_items(index: int, other: int, ours: Any, theirs: Any) -> Iterator[Difference]:
        return _differences_between_values(ours, theirs, (*steps[0], index), (*steps[1], other), comparison)

    def align_and_compare(start: int, sent_start: int) -> Iterator[Difference]:
        """Yield the differences if `recorded[start]` is paired with `sent[sent_start]`, and so on."""
        for index in range(slices.recorded_start, start):
            yield from differences_between_items(index, slices.sent_start, recorded[index], ABSENT)
        for other in range(slices.sent_start, sent_start):
            yield from differences_between_items(slices.recorded_start, other, ABSENT, sent[other])
        for shift in range(common):
            index, other = start + shift, sent_start + shift
            yield from differences_between_items(index, other, recorded[index], sent[other])
        for index in range(start + common, slices.recorded_stop):
            yield from differences_between_items(index, slices.sent_stop, recorded[index], ABSENT)
        for other in range(sent_start + common, slices.sent_stop):
            yield from differences_between_items(slices.recorded_stop, other, ABSENT, sent[other])

    starts = {(slices.recorded_start, slices.sent_start), (slices.recorded_stop - common, slices.sent_stop - common)}
    found: list[list[Difference]] = [list(align_and_compare(*start)) for start in sorted(starts)]
    yield from min(found, key=len)
