"""Skip a test item of a run without running it."""

from typing import Any

import pytest


def skip_without_running(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Skip an item without running it. Tear down the fixtures that are still set up and that `nextitem` does not
    need.
    """
    session: Any = item.session
    session._setupstate.teardown_exact(nextitem)
