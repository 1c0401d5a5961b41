"""Hash the files that the gate declares, at the beginning and the end of a run, for the header of the record."""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from flag_harness.gate import GateSettings
    from flag_harness.record import GateFiles

PathAndUse: TypeAlias = tuple[str, str]
"""How a run used a declared file, and the path of that file."""
_IMPORTED_USE, _OPENED_USE, _OPENED_IN_PROD_USE = _USES = ("imported", "opened", "opened in PROD")


class OpenedFiles:
    """Collects the paths of the files that this process opens, with an audit hook, which Python never removes."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._is_paused = False
        sys.addaudithook(self._note_event)

    @property
    def paths(self) -> set[Path]:
        """The absolute paths, without links, of the files that were opened so far."""
        return {Path(path).resolve() for path in [*self._paths]}

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Do not collect what is opened meanwhile."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def _note_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Collect the path of an event `open`. An error here would be raised by the code that opens the file."""
        if event == "open" and not self._is_paused and isinstance(arguments[0], str | bytes | os.PathLike):
            with contextlib.suppress(OSError, ValueError):
                self._paths.add(os.path.abspath(os.fsdecode(arguments[0])))


class DeclaredFiles:
    """The files that a project's gate declares, in the folder `TEST`, or in the root if `TEST` is not set."""

    def __init__(self, root: Path) -> None:
        """Hash the files. Raise `HarnessError` if the gate's settings are invalid, or a file cannot be read."""
        from flag_harness.gate import read_gate

        self._gate: GateSettings | None = read_gate(root)
        self._folder = (self._gate.test if self._gate and self._gate.test else root).resolve()
        self._opened = OpenedFiles() if self._gate else None
        self._digests_at_start = self._hash_files()

    def find_uses(self) -> set[PathAndUse]:
        """Return which declared files this process has imported or opened, in `TEST` and in `PROD`."""
        if self._gate is None or self._opened is None:
            return set()
        files = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
        imported, opened = {Path(file).resolve() for file in files if file}, self._opened.paths
        found = {(_IMPORTED_USE, path) for path in self._digests_at_start if self._folder / path in imported}
        found |= {(_OPENED_USE, path) for path in self._digests_at_start if self._folder / path in opened}
        prod = self._gate.prod.resolve() if self._gate.prod else self._folder
        if prod != self._folder:
            found |= {(_OPENED_IN_PROD_USE, path) for path in self._digests_at_start if prod / path in opened}
        return found

    def make_gate_files(self, uses: Iterable[PathAndUse]) -> "GateFiles | None":
        """Return the current hashes and the files that changed since the start, or None if the project has no gate.

        `uses` are those of all processes. A file whose cached bytecode is that of another source counts as changed,
        because the run did not test it.
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
            return file_digests(read_manifest(self._folder, self._gate.files))
