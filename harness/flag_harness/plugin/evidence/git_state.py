"""Ask git which commit is checked out, and whether files differ from it."""

import os
import subprocess
from pathlib import Path

_GIT_TIMEOUT_SECONDS = 10


def git_commit_and_dirtiness(root: Path) -> tuple[str, bool]:
    """Return the git commit that is checked out, and whether tracked files differ from it.

    If git or a repository is missing, return an empty string and False.
    """
    commit = _git_output(root, "rev-parse", "HEAD")
    return (commit, bool(_git_output(root, "status", "--porcelain", "--untracked-files=no"))) if commit else ("", False)


def _git_output(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_SECONDS, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
