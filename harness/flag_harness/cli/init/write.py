"""Write the files that `flag-harness init` proposes, and remove them again if the test cannot be run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flag_harness.cli.init.plan import InitPlan
from flag_harness.config.root import PYPROJECT
from flag_harness.errors import InitError
from flag_harness.files import write_atomically


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """The files that were written for a plan.

    Attributes:
        created_files: the paths of the files that did not exist.
        pyproject_before: the earlier content of pyproject.toml, or None if it did not exist.
        report_lines: what was written, for the terminal.
    """

    root_folder: Path
    created_files: tuple[Path, ...]
    pyproject_before: bytes | None
    report_lines: tuple[str, ...]

    def remove_written_files(self) -> None:
        """Remove the files that were created, and folders that are empty then. Restore the earlier pyproject.toml."""
        _remove_files_and_empty_folders(self.created_files, self.root_folder)
        if self.pyproject_before is not None:
            write_atomically(self.root_folder / PYPROJECT, self.pyproject_before)


def write_plan(plan: InitPlan, root: Path) -> WrittenPlan:
    """Write the files of the plan, or none of them. Raise `InitError` if one cannot be written."""
    created: list[Path] = []
    lines: list[str] = []
    pyproject = root / PYPROJECT
    before = pyproject.read_bytes() if pyproject.exists() else None
    for file in sorted(plan.files, key=lambda file: file.path == pyproject.name):
        path = root / file.path
        try:
            if path == pyproject and before is not None:
                old = before.decode("utf-8").rstrip()
                write_atomically(path, (f"{old}\n\n{file.text}" if old else file.text).encode())
                lines.append(f"added to  {file.path}")
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, file.text.encode())
                created.append(path)
                lines.append(f"wrote     {file.path}")
        except OSError as error:
            _remove_files_and_empty_folders(created, root)
            raise InitError(f"{file.path} cannot be written, so nothing was written: {error}") from None
    return WrittenPlan(root, tuple(created), before, tuple(lines))


def _remove_files_and_empty_folders(paths: Iterable[Path], root: Path) -> None:
    """Remove files below `root`, and the folders that are empty without them."""
    for path in paths:
        path.unlink(missing_ok=True)
        for folder in path.relative_to(root).parents:
            if (root / folder).is_dir() and not any((root / folder).iterdir()):
                (root / folder).rmdir()
