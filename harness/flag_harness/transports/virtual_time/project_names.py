"""The functions of `time` that the modules of a project have imported by name."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

_INSTALLED_PACKAGE_FOLDERS = ("site-packages", "dist-packages")


class ImportedTimeFunctions:
    """Finds names such as `sleep`, imported by `from time import sleep`, in the modules below a project's folder.

    Installed packages are left out. Keep one instance for all tests of a run, since it reads each module only once.
    """

    def __init__(self, root: Path) -> None:
        self._folder = f"{root}{os.sep}"
        self._scanned_modules: dict[str, object] = {}
        self._bindings: list[tuple[ModuleType, str]] = []
        self._functions: frozenset[int] = frozenset()

    def find_bindings(self, replacement_by_id: Mapping[int, Any]) -> Iterator[tuple[ModuleType, str, Any]]:
        """Yield (module, name, replacement) for each name that was imported from `time`.

        `replacement_by_id` has the replacements of functions of `time`, by the `id()` of the function.
        """
        if self._functions != replacement_by_id.keys():  # somebody else has replaced a function of `time`
            self._functions = frozenset(replacement_by_id)
            self._scanned_modules, self._bindings = {}, []
        if len(self._scanned_modules) != len(sys.modules):
            self._scan_new_modules(replacement_by_id)
        for module, name in self._bindings:
            if (replacement := replacement_by_id.get(id(vars(module).get(name)))) is not None:
                yield module, name, replacement

    def _scan_new_modules(self, replacement_by_id: Mapping[int, Any]) -> None:
        """Find the names of replaced functions in project modules that have been imported since the last scan."""
        modules = dict(sys.modules)
        for key, module in modules.items():
            if self._scanned_modules.get(key) is not module and self._is_project_module(module):
                self._bindings += [
                    (module, name) for name, value in vars(module).items() if id(value) in replacement_by_id
                ]
        self._scanned_modules = dict[str, object](modules)

    def _is_project_module(self, module: object) -> bool:
        """Return whether a module's file is below the project's folder and is not installed."""
        names = getattr(module, "__dict__", {})
        file = names.get("__file__")
        if not isinstance(file, str) or not file.startswith(self._folder):
            return False
        return not str(names.get("__name__")).startswith("flag_harness") and not any(
            one in file for one in _INSTALLED_PACKAGE_FOLDERS
        )
