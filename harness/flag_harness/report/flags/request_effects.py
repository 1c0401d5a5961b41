"""What each flag changes in the requests of a run, computed from the outlines of request bodies in the run record."""

import re
from dataclasses import dataclass
from typing import Any

from flag_harness.analysis.effects.attribution import FlagEffect, attribute_effects
from flag_harness.analysis.effects.paired_runs import ObservedRun
from flag_harness.analysis.effects.request_changes import ABSENT, LONG_VALUE_TEXT, WHOLE_REQUESTS_PATH, SentRequest
from flag_harness.errors import FlagError
from flag_harness.flag import SWITCHED_OFF_PREFIX
from flag_harness.matrix import flag_space, node_id_without_combination
from flag_harness.matrix.matrix_flag import value_index
from flag_harness.record import RequestRecord, RunRecord
from flag_harness.record.outline import BodyOutline, is_hashed_value
from flag_harness.report.failures.causes import flags_in_header

VARIOUS_VALUES_TEXT = "various"
_WORD_BY_VALUE = {ABSENT: "absent", "True": "true", "False": "false", "None": "null"}
_LIST_ITEM_PATTERN = re.compile(r"(\w+)\[(\d+)\](?:\.(.+))?")
_HIDDEN_TEXT_PREFIX = "text:"
_DIGITS_TO_LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""Turns the digits of a hash into letters.

Digits could be taken for a random number, which does not count as a change.
"""


@dataclass(frozen=True, slots=True)
class RequestEffect:
    """A change that a flag makes to requests, or the finding that the flag changes no request.

    Attributes:
        setting: the change of the flag from its default, such as `no-concise` or `model=haiku`; the name of the flag if
            none of its values changes a request.
        change_text: what changes, such as `max_tokens: 4096 → 8192`, or `nothing`.
        changed_pair_count, pair_count: the number of pairs of runs that show the change, and the number of all compared
            pairs.
    """

    setting: str
    change_text: str
    changed_pair_count: int
    pair_count: int

    @property
    def is_inert(self) -> bool:
        """Whether the flag changes no request."""
        return not self.changed_pair_count


def request_effects(record: RunRecord) -> tuple[RequestEffect, ...]:
    """Return what each flag changes in requests, in the order of the flags. Flags that change nothing come last.

    Only passed runs are compared: a failed run may have stopped before it sent all its requests. The result is empty if
    the record has no outlines of request bodies, or no two runs of a test that differ in one flag alone.
    """
    flags = flags_in_header(record.header)
    space = flag_space(flags)
    tests: dict[str, list[ObservedRun]] = {}
    for row in record.rows:
        if not row.is_comparable or not row.requests or not all(one.body_outline for one in row.requests):
            continue
        try:
            indices = [value_index(flag, row.values.get(flag.name, flag.default)) for flag in flags]
        except FlagError:
            continue
        requests = tuple(map(_comparable_request, row.requests))
        tests.setdefault(node_id_without_combination(row.case, row.combination), []).append(
            ObservedRun(tuple(indices), requests)
        )
    attribution = attribute_effects(space, tests)
    found = [
        RequestEffect(_flag_setting_text(one), _change_text(one), one.changed_pair_count, one.pair_count)
        for one in attribution.effects
    ]
    return (
        *found,
        *(RequestEffect(name, "nothing", 0, pairs) for name, pairs in attribution.pairs_by_inert_flag.items()),
    )


def _comparable_request(request: RequestRecord) -> SentRequest:
    return SentRequest(request.method, request.path, (), _comparable_body(request.body_outline))


def _comparable_body(outline: BodyOutline) -> dict[str, Any]:
    """Rebuild a request body from its outline (pairs of a path and a value).

    Lists such as `messages` become lists again.
    """
    body: dict[str, Any] = {}
    for path, raw in outline:
        value = f"{_HIDDEN_TEXT_PREFIX}{str(raw).translate(_DIGITS_TO_LETTERS)}" if is_hashed_value(raw) else raw
        item = _LIST_ITEM_PATTERN.fullmatch(path)
        if path == "system":
            body[path] = [{"text": value, "type": "text"}]  # the API takes a text for a block with this text
        elif item is None:
            body[path] = value
        elif item[3] is None:
            body.setdefault(item[1], []).append(value)
        else:
            blocks = body.setdefault(item[1], [])
            blocks.extend({} for _ in range(int(item[2]) + 1 - len(blocks)))
            blocks[int(item[2])][item[3]] = value
    return body


def _flag_setting_text(effect: FlagEffect) -> str:
    return f"{SWITCHED_OFF_PREFIX}{effect.flag}" if effect.value is False else effect.setting


def _change_text(effect: FlagEffect) -> str:
    """Describe a change at a path.

    The record has only hashes of texts, so a changed text is mentioned without its words.
    """
    before, after = (
        LONG_VALUE_TEXT if _HIDDEN_TEXT_PREFIX in one else one for one in (effect.old_value, effect.new_value)
    )
    when = f" when {effect.condition}" if effect.condition else ""
    if effect.path == WHOLE_REQUESTS_PATH and {before, after} & {VARIOUS_VALUES_TEXT}:
        return f"another number of requests{when}"
    if before == ABSENT and after in (LONG_VALUE_TEXT, VARIOUS_VALUES_TEXT):
        return f"{effect.path} is added{when}"
    if after == ABSENT and before in (LONG_VALUE_TEXT, VARIOUS_VALUES_TEXT):
        return f"{effect.path} is left out{when}"
    if {before, after} <= {LONG_VALUE_TEXT, VARIOUS_VALUES_TEXT}:
        return f"{effect.path}: other text{when}"
    return f"{effect.path}: {_WORD_BY_VALUE.get(before, before)} → {_WORD_BY_VALUE.get(after, after)}{when}"
