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
        digest_by_path: the SHA-256 of each declared file.
        imported_paths: the paths of the files that the run imported as Python modules.
        opened_paths: the paths of the files that the run opened in `TEST`, or None in records of earlier versions. What
            subprocesses open is not known, nor what a conftest.py opens while it is loaded.
        paths_opened_in_prod: the paths of the files that the run opened in `PROD`.
        changed_paths: the paths of the files that were added, changed or removed during the run, and of those whose
            cached bytecode was compiled from another source.
        policy_digest: the digest of the gate's policy when the run began.
    """

    digest_by_path: dict[str, str] = msgspec.field(name="digests")
    imported_paths: tuple[str, ...] = msgspec.field(name="imported", default=())
    changed_paths: tuple[str, ...] = msgspec.field(name="changed", default=())
    policy_digest: str = msgspec.field(name="policy", default="")
    opened_paths: tuple[str, ...] | None = msgspec.field(name="opened", default=None)
    paths_opened_in_prod: tuple[str, ...] = msgspec.field(name="opened_in_prod", default=())


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
        folder_in_repository: the path of pytest's root in its git repository; empty if the root is the top of the
            repository, or in no repository.
        left_out_by: an option that left out tests without reporting which, such as `--lf`, or empty.
        ignored_paths: the paths that `--ignore` left out, and the modules that skipped themselves, relative to pytest's
            root.
        selected_tests: the paths and node ids that the command line named, relative to pytest's root; empty if it named
            none, so that all tests ran.
        deselected: the node ids of the tests that were deselected, as by `-k`.
        flags: the declared flags by name, each with its source, its values and its default.
        flag_order: the names of the flags in the order in which they are declared.
        digest_by_file: the SHA-256 of each project file that the run imported or read, by path relative to pytest's
            root.
        content_level: how much of the traffic of failed tests was kept: `none`, `masked` (without personal data) or
            `full`.
        shard_count: the number of runs that were merged into this record.
        shard: which part of the tests ran, such as `1/3`; empty if the run was not split.
        exit_status: how pytest ended: 0 if all tests passed, 1 if some failed, -1 if it did not come to its end.
        gate_files: the files that the gate declares, or None if the project declares none.
        verdicts: the verdicts on flags, if the run had `--harness-verdict`.
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
    folder_in_repository: str = msgspec.field(name="folder", default="")
    left_out_by: str = ""
    ignored_paths: tuple[str, ...] = msgspec.field(name="ignored", default=())
    selected_tests: tuple[str, ...] = msgspec.field(name="selected", default=())
    deselected: tuple[str, ...] = ()
    flags: dict[str, dict[str, Any]] = {}
    flag_order: tuple[str, ...] = ()
    digest_by_file: dict[str, str] = msgspec.field(name="files", default_factory=dict)
    content_level: str = msgspec.field(name="content", default="none")
    shard_count: int = msgspec.field(name="shards", default=1)
    shard: str = ""
    exit_status: int = -1
    gate_files: GateFiles | None = msgspec.field(name="tested", default=None)
    verdicts: tuple[VerdictRecord, ...] = ()
