"""Prepare texts of models and tools for the page, on which they are shown as text only."""

import re
from collections.abc import Iterator
from functools import lru_cache

from flag_harness.reference.logs import hide_secrets

_INVISIBLE_CHARACTERS_PATTERN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""Control characters, such as those of terminals, and characters that reverse the direction of what follows."""


@lru_cache(maxsize=512)
def make_text_safe_to_show(text: str) -> str:
    """Return a text without keys, and with invisible characters made visible, such as `<U+001B>`."""
    shown: str = hide_secrets(text)
    return _INVISIBLE_CHARACTERS_PATTERN.sub(_code_point_text, shown.replace("\r\n", "\n"))


def _code_point_text(match: "re.Match[str]") -> str:
    return f"<U+{ord(match[0]):04X}>"


def split_text(text: str, size: int) -> Iterator[str]:
    """Split a text into parts of at most `size` characters, at ends of lines if possible.

    If the text grows, all parts but the last stay unchanged. If possible, a part starts with a line that is not
    indented.
    """
    start = 0
    while len(text) - start > size:
        window = text[start : start + size]
        lines = [found.end() for found in _END_BEFORE_UNINDENTED_LINE.finditer(window)]
        cut = start + (lines[-1] if lines else window.rfind("\n") + 1 or window.rfind(" ") + 1 or size)
        yield text[start:cut]
        start = cut
    yield text[start:]


def preserve_layout_for_streamlit(text: str) -> str:
    """Return a text so that `streamlit.text` keeps its indentation and its blank lines at the end.

    Streamlit removes white space at both ends, so an invisible character is put before or after it.
    """
    blank_lines = len(text) - len(text.rstrip("\n")) - 1
    ending = "\n" * blank_lines + _WORD_JOINER if blank_lines > 0 else ""
    return (_WORD_JOINER if text[:1].isspace() else "") + text.rstrip("\n") + ending


_END_BEFORE_UNINDENTED_LINE = re.compile(r"\n(?=\S)")
_WORD_JOINER = "\u2060"
"""The character U+2060, which has no width and is no white space."""
