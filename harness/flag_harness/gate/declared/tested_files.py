"""Hash the declared files (those that may go to PROD) at the beginning and end of a run, for the header of the run
record.
"""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from flag_harness.audit_hook import audit_hook

if TYPE_CHECKING:
    from flag_harness.gate import GateSettings
    from flag_harness.record import GateFiles

FileUse: TypeAlias = tuple[str, str]
"""How a run used a declared file (imported, opened, or opened in PROD), and the path of that file."""
_IMPORTED_USE, _OPENED_USE, _OPENED_IN_PROD_USE = _USES = ("imported", "opened", "opened in PROD")


class OpenedFiles:
    """Collects the paths of all files that this process opens, by an audit hook that stays until the process ends."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._is_paused = False
        audit_hook().install_handlers({"open": self._note_opened_file})

    @property
    def paths(self) -> set[Path]:
        """The absolute paths of the files that were opened so far, with symbolic links resolved."""
        return {Path(path).resolve() for path in [*self._paths]}

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Collect no paths inside the context."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def _note_opened_file(self, path: Any, *_: Any) -> None:
        """Collect the path of a file, unless it is opened by its descriptor.

        Errors are suppressed: the code that opens the file would get them.
        """
        if not self._is_paused and isinstance(path, str | bytes | os.PathLike):
            with contextlib.suppress(OSError, ValueError):
                self._paths.add(os.path.abspath(os.fsdecode(path)))


class DeclaredFiles:
    """The files that the project's gate declares, in the folder `TEST`, or in `root` if `TEST` is not set."""

    def __init__(self, root: Path) -> None:
        """Hash the declared files of the project in `root`.

        Raise `HarnessError` if the gate's settings are invalid, or a file cannot be read.
        """
        from flag_harness.gate import read_gate_settings

        self._gate: GateSettings | None = read_gate_settings(root)
        self._folder = (self._gate.test_folder if self._gate and self._gate.test_folder else root).resolve()
        self._opened = OpenedFiles() if self._gate else None
        self._digests_at_start = self._hash_files()

    def find_uses(self) -> set[FileUse]:
        """Return how this process has used each declared file: imported or opened from `TEST`, or opened in `PROD`."""
        if self._gate is None or self._opened is None:
            return set()
        files = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
        imported, opened = {Path(file).resolve() for file in files if file}, self._opened.paths
        found = {(_IMPORTED_USE, path) for path in self._digests_at_start if self._folder / path in imported}
        found |= {(_OPENED_USE, path) for path in self._digests_at_start if self._folder / path in opened}
        prod = self._gate.prod_folder.resolve() if self._gate.prod_folder else self._folder
        if prod != self._folder:
            found |= {(_OPENED_IN_PROD_USE, path) for path in self._digests_at_start if prod / path in opened}
        return found

    def make_gate_files(self, uses: Iterable[FileUse]) -> "GateFiles | None":
        """Return the current hashes of the declared files, their uses, and which of them changed since the start of the
        run.

        Return None if the project has no gate. `uses` are the uses by all processes of the run. A file whose cached
        bytecode was compiled from another source counts as changed, because the run did not test the file.
        """
        if self._gate is None:
            return None
        from flag_harness.gate.declared.bytecode import has_bytecode_of_other_source
        from flag_harness.gate.declared.manifest import changed_paths
        from flag_harness.record import GateFiles

        uses, now = [*uses], self._hash_files()
        stale = {path for path in now if path.endswith(".py") and has_bytecode_of_other_source(self._folder / path)}
        changed = tuple(sorted({*changed_paths(self._digests_at_start, now), *stale}))
        used = {how: tuple(sorted({path for one, path in uses if one == how})) for how in _USES}
        policy = self._gate.policy_digest
        return GateFiles(now, used[_IMPORTED_USE], changed, policy, used[_OPENED_USE], used[_OPENED_IN_PROD_USE])

    def _hash_files(self) -> dict[str, str]:
        if self._gate is None or self._opened is None or not self._folder.is_dir():
            return {}
        from flag_harness.gate.declared.manifest import file_digests, read_manifest

        with self._opened.pause():
            return file_digests(read_manifest(self._folder, self._gate.file_patterns))
