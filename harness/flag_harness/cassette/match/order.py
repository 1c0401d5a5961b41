"""Recognise lists and texts that hold the same in another order."""

import re
from collections import Counter
from typing import Any

from flag_harness.cassette.match.excerpts import truncate
from flag_harness.cassette.match.matching import encode_with_sorted_keys
from flag_harness.cassette.redact.scan import redact_api_keys

MAX_LIST_LENGTH = 10_000
"""The most elements of a list whose elements are compared one by one."""
_MAX_TEXT_LENGTH = 400_000
"""The longest text whose words are compared."""
_MIN_WORDS_IN_ANOTHER_ORDER = 2
_WORD_PATTERN = re.compile(r"[^\W\d_]\w*")


def has_same_elements(recorded: list[Any], sent: list[Any]) -> bool:
    """Return whether two lists have the same elements, in any order, or False if they are too long to compare."""
    if len(recorded) != len(sent) or len(recorded) > MAX_LIST_LENGTH:
        return False
    return Counter(map(encode_with_sorted_keys, recorded)) == Counter(map(encode_with_sorted_keys, sent))


def index_by_name(values: list[Any]) -> dict[str, int]:
    """Return the index of each element by its `name`, or an empty dict if not all elements have names of their own."""
    names = [one.get("name") if isinstance(one, dict) else None for one in values[: MAX_LIST_LENGTH + 1]]
    is_named = len(names) <= MAX_LIST_LENGTH and all(isinstance(name, str) for name in names)
    found = {str(name): index for index, name in enumerate(names)} if is_named else {}
    return found if len(found) == len(values) else {}


def has_names_in_another_order(recorded: list[Any], sent: list[Any]) -> bool:
    """Return whether two lists have elements of the same names in another order, whatever else differs in them."""
    ours, theirs = index_by_name(recorded), index_by_name(sent)
    return [name for name in ours if name in theirs] != [name for name in theirs if name in ours]


def has_words_in_another_order(recorded: str, sent: str) -> bool:
    """Return whether two texts have the same words in another order. Numbers, as in a date, are no words."""
    if len(recorded) != len(sent) or len(recorded) > _MAX_TEXT_LENGTH:
        return False
    ours, theirs = (_WORD_PATTERN.findall(text) for text in (recorded, sent))
    return len(ours) >= _MIN_WORDS_IN_ANOTHER_ORDER and ours != theirs and Counter(ours) == Counter(theirs)


def describe_order(recorded: list[Any], sent: list[Any]) -> str:
    """Describe how two lists differ in order, such as the order of tools."""
    ours, theirs = (truncate(redact_api_keys(_names_of_elements(values))) for values in (recorded, sent))
    same = f", the same {len(sent)} in another order" if has_same_elements(recorded, sent) else ""
    return f"reordered{same}: recorded {ours}, sent {theirs}"


def _names_of_elements(values: list[Any]) -> str:
    """Return a text with the `name` of each element of a list. An element without a name is shown in full."""
    return ", ".join(str(one["name"]) if isinstance(one, dict) and "name" in one else repr(one) for one in values)
