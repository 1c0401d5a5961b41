"""Walk the source files of a project."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

_MAX_BYTES = 1_000_000
"""Longer files are not read: they are generated."""
_SKIPPED_FOLDERS = frozenset({"node_modules", "venv", "env", "site-packages", "build", "dist", "__pycache__", "docs"})


def source_files(root: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Yield the files below `root` with one of these suffixes, sorted by folder and name.

    Hidden folders, virtual environments, and folders of dependencies, builds and documentation are left out.
    """
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            one
            for one in folders
            if one not in _SKIPPED_FOLDERS and not one.startswith(".") and not Path(folder, one, "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix in suffixes and path.is_file() and path.stat().st_size <= _MAX_BYTES:
                yield path
