"""Questions that the gate asks git, such as who wrote a file and whether a commit has a valid signature."""

import os
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

from flag_harness.errors import GateError

_GIT_TIMEOUT_SECONDS = 30
_COMMIT_LINE_PREFIX = "commit "


def user_in_git_config(folder: Path) -> str:
    """Return the user in git's configuration as `Name <email>`, or an empty string if none is configured."""
    name, email = _git_output(folder, "config", "user.name"), _git_output(folder, "config", "user.email")
    return f"{name} <{email}>" if name and email else ""


def is_file_committed(folder: Path, path: str) -> bool:
    """Return whether git tracks a path of the folder, and the path is as in the checked-out commit.

    A removed file counts as committed if a commit removed it. File contents are compared, too, because git can be told
    to assume that a file is unchanged.
    """
    status = _run_git(folder, "status", "--porcelain", "--ignored", "--", _literal_pathspec(path))
    if status.returncode != 0 or status.stdout or not last_commit(folder, path):
        return False
    mode, _, found = _git_output(folder, "ls-tree", "HEAD", "--", f"./{path}").partition(" ")
    blob = found.partition(" ")[2].partition("\t")[0]
    file = folder / path
    return (mode, blob) == _git_mode_and_blob(folder, file, is_executable=file.is_file() and _may_owner_execute(file))


def uncommitted_paths(folder: Path, paths: Iterable[str]) -> list[str]:
    """Return the sorted paths whose present content is not in the checked-out commit. Paths are relative to the folder.

    Missing files, and files outside of a repository, count as uncommitted.
    """
    listed = _git_output(folder, "ls-tree", "-r", "-z", "HEAD", "--", ".").split("\0")
    committed = {path: entry.split()[-1] for entry, _, path in (one.partition("\t") for one in listed if one)}
    known = sorted(path for path in {*paths} if path in committed and (folder / path).is_file())
    names = "".join(f"{(folder / path).absolute()}\n" for path in known)
    hashes = _run_git(folder, "hash-object", "--stdin-paths", stdin=names).stdout.split()
    unchanged = {path for path, blob in zip(known, hashes, strict=False) if committed[path] == blob}
    return sorted({*paths} - unchanged)


def last_commit(folder: Path, path: str) -> str:
    """Return the hash of the last commit that changed a path, or an empty string if no commit did."""
    return _git_output(folder, "log", "-1", "--format=%H", "--", _literal_pathspec(path))


def author_of_last_commit(folder: Path, path: str) -> str:
    """Return the author's email of the last commit that changed a path, or an empty string if no commit did."""
    return _git_output(folder, "log", "-1", "--format=%aE", "--", _literal_pathspec(path)).lower()


def emails_of_last_commit(folder: Path, path: str) -> set[str]:
    """Return the emails of the author and the signer of the last commit that changed a path.

    The author's email is included both as written and as `.mailmap` maps it.
    """
    people = _git_output(folder, "log", "-1", "--format=%ae%x00%aE%x00%GS", "--", _literal_pathspec(path))
    return {_email_of_author(one) for one in people.split("\0") if one}


def has_valid_signature(folder: Path, commit: str) -> bool:
    """Return whether `git verify-commit` accepts the signature of a commit."""
    return bool(commit) and _run_git(folder, "verify-commit", commit).returncode == 0


def emails_of_change_authors(folder: Path, path: str, old: Path, *, is_executable: bool) -> set[str]:
    """Return the emails of the authors and co-authors of the commits that changed the file `old` into `path` in
    `folder`.

    These are the commits since the path last had the content of `old` and the permission `is_executable`, or all
    commits of the path if it never had them. Emails are included both as written and as `.mailmap` maps them. Either
    file may be missing.
    """
    layout = f"--format={_COMMIT_LINE_PREFIX}%ae%x00%aE%x00%(trailers:key=Co-authored-by,valueonly,separator=%x00)"
    log = _git_output(
        folder, "log", layout, "--raw", "--no-abbrev", "--no-renames", "-m", "--", _literal_pathspec(path)
    )
    before, authors, pending = _git_mode_and_blob(folder, old, is_executable=is_executable), set[str](), list[str]()
    for line in log.splitlines():
        if line.startswith(_COMMIT_LINE_PREFIX):
            authors.update(pending)
            pending = [_email_of_author(one) for one in line.removeprefix(_COMMIT_LINE_PREFIX).split("\0") if one]
        elif line.startswith(":") and (line.split()[1], line.split()[3]) == before:
            return authors
    return authors | set(pending)


def email_in_git_config(folder: Path) -> str:
    """Return the user's email in git's configuration in lower case, or an empty string if none is configured."""
    return _git_output(folder, "config", "user.email").lower()


def _may_owner_execute(file: Path) -> bool:
    return bool(file.stat().st_mode & stat.S_IXUSR)


def _git_mode_and_blob(folder: Path, file: Path, *, is_executable: bool) -> tuple[str, str]:
    """Return the mode and the blob hash that git would store for a file, or two empty strings if the file
    is missing.
    """
    if not file.is_file():
        return "", ""
    mode = "100755" if is_executable else "100644"
    return mode, _git_output(folder, "hash-object", "--", str(file.absolute()))


def _literal_pathspec(path: str) -> str:
    """Return a pathspec for git that matches exactly this path, even if it contains `*` or other special characters."""
    return f":(literal){path}"


def _email_of_author(author: str) -> str:
    return author.partition("<")[2].rstrip("> ").lower() if "<" in author else author.strip().lower()


def _git_output(folder: Path, *arguments: str) -> str:
    done = _run_git(folder, *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""


def _run_git(folder: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C"}
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_SECONDS,
            check=False,
            env=environment,
            input=stdin,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GateError(f"git cannot be run: {error}; install git, or add it to PATH") from None
