"""Pages of lists, as the API returns them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

DEFAULT_PAGE_SIZE = 20
"""The number of items on a page if the request does not say (documented)."""
Item = TypeVar("Item")


def make_list_page(
    items: Sequence[Item],
    entry: Callable[[Item], Mapping[str, Any]],
    names: Callable[[Item], Sequence[str]],
    *,
    limit: int = DEFAULT_PAGE_SIZE,
    after: str = "",
    before: str = "",
) -> dict[str, Any]:
    """Return a page of a list, as a JSON object with at most `limit` items.

    The page has the first items after the one named `after`, or the last items before the one named `before`. `entry`
    returns an item in the API's form, and `names` returns all names of an item.
    """
    indices = {name: index for index, item in enumerate(items) for name in names(item)}
    if before:
        end = indices.get(before, 0)
        start = max(0, end - limit)
        more = start > 0
    else:
        start = indices.get(after, len(items)) + 1 if after else 0
        end = min(start + limit, len(items))
        more = end < len(items)
    data = [entry(item) for item in items[start:end]]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"data": data, "has_more": more, "first_id": first, "last_id": last}
