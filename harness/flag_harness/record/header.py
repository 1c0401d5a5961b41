"""The header of a run record: which code ran, how, and when."""

from typing import Any

import msgspec

from flag_harness.record.verdict import VerdictRecord

FORMAT_VERSION = 1
"""The version of the file format.

It is raised if older releases would misread a file; a new key alone does not raise it.
"""


class GateFiles(msgspec.Struct, frozen=True):
    """The files that the gate declares, as a run found them in the folder `TEST`. Paths are relative to that folder.

    Attributes:
        digests: the SHA-256 of each file, by path.
        imported: the paths of the files that the run imported as Python modules.
        opened: the paths of the files that the run opened in `TEST`, or None in records of earlier versions. What
            subprocesses open is not known, nor what a conftest.py opens while it is loaded.
        opened_in_prod: the paths of the files that the run opened in `PROD`.
        changed: the paths of the files that were added, changed or removed during the run, and of those whose
            cached bytecode was compiled from another source.
        policy: the digest of the gate's policy when the run began.
    """

    digests: dict[str, str]
    imported: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    policy: str = ""
    opened: tuple[str, ...] | None = None
    opened_in_prod: tuple[str, ...] = ()


class RunHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a run as a whole.

    Attributes:
        flag_harness_record: the version of the format, `FORMAT_VERSION`. This key marks the first line of a record.
        package: the version of flag-harness.
        sdk: the version of the package `anthropic`, or an empty string if it is not installed.
        python: the version of Python, such as `3.12.1`.
        started_at: when the run began, in ISO 8601.
        seconds: how long the run took; 0 if it was killed before its end.
        commit: the commit that git has checked out, or an empty string.
        is_dirty: True if tracked files differ from that commit.
        options: the options of this package that the command line had, without secrets.
        root_options: the options `-c` and `--rootdir`, if the run had them, with paths relative to pytest's root.
        folder: the path of pytest's root in its git repository; empty if it is the top of the repository, or in none.
        left_out_by: the option in effect that left out whole files of tests, such as `--lf`, or empty.
        ignored: the paths that `--ignore` left out, and the modules that skipped themselves, relative to pytest's root.
        selected: the paths and node ids that the command line named, relative to pytest's root; empty for all tests.
        deselected: the node ids of the tests that were deselected, as by `-k`.
        flags: the declared flags by name, each with its source, its values and its default.
        flag_order: the names of the flags in the order in which they are declared.
        files: the SHA-256 of each project file that the run imported or read, by path relative to pytest's root.
        content: what was kept of failed tests: `none`, `masked` or `full`.
        shards: the number of runs that were merged into this record.
        shard: which part of the tests ran, such as `1/3`; empty if it is all of them.
        exit_status: how pytest ended: 0 if all tests passed, 1 if some failed, -1 if it did not come to its end.
        tested: the files that the gate declares, or None if the project declares none.
        verdicts: the verdicts on flags, if the run was asked for any.
    """

    flag_harness_record: int = FORMAT_VERSION
    package: str = ""
    sdk: str = ""
    python: str = ""
    started_at: str = ""
    seconds: float = 0.0
    commit: str = ""
    is_dirty: bool = False
    options: tuple[str, ...] = ()
    root_options: tuple[str, ...] = ()
    folder: str = ""
    left_out_by: str = ""
    ignored: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()
    flags: dict[str, dict[str, Any]] = {}
    flag_order: tuple[str, ...] = ()
    files: dict[str, str] = {}
    content: str = "none"
    shards: int = 1
    shard: str = ""
    exit_status: int = -1
    tested: GateFiles | None = None
    verdicts: tuple[VerdictRecord, ...] = ()
