"""Find what changed in the request bodies of the tests that two runs have in common, by JSON path."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flag_harness.record import RequestRecord, RunRow
from flag_harness.record.outline import is_hashed_value

ABSENT = "absent"
"""Shown as the value of a path that a request body does not have."""
HIDDEN_VALUE = "text"
"""Shown in place of a value of which the record has only a hash."""
_INDEX_PATTERN = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class ChangedRequests:
    """The changes in the requests of one test, each as a line of text."""

    node_id: str
    change_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathChange:
    """A change at a JSON path of request bodies, such as `max_tokens` from 4096 to 8192, and the tests that have it.

    List indices in the path are replaced by `[*]`. The values are texts: JSON, `ABSENT` or `HIDDEN_VALUE`.
    """

    path: str
    old_value: str
    new_value: str
    node_ids: tuple[str, ...]


def find_changed_requests(base: Iterable[RunRow], head: Iterable[RunRow]) -> tuple[ChangedRequests, ...]:
    """Return how the requests of each test differ between two runs.

    Rows of the same test, combination and repetition are compared.
    """
    found = ((new.case, tuple(_find_request_changes(old, new))) for old, new in _pair_comparable_rows(base, head))
    return tuple(ChangedRequests(case, changes) for case, changes in found if changes)


def find_path_changes(base: Iterable[RunRow], head: Iterable[RunRow]) -> tuple[PathChange, ...]:
    """Return what changed in request bodies between two runs, by JSON path. Changes in the most tests come first."""
    cases: dict[tuple[str, str, str], dict[str, None]] = {}
    for old, new in _pair_comparable_rows(base, head):
        for before, after in zip(old.requests, new.requests, strict=False):
            for path, was, now in outline_changes(before, after):
                cases.setdefault((_INDEX_PATTERN.sub("[*]", path), was, now), {})[new.case] = None
    found = [PathChange(*change, tuple(names)) for change, names in cases.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.node_ids), one.path, one.old_value, one.new_value)))


def _pair_comparable_rows(base: Iterable[RunRow], head: Iterable[RunRow]) -> Iterator[tuple[RunRow, RunRow]]:
    before = {row.key: row for row in base}
    return ((before[row.key], row) for row in head if row.key in before)


def _find_request_changes(old: RunRow, new: RunRow) -> Iterator[str]:
    for number, (before, after) in enumerate(zip(old.requests, new.requests, strict=False), start=1):
        if (before.method, before.path) != (after.method, after.path):
            yield f"request {number}: {before.method} {before.path} is now {after.method} {after.path}"
        elif before.body_hash != after.body_hash and (change := _body_change_text(before, after)):
            yield f"request {number}: {change}"
    if len(old.requests) != len(new.requests):
        yield f"{len(old.requests)} requests are now {len(new.requests)}"


def _body_change_text(before: RequestRecord, after: RequestRecord) -> str:
    """Return a text that says what changed in a request body.

    It is empty if only ids that the API generated changed.
    """
    if before.body_outline and after.body_outline:
        return ", ".join(
            f"{path}: {_before_and_after_text(was, now)}" for path, was, now in outline_changes(before, after)
        )
    model = f": model {before.model} is now {after.model}" if before.model != after.model else ""
    return f"body changed{model}"


def outline_changes(before: RequestRecord, after: RequestRecord) -> Iterator[tuple[str, str, str]]:
    """Yield `(path, old value, new value)` for each change in a request body.

    Nothing is yielded unless both records have an outline (values and hashes by path) of the body.
    """
    old, new = dict(before.body_outline), dict(after.body_outline)
    for path in (key for key in {**old, **new} if old and new):
        was, now = old.get(path, ABSENT), new.get(path, ABSENT)
        if (was, type(was)) != (now, type(now)):
            yield path, _value_text(was), _value_text(now)


def _value_text(value: Any) -> str:
    return HIDDEN_VALUE if is_hashed_value(value) else value if isinstance(value, str) else json.dumps(value)


def _before_and_after_text(before: str, after: str) -> str:
    return "changed" if before == after == HIDDEN_VALUE else f"{before} → {after}"
