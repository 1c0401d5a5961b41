"""Explain why a flag changes nothing, from the Python code that reads its environment variable."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flag_harness.analysis.code.constants import inline_constants
from flag_harness.analysis.code.python_flags import (
    find_flag_reading_functions,
    parse_code,
    parse_variable_read,
    strings_compared_with,
)
from flag_harness.analysis.code.settings_classes import flags_in_settings_class
from flag_harness.analysis.code.unread_variables import find_unread_variables
from flag_harness.flag import Flag

_CACHING_DECORATORS = ("cache", "lru_cache", "cached_property")
_FUNCTION_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def explain_inert_flags(
    flags: Iterable[Flag], text_by_path: Mapping[str, str], declared: Iterable[Flag] = ()
) -> dict[str, str]:
    """Return why flags have no effect, by the flag's name. A flag is left out if no reason is found or it has no
    variable.

    `flags` are those that changed nothing in the tests. `text_by_path` has the text of each source file of the project,
    by path. `declared` are all flags of the project.
    """
    flags = list(flags)
    unread = find_unread_variables(flags, text_by_path, declared)
    reasons = {name: str(one) for name, one in unread.items()}
    flags = [flag for flag in flags if flag.name not in unread]
    return {**reasons, **(_explain_reads(flags, text_by_path) if flags else {})}


def _explain_reads(flags: Iterable[Flag], text_by_path: Mapping[str, str]) -> dict[str, str]:
    """Return why the places in the code that read the flags' variables have no effect, by the flag's name."""
    python = {path: text for path, text in text_by_path.items() if path.endswith(".py")}
    trees = {path: tree for path, text in python.items() if (tree := parse_code(text)) is not None}
    inline_constants(trees)
    modules = [_ParsedModule(path, tree) for path, tree in trees.items()]
    import_calls = {name for module in modules for name in module.import_calls}
    cached_calls = {name for module in modules for name in module.cached_calls}
    reasons = {}
    for flag in flags:
        reads = [read for module in modules for read in module.find_environment_reads(flag.env)] if flag.env else []
        if reason := _reason_why_reads_miss_flag(flag, reads, import_calls, cached_calls):
            reasons[flag.name] = reason
    return reasons


@dataclass(frozen=True, slots=True)
class _EnvironmentRead:
    """An expression that reads an environment variable.

    Attributes:
        location: the file and line.
        scope_names: the names of the functions and classes around the expression.
        is_read_at_import: whether the expression is evaluated when its module is imported.
        is_cached: whether a function around the expression caches its result.
        compared_words: the strings with which the code compares the value.
    """

    location: str
    scope_names: frozenset[str]
    is_read_at_import: bool
    is_cached: bool
    compared_words: tuple[str, ...] = ()


def _reason_why_reads_miss_flag(
    flag: Flag, reads: list[_EnvironmentRead], import_calls: set[str], cached_calls: set[str]
) -> str:
    """Return why these reads do not notice a flag that a test sets, or an empty string if no reason is found.

    `import_calls` are the functions that modules call when they are imported. `cached_calls` are the functions whose
    results are cached.
    """
    for read in reads:
        if read.is_read_at_import or read.scope_names & import_calls:
            return f"{read.location} reads {flag.env} at import, before the test sets it"
        if read.is_cached or read.scope_names & cached_calls:
            return f"{read.location} reads {flag.env} once and keeps it, so the first test that calls it decides"
    texts = {text.casefold() for text in (flag.on, flag.off) if text is not None}
    for read in reads if flag.is_boolean else ():
        if read.compared_words and texts.isdisjoint(word.casefold() for word in read.compared_words):
            words = " or ".join(map(repr, read.compared_words))
            return f"{read.location} compares {flag.env} with {words}, and the flag sets it to {flag.on or flag.off!r}"
    return ""


class _ParsedModule:
    """One parsed Python file, with what is needed to find out when an expression is evaluated."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self._path, self._nodes = path, list(ast.walk(tree))
        self._parents = {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}
        self._helpers = find_flag_reading_functions(tree)
        calls = [(node, _name_of_called_function(node)) for node in self._nodes if isinstance(node, ast.Call)]
        self.import_calls = {name for node, name in calls if self._runs_at_import(node)}
        self.cached_calls = {name for node, name in calls if self._is_inside_cached_function(node)}

    def find_environment_reads(self, variable: str) -> Iterator[_EnvironmentRead]:
        """Yield each expression that reads an environment variable, and each field of a settings class that is read
        from it.
        """
        for node in self._nodes:
            if isinstance(node, ast.ClassDef):
                for flag in flags_in_settings_class(node, self._path):
                    if flag.key == variable.upper():
                        yield _EnvironmentRead(
                            flag.location, frozenset({node.name}), is_read_at_import=False, is_cached=False
                        )
            elif (read := parse_variable_read(node, self._helpers)) is not None and read[0] == variable:
                words, _ = strings_compared_with(node, self._parents)
                scopes = frozenset(name for one in self._enclosing_nodes(node) if (name := getattr(one, "name", "")))
                place = f"{self._path}:{getattr(node, 'lineno', 1)}"
                yield _EnvironmentRead(
                    place, scopes, self._runs_at_import(node), self._is_inside_cached_function(node), tuple(words)
                )

    def _runs_at_import(self, node: ast.AST) -> bool:
        """Return whether a node is evaluated when the module is imported.

        A node is not if it is inside a function or `if __name__ == "__main__":`.
        """
        return not any(isinstance(one, _FUNCTION_NODES) or is_main_guard(one) for one in self._enclosing_nodes(node))

    def _is_inside_cached_function(self, node: ast.AST) -> bool:
        """Return whether a node is inside a function that has a caching decorator, such as `lru_cache`."""
        return any(
            decorator_name(decorator) in _CACHING_DECORATORS
            for one in self._enclosing_nodes(node)
            for decorator in getattr(one, "decorator_list", ())
        )

    def _enclosing_nodes(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes that contain a node, the innermost first."""
        while (parent := self._parents.get(node)) is not None:
            yield parent
            node = parent


def _name_of_called_function(call: ast.Call) -> str:
    """Return the name of the function or method that is called, without its module, or an empty string if
    it has none.
    """
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def decorator_name(decorator: ast.expr) -> str:
    """Return the name of a decorator without its module and arguments, or an empty string."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return str(getattr(function, "attr", getattr(function, "id", "")))


def is_main_guard(node: ast.AST) -> bool:
    """Return whether a node is `if __name__ == "__main__":` or another `if` that tests `__name__`."""
    return isinstance(node, ast.If) and any(getattr(one, "id", "") == "__name__" for one in ast.walk(node.test))
