"""What the gate asks git: who wrote a file, and whether a commit has a valid signature."""

import os
import subprocess
from pathlib import Path

from flag_harness.errors import GateError

_TIMEOUT_SECONDS = 30
_COMMIT = "commit "


def identity(folder: Path) -> str:
    """Return the user that git is configured for, as `Name <email>`, or an empty string."""
    name, email = _git(folder, "config", "user.name"), _git(folder, "config", "user.email")
    return f"{name} <{email}>" if name and email else ""


def is_committed(path: Path) -> bool:
    """Return whether a file is in git, and is as the checked-out commit has it."""
    inside = _run(path.parent, "ls-files", "--error-unmatch", "--", path.name)
    return inside.returncode == 0 and _run(path.parent, "diff", "--quiet", "HEAD", "--", path.name).returncode == 0


def last_commit(path: Path) -> str:
    """Return the hash of the last commit that changed a file, or an empty string."""
    return _git(path.parent, "log", "-1", "--format=%H", "--", path.name)


def commit_author(path: Path) -> str:
    """Return the author's email of the last commit that changed a file, or an empty string."""
    return _git(path.parent, "log", "-1", "--format=%aE", "--", path.name).lower()


def has_valid_signature(folder: Path, commit: str) -> bool:
    """Return whether `git verify-commit` accepts the signature of a commit."""
    return bool(commit) and _run(folder, "verify-commit", commit).returncode == 0


def change_authors(path: Path, old: Path) -> set[str]:
    """Return the emails of all who wrote the change from the file `old` to the file `path`, co-authors included.

    These are the authors of the commits to `path` since git last had the content of `old`; all of them if it never had.
    """
    before = _git(path.parent, "hash-object", "--", str(old.absolute())) if old.is_file() else ""
    layout = f"--format={_COMMIT}%aE%x00%(trailers:key=Co-authored-by,valueonly,separator=%x00)"
    log = _git(path.parent, "log", layout, "--raw", "--no-abbrev", "-m", "--", path.name)
    authors: set[str] = set()
    pending: list[str] = []
    for line in log.splitlines():
        if line.startswith(_COMMIT):
            authors.update(pending)
            pending = [_email(one) for one in line.removeprefix(_COMMIT).split("\0") if one]
        elif line.startswith(":") and before and line.split()[3] == before:
            return authors
    return authors | set(pending)


def _email(author: str) -> str:
    return author.partition("<")[2].rstrip("> ").lower() if "<" in author else author.strip().lower()


def _git(folder: Path, *arguments: str) -> str:
    done = _run(folder, *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""


def _run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GateError(f"git cannot be run: {error}; install it, or start the command where git is") from None
