"""Find the functions that are an agent's tools, and replace them wherever the project holds them."""

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from flag_harness.errors import ConfigError
from flag_harness.imports import import_attribute

ToolCallable: TypeAlias = Callable[..., Any]
_FUNCTIONS_SETTING = "[tool.flag-harness.sweep] functions"
_FUNCTION_ATTRIBUTES = ("call", "func", "function")
"""The attributes in which a tool object may hold its function. Error messages suggest the first one that exists."""


@dataclass(frozen=True, slots=True, eq=False)
class ToolFunction:
    """A function that is a tool, and its owner: the module, class or object that has it as an attribute.

    `has_self` is True if its first argument is the instance of a class.
    """

    name: str
    function: ToolCallable
    owner: Any
    attribute: str
    has_self: bool


def find_functions(names: Iterable[str], root: Path) -> list[ToolFunction]:
    """Import the functions with these names. Raise `ConfigError` if one cannot be found or is no function."""
    return [_find_function(name, root) for name in dict.fromkeys(names)]


def _find_function(name: str, root: Path) -> ToolFunction:
    function = import_attribute(name, f"{_FUNCTIONS_SETTING}: the function", "shop.tools:refund", root)
    if not inspect.isroutine(function):
        inner = [one for one in _FUNCTION_ATTRIBUTES if inspect.isroutine(getattr(function, one, None))]
        example = f", such as {name}.{inner[0]}" if inner else ""
        raise ConfigError(
            f"{_FUNCTIONS_SETTING}: {name!r} is no function; name the function that the agent calls{example}"
        )
    path, _, attribute = name.rpartition("." if "." in name.partition(":")[2] else ":")
    owner = import_attribute(path, _FUNCTIONS_SETTING, name) if ":" in path else sys.modules[path]
    has_self = isinstance(owner, type) and inspect.isfunction(inspect.getattr_static(owner, attribute))
    return ToolFunction(name, function, owner, attribute, has_self)


class FunctionReplacer:
    """Replaces functions by others in the attributes of the project's modules, and of their classes and objects."""

    def __init__(self, wrappers: Mapping[ToolFunction, ToolCallable], root: Path) -> None:
        self._folder = f"{root}{os.sep}"
        self._modules: dict[str, tuple[ModuleType, bool]] = {}
        self._replacements = {id(tool.function): (tool.function, new) for tool, new in wrappers.items()}
        for tool, new in wrappers.items():
            if not isinstance(tool.owner, ModuleType):
                is_static = isinstance(tool.owner, type) and not tool.has_self
                setattr(tool.owner, tool.attribute, staticmethod(new) if is_static else new)

    def replace_everywhere(self) -> None:
        """Replace the functions in the attributes of the project's modules, and in their lists, tuples and dicts."""
        for module_name, module in [*sys.modules.items()] if self._replacements else ():
            if self._is_project_module(module_name, module):
                for name, value in [*vars(module).items()]:
                    if (changed := self._replace_functions_in(value)) is not value:
                        setattr(module, name, changed)

    def _replace_functions_in(self, value: Any) -> Any:
        """Return the value with its functions replaced. Lists and dicts are changed in place."""
        if type(value) is list:
            value[:] = map(self._replacement_for, value)
        elif type(value) is dict:
            value.update({key: new for key, old in value.items() if (new := self._replacement_for(old)) is not old})
        elif type(value) is tuple and any(self._replacement_for(one) is not one for one in value):
            return tuple(map(self._replacement_for, value))
        return self._replacement_for(value)

    def _replacement_for(self, value: Any) -> Any:
        return self._replacements.get(id(value), (value, value))[1]

    def _is_project_module(self, name: str, module: ModuleType) -> bool:
        """Return whether a module is a file of the project.

        This must be fast, since every imported module is checked before each run of a test.
        """
        known = self._modules.get(name)
        if known is None or known[0] is not module:
            path = getattr(module, "__file__", None) or ""
            known = self._modules[name] = module, path.startswith(self._folder) and "site-packages" not in path
        return known[1]
