"""Names, code and tables for Markdown. Quoted texts are escaped, so that Markdown does not format them."""

import re
from collections.abc import Iterator, Sequence

MAX_TABLE_ROWS = 50
"""The most rows that a table shows. A line below the table states how many more there are."""
_MARKDOWN_CHARACTERS = re.compile(r"([\\`*_\[\]<>|~#@&!])")


def table_lines(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table.

    If there are more than `MAX_TABLE_ROWS` rows, a line below it says how many are not shown.
    """
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows[:MAX_TABLE_ROWS]:
        yield f"| {' | '.join(row)} |"
    if len(rows) > MAX_TABLE_ROWS:
        yield ""
        yield f"and {len(rows) - MAX_TABLE_ROWS:,} more"


def join_first_names(names: Sequence[str], most: int = 3) -> str:
    """Return the first `most` names as inline code, and how many more there are."""
    more = len(names) - most
    return ", ".join(map(inline_code, names[:most])) + (f" and {more} more" if more > 0 else "")


def names_cell(names: Sequence[str], most: int = 3) -> str:
    """Return the first `most` names as inline code for a table cell, and how many more there are."""
    return join_first_names(names, most).replace("|", "\\|")


def code_cell(text: str) -> str:
    """Return a text as code for a table cell. Its vertical bars are escaped."""
    return inline_code(text).replace("|", "\\|")


def inline_code(text: str) -> str:
    """Return a text as inline code, so that Markdown does not format it."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def escape_markdown(text: str) -> str:
    """Return a text on one line, escaped so that Markdown does not format it."""
    return _MARKDOWN_CHARACTERS.sub(r"\\\1", " ".join(text.split()))
