"""Hash the files that the gate declares, at the beginning and the end of a run, for the header of the record."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flag_harness.gate import Gate
    from flag_harness.record import GateFiles


class DeclaredFiles:
    """The files that a project's gate declares, in the folder `TEST`, or in the root if `TEST` is not set."""

    def __init__(self, root: Path) -> None:
        """Hash the files. Raise `HarnessError` if the gate's settings are invalid, or a file cannot be read."""
        from flag_harness.gate import read_gate

        self._gate: Gate | None = read_gate(root)
        self._folder = (self._gate.test if self._gate and self._gate.test else root).resolve()
        self._before = self._hash_files()

    def paths_of_imported_files(self) -> set[str]:
        """Return the paths of the declared files that this process has imported."""
        if self._gate is None:
            return set()
        declared = {self._folder / path: path for path in self._before}
        files = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
        return {declared[path] for file in files if file and (path := Path(file).resolve()) in declared}

    def make_gate_files(self, imported: Iterable[str]) -> "GateFiles | None":
        """Return the current hashes and the files that changed since the start, or None if the project has no gate.

        A file whose cached bytecode is that of another source counts as changed, because the run did not test it.
        """
        if self._gate is None:
            return None
        from flag_harness.gate.declared.bytecode import has_bytecode_of_other_source
        from flag_harness.gate.declared.manifest import paths_that_differ
        from flag_harness.record import GateFiles

        now = self._hash_files()
        stale = {path for path in now if path.endswith(".py") and has_bytecode_of_other_source(self._folder / path)}
        changed = tuple(sorted({*paths_that_differ(self._before, now), *stale}))
        return GateFiles(now, tuple(sorted({*imported})), changed, self._gate.policy_digest)

    def _hash_files(self) -> dict[str, str]:
        if self._gate is None or not self._folder.is_dir():
            return {}
        from flag_harness.gate.declared.manifest import file_digests, read_manifest

        return file_digests(read_manifest(self._folder, self._gate.files))
