"""Prepare texts of models and tools for the page, on which they are shown as text only."""

import re
from collections.abc import Iterator

from flag_harness.reference.logs import hide_secrets

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
"""Control characters, such as those of terminals, and characters that reverse the direction of what follows."""


def plain_text(text: str) -> str:
    """Return a text without keys, and with invisible characters made visible, such as `<U+001B>`."""
    shown: str = hide_secrets(text)
    return _INVISIBLE.sub(_visible, shown.replace("\r\n", "\n"))


def _visible(found: "re.Match[str]") -> str:
    return f"<U+{ord(found[0]):04X}>"


def split_text(text: str, size: int) -> Iterator[str]:
    """Split a text into parts of at most `size` characters, at ends of lines if possible.

    If the text grows, all parts but the last stay as they are.
    """
    start = 0
    while len(text) - start > size:
        cut = text.rfind("\n", start, start + size) + 1
        cut = cut if cut > start else text.rfind(" ", start, start + size) + 1
        cut = cut if cut > start else start + size
        yield text[start:cut]
        start = cut
    yield text[start:]
