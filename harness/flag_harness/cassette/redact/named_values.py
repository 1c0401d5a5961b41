"""Patterns for values that follow a given name in free text, such as a log line or dumped headers."""

import re
from functools import lru_cache

_QUOTED = r"""\\+"[^"\\]*\\+"|\\*"(?:[^"\\]|\\.)*"|\\*'(?:[^'\\]|\\.)*'"""


@lru_cache(maxsize=64)
def query_value_pattern(name: str) -> re.Pattern[str]:
    """Return a pattern for `?name=value`; its first group is everything before the value."""
    return re.compile(rf"""([?&]{re.escape(name)}=)[^&\s"'#]+""", re.IGNORECASE)


@lru_cache(maxsize=64)
def header_value_pattern(name: str) -> re.Pattern[str]:
    """Return a pattern for `name: value`, `'name': 'value'` and `(b'name', b'value')`.

    Its first group is everything before the value.
    """
    return re.compile(rf"""(\b{re.escape(name)}['"]?\s*[:,]\s*)(?:b?(?:{_QUOTED})|[^'",\s]+)""", re.IGNORECASE)


@lru_cache(maxsize=64)
def json_value_pattern(path: str) -> re.Pattern[str] | None:
    """Return a pattern for `"name": value` in JSON or the repr of a dict, or None if the path has no name.

    `name` is the last name in the JSON path. The pattern's first group is everything before the value. A list is
    matched up to its first closing bracket.
    """
    names = re.findall(r"[^.\[\]*]+(?![^.\[]*\])", path)
    if not names:
        return None
    return re.compile(rf"""(['"]{re.escape(names[-1])}\\*['"]\s*:\s*)(?:{_QUOTED}|\[[^\]]*\]|-?[0-9][0-9.eE+-]*)""")
