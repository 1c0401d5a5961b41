"""Find bytecode that Python would run in place of the source that it lies beside."""

import marshal
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

_FLAG_OF_HASH_CHECKED_BYTECODE = 2


def has_bytecode_of_other_source(path: Path) -> bool:
    """Return whether importing a Python file would run cached bytecode that was not compiled from its source.

    Python trusts a cache whose time and size match the source, and one that says it needs no check.
    """
    cache = Path(cache_from_source(str(path)))
    if not cache.is_file():
        return False
    data, source, found = cache.read_bytes(), path.read_bytes(), path.stat()
    flags = int.from_bytes(data[4:8], "little")
    if flags & _FLAG_OF_HASH_CHECKED_BYTECODE:
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
