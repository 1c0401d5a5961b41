"""Stage: copy the declared files of PROD to TEST, so that people can change them there."""

import os
from pathlib import Path

from flag_harness.errors import GateError, GateRefusalError
from flag_harness.files import write_atomically
from flag_harness.gate.declared.manifest import changed_paths, make_file_state, read_declared_file, read_manifest
from flag_harness.gate.prod.folder import ProductionFolder, refuse_interrupted_change, restore_command
from flag_harness.gate.prod.history import StagedFiles
from flag_harness.wording import join_names


def stage_files(prod: ProductionFolder, test: Path, *, overwrite: bool = False) -> list[str]:
    """Copy the declared files of PROD to TEST, and return the paths of the files that changed in TEST.

    Raise `GateRefusalError` if TEST has changes that would be lost and `overwrite` is False, or if PROD is being
    changed.
    """
    patterns, entries = prod.gate.file_patterns, prod.history.read_entries()
    refuse_interrupted_change(prod)
    files = read_manifest(prod.folder, patterns)
    present = read_manifest(test, patterns) if os.path.lexists(test) else {}
    paths = changed_paths(present, files)
    if present and paths and not overwrite:
        edited = join_names(path for path in paths if path in prod.find_modified_files(entries)) if entries else ""
        hint = (
            f"; if the edit of {edited} in PROD must not stay: {restore_command(entries[-1].number)}" if edited else ""
        )
        raise GateRefusalError(
            f"{test} differs from PROD in {join_names(paths)}; promote that first, or discard it with --overwrite{hint}"
        )
    contents = {path: read_declared_file(prod.folder, path) for path in paths if path in files}
    changed = any(make_file_state(data).digest != files[path].digest for path, data in contents.items())
    if changed:
        raise GateRefusalError("PROD changed while it was read; try again")
    refuse_interrupted_change(prod)
    try:
        for path in paths:
            if path in files:
                write_atomically(test / path, contents[path], is_executable=files[path].is_executable)
            else:
                (test / path).unlink()
    except OSError as error:
        raise GateError(f"{error.filename or test}: cannot be written: {error.strerror}") from None
    if not entries:
        prod.history.write_staged_files(StagedFiles(files, patterns))
    return paths
