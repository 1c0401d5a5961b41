"""Grade a run with more than pass or fail, for the fixture `harness_score`."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from flag_harness.plugin.stash import SCORES_KEY


class Scorer:
    """Gives scores from 0 to 1 to the run of a test. The scores are part of the run record, and are judged by
    `--harness-verdict`.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._scores = item.stash.setdefault(SCORES_KEY, {})

    def __call__(
        self,
        name: str,
        value: Any,
        *,
        equals: object = None,
        matches: str = "",
        by: Callable[[Any], float] | None = None,
    ) -> float:
        """Give the run a score, and return it.

        Without a keyword, `value` is the score. With `equals`, the score is 1 if `value` equals that object, and
        otherwise 0. With `matches`, the score is 1 if that regular expression occurs in the text of `value`, and
        otherwise 0. `by` is a function that returns the score of the value. Raise `ValueError` if the score is not a
        number from 0 to 1.
        """
        score = value
        if by is not None:
            score = by(value)
        elif matches:
            score = re.search(matches, str(value)) is not None
        elif equals is not None:
            score = value == equals
        if not isinstance(score, (bool, int, float)) or not 0 <= score <= 1:
            raise ValueError(
                f"harness_score({name!r}, ...): {score!r} is no score; give a number from 0 to 1, or True or False"
            )
        self._scores[name] = float(score)
        return float(score)
