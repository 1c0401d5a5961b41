"""A copy of a checkout in which one file at a time is changed, and on which tests run."""

import compileall
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from mutant_judge import Verdict, file_of, read_rows

LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".*_cache", "__pycache__", ".coverage*", ".hypothesis")
MODULES = ("mutant_hits", "mutant_judge", "mutant_plugin")
"""What pytest imports from the folder of results."""
OPTIONS = ("-p", "mutant_plugin", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-q", "--no-header", "--tb=short")


@dataclass(frozen=True)
class Workshop:
    """A folder with a copy of a checkout, and the results of running its tests."""

    folder: Path
    checkout: Path

    @property
    def copy(self) -> Path:
        """The copy of the checkout."""
        return self.folder / "checkout"

    @cached_property
    def package(self) -> str:
        """The path of the package."""
        return next(
            one for one in ("harness/flag_harness", "harness") if (self.checkout / one / "__init__.py").exists()
        )

    @property
    def original(self) -> Path:
        """The package as it is."""
        return self.folder / "original"

    def set_up(self) -> None:
        """Copy the checkout, unless that has been done, and undo whatever has been changed."""
        if not self.original.exists():
            shutil.copytree(self.checkout, self.copy, ignore=LEFT_OUT, dirs_exist_ok=True)
            shutil.copytree(self.checkout / self.package, self.original, ignore=LEFT_OUT)
        for name in MODULES:
            shutil.copy(Path(__file__).with_name(f"{name}.py"), self.folder)
        self.restore()

    def restore(self) -> None:
        """Undo all changes. Bytecode is used only if the hash of its file is right."""
        package = self.copy / self.package
        shutil.rmtree(package)
        shutil.copytree(self.original, package)
        compileall.compile_dir(package, quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)

    def write(self, file: str, source: bytes) -> None:
        """Write a file of the package."""
        (self.copy / self.package / file).write_bytes(source)

    def source(self, file: str) -> bytes:
        """Return a file of the package as it was."""
        return (self.original / file).read_bytes()

    @property
    def call(self) -> str:
        """A function that tells whether a mutant is active. A process that has another PYTHONPATH finds it as well."""
        found = "__import__('sys').modules.get('mutant_hits')"
        path = f"__import__('sys').path.append({str(self.folder)!r})"
        return f"({found} or {path} or __import__('mutant_hits')).is_active"

    def run_tests(self, functions: Iterable[str], seconds: float) -> Verdict:
        """Run the tests of some functions to the first failure, in this order of their files."""
        selection = self.folder / "selection.txt"
        selection.write_text("\n".join(functions))
        (self.folder / "outcomes.jsonl").unlink(missing_ok=True)
        environ = {"MUTANTS_SELECTION": str(selection), "PYTHONDONTWRITEBYTECODE": "1"}
        status = self.run("-x", *dict.fromkeys(map(file_of, functions)), seconds=seconds, **environ)
        return Verdict(status, read_rows(self.folder / "outcomes.jsonl"))

    def run(self, *arguments: str, seconds: float | None = None, **environ: str) -> int | None:
        """Run pytest on the copy; return its status, or None if it takes longer than some seconds."""
        paths = os.pathsep.join(map(str, ((self.copy / self.package).parent, self.folder)))
        environ = {**os.environ, "PYTHONPATH": paths, **environ}
        command = [self.checkout / ".venv/bin/python", "-m", "pytest", *OPTIONS, *arguments]
        with (self.folder / "output.txt").open("w") as output:
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            pytest = subprocess.Popen(command, cwd=self.copy, env=environ, start_new_session=True, **streams)
            try:
                return pytest.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(pytest.pid, signal.SIGKILL)
                pytest.wait()
