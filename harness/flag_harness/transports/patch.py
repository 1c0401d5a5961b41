"""Replace an attribute for a while, like `unittest.mock.patch.object`, but ten times as fast."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replace_attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute inside the context, and restore it afterwards. An inherited attribute is inherited again.

    If other code has replaced the attribute in the meantime, that replacement stays.
    """
    is_own = name in vars(owner)
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if vars(owner).get(name) is not value:
            pass
        elif is_own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)
