"""Values that stand in free text beside their name: in a message, a log line, a dump of headers or of a body."""

import re
from functools import lru_cache

_QUOTED = r"""\\+"[^"\\]*\\+"|\\*"(?:[^"\\]|\\.)*"|\\*'(?:[^'\\]|\\.)*'"""


@lru_cache(maxsize=64)
def query_values(name: str) -> re.Pattern[str]:
    """Finds `?name=value`; the first group is all before the value."""
    return re.compile(rf"""([?&]{re.escape(name)}=)[^&\s"'#]+""", re.IGNORECASE)


@lru_cache(maxsize=64)
def header_values(name: str) -> re.Pattern[str]:
    """Finds `name: value`, `'name': 'value'` and `(b'name', b'value')`; the first group is all before the value."""
    return re.compile(rf"""(\b{re.escape(name)}['"]?\s*[:,]\s*)(?:b?(?:{_QUOTED})|[^'",\s]+)""", re.IGNORECASE)


@lru_cache(maxsize=64)
def json_values(path: str) -> re.Pattern[str] | None:
    """Finds `"name": value` in JSON or a dictionary's repr, for the last name of a JSON path, `None` where it has none.

    A list is found up to its first closing bracket.
    """
    names = re.findall(r"[^.\[\]*]+(?![^.\[]*\])", path)
    if not names:
        return None
    return re.compile(rf"""(['"]{re.escape(names[-1])}\\*['"]\s*:\s*)(?:{_QUOTED}|\[[^\]]*\]|-?[0-9][0-9.eE+-]*)""")
