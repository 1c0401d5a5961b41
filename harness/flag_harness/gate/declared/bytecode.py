"""Find cached bytecode that Python would run instead of the source file next to it."""

import marshal
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

_HASH_CHECKED_BYTECODE_BIT = 2


def has_bytecode_of_other_source(path: Path) -> bool:
    """Return whether importing a Python file would run cached bytecode that was compiled from a different source.

    Python does not check the content: it trusts bytecode that has the time and size of the source, or is marked as
    unchecked.
    """
    cache = Path(cache_from_source(str(path)))
    if not cache.is_file():
        return False
    data, source, found = cache.read_bytes(), path.read_bytes(), path.stat()
    flags = int.from_bytes(data[4:8], "little")
    if flags & _HASH_CHECKED_BYTECODE_BIT:
        is_used = data[8:16] == source_hash(source)
    else:
        stamp = b"".join((int(number) & 0xFFFFFFFF).to_bytes(4, "little") for number in (found.st_mtime, found.st_size))
        is_used = bool(flags) or data[8:16] == stamp
    if data[:4] != MAGIC_NUMBER or not is_used:
        return False
    try:
        return bool(marshal.loads(data[16:]) != compile(source, str(path), "exec", dont_inherit=True))
    except (SyntaxError, ValueError, EOFError, TypeError):
        return True
