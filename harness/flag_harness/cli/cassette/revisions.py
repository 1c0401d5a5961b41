"""Load cassettes as they are in a git revision, such as `HEAD:recordings/x.json`."""

import hashlib
import posixpath
import subprocess
from collections.abc import Sequence
from pathlib import Path

from flag_harness.cassette import Interaction
from flag_harness.cassette.cassette import open_cassette
from flag_harness.cassette.file.format import decode_cassette
from flag_harness.errors import CassetteError


def read_file_or_revision(name: Path) -> Sequence[Interaction]:
    """Return the interactions of a file, or of a git revision if no such file exists: `HEAD:recordings/x.json`.

    Raise `CassetteError` if it cannot be read.
    """
    revision, _, path = str(name).partition(":")
    if not path or len(revision) < 2 or name.exists():  # one letter is a drive
        return open_cassette(name).interactions

    def read_blob(folder: str, blob: str) -> bytes:
        start = "./" if path.startswith(".") else ""
        data = _read_git_file(f"{revision}:{start}{posixpath.normpath(f'{posixpath.dirname(path)}/{folder}/{blob}')}")
        if hashlib.sha256(data).hexdigest() != blob:
            raise ValueError(f"its blob {folder}/{blob} was altered")
        return data

    try:
        return decode_cassette(_read_git_file(str(name)), read_blob).interactions
    except ValueError as error:
        raise CassetteError(f"{name}: cannot be read as a cassette: {error}") from None


def _read_git_file(name: str) -> bytes:
    """Return the bytes of a file in a git revision. Raise `ValueError` if git does not find it."""
    try:
        return subprocess.run(["git", "show", name], check=True, capture_output=True).stdout
    except FileNotFoundError:
        raise ValueError("git is not installed, and there is no such file") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ValueError(f"git does not find {name} ({lines[0] if lines else 'git failed'})") from None
