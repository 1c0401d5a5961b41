"""The names of cassettes: readable, stable, legal on every file system."""

import hashlib
import re

LONGEST = 120
"""Characters of a name that are kept; file systems allow 255 bytes, Windows 260 characters with the folder's path."""

_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\s]+')
_PLAIN = re.compile(r"[A-Za-z0-9_.,=+\-\[\]]+")


def slug(text: str) -> str:
    """A file name for the text: itself where it is plain and short, else shortened with a hash of the whole.

    >>> slug("test_matrix[streaming+prompt_cache]")
    'test_matrix[streaming+prompt_cache]'
    """
    if len(text) <= LONGEST and _PLAIN.fullmatch(text) and not text.endswith("."):
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    ascii_text = text.encode("ascii", "replace").decode("ascii")
    return f"{_ILLEGAL.sub('-', ascii_text)[:LONGEST].strip('-. ')}-{digest}"
