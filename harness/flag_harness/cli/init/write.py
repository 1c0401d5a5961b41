"""Write the files that `flag-harness init` proposes, and take them back."""

from dataclasses import dataclass
from pathlib import Path

from flag_harness.cli.init.plan import Plan
from flag_harness.errors import InitError
from flag_harness.files import write_atomically


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """The files that were written for a plan.

    Attributes:
        pyproject: the path of pyproject.toml, and its content before; None if it did not exist.
        lines: what was written, for the terminal.
    """

    root: Path
    created: tuple[Path, ...]
    pyproject: tuple[Path, bytes | None]
    lines: tuple[str, ...]

    def undo(self) -> None:
        """Remove the files, and the folders that are empty without them; restore pyproject.toml."""
        path, old = self.pyproject
        if old is None:
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, old)
        for one in self.created:
            one.unlink(missing_ok=True)
            for folder in one.relative_to(self.root).parents:
                if (self.root / folder).is_dir() and not any((self.root / folder).iterdir()):
                    (self.root / folder).rmdir()


def write_plan(plan: Plan, root: Path) -> WrittenPlan:
    """Write the files of the plan, or none of them. Raise `InitError` if one cannot be written."""
    created: list[Path] = []
    lines: list[str] = []
    pyproject = root / "pyproject.toml"
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
            for one in created:
                one.unlink()
            raise InitError(f"{file.path} cannot be written, so nothing was written: {error}") from None
    return WrittenPlan(root, tuple(one for one in created if one != pyproject), (pyproject, before), tuple(lines))
