"""Stage: copy the declared files of PROD to TEST, where they may be changed."""

import os
from pathlib import Path

from flag_harness.errors import GateError, GateRefusalError
from flag_harness.files import write_atomically
from flag_harness.gate.declared.manifest import make_file_state, paths_that_differ, read_file, read_manifest
from flag_harness.gate.prod.journalled_change import describe_interruption
from flag_harness.gate.prod.promotion import ProductionFolder
from flag_harness.wording import join_names


def stage_files(prod: ProductionFolder, test: Path, *, overwrite: bool = False) -> list[str]:
    """Copy the declared files of PROD to TEST, and return the paths that changed in TEST.

    Raise `GateRefusalError` if TEST has changes that would be lost, unless `overwrite` discards them, or if PROD is
    being changed.
    """
    patterns = prod.gate.files
    files = read_manifest(prod.folder, patterns)
    present = read_manifest(test, patterns) if os.path.lexists(test) else {}
    paths = paths_that_differ(present, files)
    if present and paths and not overwrite:
        raise GateRefusalError(
            f"{test} differs from PROD in {join_names(paths)}; promote that first, or discard it with --overwrite"
        )
    contents = {path: read_file(prod.folder, path) for path in paths if path in files}
    changed = any(make_file_state(data).digest != files[path].digest for path, data in contents.items())
    if changed or (interruption := describe_interruption(prod.history, prod.folder)):
        raise GateRefusalError("PROD changed while it was read; try again" if changed else interruption)
    try:
        for path in paths:
            if path in files:
                write_atomically(test / path, contents[path], is_executable=files[path].is_executable)
            else:
                (test / path).unlink()
    except OSError as error:
        raise GateError(f"{error.filename or test}: cannot be written: {error.strerror}") from None
    return paths
