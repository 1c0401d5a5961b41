"""Read the source files of a project."""

import os
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path, PurePath

_MAX_SOURCE_FILE_BYTES = 1_000_000
"""The size in bytes above which a file is not read, since such files are usually generated."""
_SKIPPED_FOLDER_NAMES = frozenset(
    {"node_modules", "venv", "env", "site-packages", "build", "dist", "__pycache__", "docs"}
)


MAX_CODE_FILES = 2_000
"""The most files of a project that are read to explain what its flags do."""


def read_code_files(root: Path, suffixes: Collection[str]) -> dict[str, str]:
    """Return the text of each readable file with one of the suffixes, by its path below `root`.

    Return an empty dict if there are more than `MAX_CODE_FILES` such files.
    """
    texts = dict(islice(source_texts(root, suffixes), MAX_CODE_FILES + 1))
    if len(texts) > MAX_CODE_FILES:
        return {}
    return {path.as_posix(): text for path, text in texts.items() if text is not None}


def source_texts(root: Path, suffixes: Collection[str]) -> Iterator[tuple[PurePath, str | None]]:
    """Yield the path below `root` and the text of each file that `source_paths` yields.

    The text is None if the file cannot be read.
    """
    for path in source_paths(root, suffixes):
        yield path, _read_text(root / path)


def source_paths(root: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Yield the path below `root` of each file with one of these suffixes.

    The files are sorted by folder and name. Hidden folders, virtual environments, and folders of dependencies, builds
    and documentation are left out, as are folders that cannot be opened.
    """
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            one
            for one in folders
            if one not in _SKIPPED_FOLDER_NAMES
            and not one.startswith(".")
            and not os.path.exists(os.path.join(folder, one, "pyvenv.cfg"))
        )
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix in suffixes and os.path.isfile(path) and path.stat().st_size <= _MAX_SOURCE_FILE_BYTES:
                yield path.relative_to(root)


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
