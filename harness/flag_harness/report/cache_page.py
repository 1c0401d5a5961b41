"""The section of the HTML page about the prompt cache: broken prefixes, and a map of each test's requests."""

from collections.abc import Sequence
from typing import Any

from flag_harness.record import CacheTurn, RunRow
from flag_harness.report.cache_map import (
    cache_use_by_test,
    describe_cache_reads_and_writes,
    group_broken_prefixes,
    group_unused_cache_marks,
    has_unused_cache_marks,
    input_token_shares,
)

MAX_MAPPED_TESTS = 50
"""The most blocks and the most tests that the section shows.

The cells of the matrix show the cache use of all tests.
"""


def cache_section(rows: Sequence[RunRow]) -> dict[str, Any] | None:
    """Return the values that the template needs for the section about the prompt cache, or None if no test sent a cache
    mark.
    """
    every = cache_use_by_test(rows)
    if not every:
        return None
    tests = [test for test in every if not has_unused_cache_marks(test.cache_use)]
    shown = [
        {
            "row": test.row,
            "use": test.cache_use,
            "price": test.cost_text,
            "turns": list(map(_turn_as_json, test.cache_use.turns)),
        }
        for test in tests[:MAX_MAPPED_TESTS]
    ]
    return {
        "places": group_broken_prefixes(rows),
        "tests": shown,
        "unused": group_unused_cache_marks(rows),
        "hidden": len(tests) - len(shown),
        "is_simulated": any(test.row.is_simulated for test in every),
    }


def cache_turn_details(turn: CacheTurn) -> tuple[int, tuple[int, ...], str, str]:
    """Return `(number, tokens, blocks, reason)` of a request.

    The number counts from 1. The tokens are those read, written, missed and uncached. `blocks` says up to which blocks
    the cache was read and written, and `reason` why tokens were missed.
    """
    return (
        turn.request_index + 1,
        (turn.tokens_read, turn.tokens_written, turn.tokens_missed, turn.tokens_not_cached),
        describe_cache_reads_and_writes(turn),
        turn.explanation,
    )


def _turn_as_json(turn: CacheTurn) -> dict[str, Any]:
    number, counts, blocks, why = cache_turn_details(turn)
    parts, start = [], 0.0
    for name, width in input_token_shares(turn).items():
        if width:
            parts.append({"name": name, "start": round(start, 2), "width": round(width, 2)})
        start += width
    return {"number": number, "counts": counts, "blocks": blocks, "why": why, "parts": parts}
