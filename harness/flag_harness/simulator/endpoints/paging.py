"""Pages of lists, as the API returns them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

DEFAULT_PAGE_SIZE = 20
"""The number of items on a page if the request does not say (documented)."""
Item = TypeVar("Item")


def make_list_page(
    items: Sequence[Item],
    make_entry: Callable[[Item], Mapping[str, Any]],
    get_names: Callable[[Item], Sequence[str]],
    *,
    limit: int = DEFAULT_PAGE_SIZE,
    after_name: str = "",
    before_name: str = "",
) -> dict[str, Any]:
    """Return a page of a list, as a JSON object with at most `limit` items.

    The page has the last items before the one named `before_name` if that is given, or else the first items after the
    one named `after_name`. `make_entry` returns an item in the API's form, and `get_names` returns all names of an
    item.
    """
    indices = {name: index for index, item in enumerate(items) for name in get_names(item)}
    if before_name:
        end = indices.get(before_name, 0)
        start = max(0, end - limit)
        more = start > 0
    else:
        start = indices.get(after_name, len(items)) + 1 if after_name else 0
        end = min(start + limit, len(items))
        more = end < len(items)
    data = [make_entry(item) for item in items[start:end]]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"data": data, "has_more": more, "first_id": first, "last_id": last}
