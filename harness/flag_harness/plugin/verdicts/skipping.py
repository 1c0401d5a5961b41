"""Leave out an item of a run without running it."""

from typing import Any

import pytest


def skip_item(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Tear down what the item before left set up for `item`, and what `nextitem` does not need, as pytest does."""
    session: Any = item.session
    session._setupstate.teardown_exact(nextitem)
