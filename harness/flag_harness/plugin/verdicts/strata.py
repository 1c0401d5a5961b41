"""The mark `harness_stratum`: groups of tests that get a verdict of their own, as each test and the whole suite do."""

import pytest

STRATUM_MARK = "harness_stratum"


def verdict_groups_of_item(item: pytest.Item) -> tuple[str, ...]:
    """Return the groups named by a test's marks. Raise `pytest.UsageError` if a mark is invalid."""
    names: dict[str, None] = {}
    for mark in item.iter_markers(STRATUM_MARK):
        if not mark.args or mark.kwargs or not all(isinstance(name, str) and name for name in mark.args):
            raise pytest.UsageError(
                f"{item.nodeid}: @pytest.mark.{STRATUM_MARK} takes names of groups; write "
                f'@pytest.mark.{STRATUM_MARK}("refunds")'
            )
        names.update(dict.fromkeys(mark.args))
    return tuple(names)
