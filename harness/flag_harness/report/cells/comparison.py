"""Compare the requests of a run with those of the nearest passing run of the same test, for the details of a cell."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from flag_harness.analysis.alignment import align_sequences
from flag_harness.record import RequestRecord, RunRow
from flag_harness.report.diff.requests import ABSENT, HIDDEN_VALUE, outline_changes

ChangeAtPath = tuple[str, str, str]
"""A path in a request or answer, the value at this path in the passing run, and that in the compared run."""
ANOTHER_TEXT = "another text"
"""Shown for a text that differs from the passing run's, if the record has only hashes of both."""
_TEXT_PLACEHOLDERS = {HIDDEN_VALUE, ANOTHER_TEXT, ABSENT}
"""Placeholders for texts. A change between two of them is not shown if the texts themselves are."""


def comparison_details(
    row: RunRow,
    neighbour: RunRow,
    turns: tuple[Sequence[Hashable] | None, Sequence[Hashable] | None],
    changes: dict[ChangeAtPath, int],
) -> dict[str, Any]:
    """Return which requests of two runs belong together (`pairs`), and what differs in each pair (`changes`).

    `neighbour` is the passing run. `turns` has, for `neighbour` and then for `row`, what each request adds to the
    conversation; None if no conversation was kept. The argument `changes` numbers each different change of the whole
    page; new ones are added, and the result has these numbers. The key `pairs` is left out if requests belong together
    by index, and the key `changes` if no pair differs.
    """
    theirs, ours = turns
    are_texts_kept = theirs is not None and ours is not None
    if theirs is None or ours is None:
        theirs, ours = [one.body_outline for one in neighbour.requests], [one.body_outline for one in row.requests]
    pairs = align_sequences(theirs, ours)
    found = [
        [
            changes.setdefault(change, len(changes))
            for change in _find_changes_in_pair(neighbour, row, *pair)
            if not (are_texts_kept and {*change[1:]} <= _TEXT_PLACEHOLDERS)
        ]
        for pair in pairs
    ]
    details: dict[str, Any] = {}
    if any(left != right for left, right in pairs):
        details["pairs"] = pairs
    if any(found):
        details["changes"] = found
    return details


def _find_changes_in_pair(
    neighbour: RunRow, row: RunRow, left: int | None, right: int | None
) -> Iterator[ChangeAtPath]:
    """Yield what differs between the request `left` of `neighbour` and the request `right` of `row`, and between their
    answers.

    Nothing is yielded if one of the two requests does not exist.
    """
    if left is None or right is None or left >= len(neighbour.requests) or right >= len(row.requests):
        return
    theirs, ours = neighbour.requests[left], row.requests[right]
    for path, before, after in outline_changes(theirs, ours):
        yield path, before, ANOTHER_TEXT if before == after == HIDDEN_VALUE else after
    for name, before, after in (
        ("status of the answer", _status_or_broken_off_text(theirs), _status_or_broken_off_text(ours)),
        ("stop reason of the answer", theirs.stop_reason or "none", ours.stop_reason or "none"),
    ):
        if before != after:
            yield name, before, after


def _status_or_broken_off_text(request: RequestRecord) -> str:
    return "broken off" if request.status is None else str(request.status)
