"""How deep JSON goes."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.json import DEPTH_LIMIT, is_too_deep


def _nested(levels: int, value: Any) -> Any:
    """The value inside lists and objects, in turns."""
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


@given(st.integers(0, 2 * DEPTH_LIMIT), st.sampled_from([0, "[{" * 200, None]), st.integers(0, DEPTH_LIMIT))
def test_levels_are_counted_and_nothing_else(levels: int, inner: Any, beside: int) -> None:
    """Brackets in texts are none, and what stands side by side is no deeper."""
    value = {"one": _nested(levels, inner), "many": [[] for _ in range(beside)]}
    deep = levels + 1 > DEPTH_LIMIT
    text = json.dumps(value)
    assert (deep, deep) == (is_too_deep(text, value), is_too_deep(text.encode(), value))
