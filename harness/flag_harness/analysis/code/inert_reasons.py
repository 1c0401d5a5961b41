"""Why a flag changes nothing, as far as the Python code that reads its variable shows."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flag_harness.analysis.code.python_flags import (
    compared_words,
    helper_names,
    parse_code,
    settings_flags,
    variable_read,
)
from flag_harness.flag import Flag

_CACHES = ("cache", "lru_cache", "cached_property")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def inert_reasons(flags: Iterable[Flag], sources: Mapping[str, str]) -> dict[str, str]:
    """Return a dictionary from the names of flags that change nothing to the reason.

    A flag without a variable, or without a known reason, is left out.

    `sources` has the text of each Python file of the project, by path.
    """
    modules = [_Module(path, tree) for path, text in sources.items() if (tree := parse_code(text)) is not None]
    import_calls = {name for module in modules for name in module.import_calls}
    kept_calls = {name for module in modules for name in module.kept_calls}
    reasons = {}
    for flag in flags:
        reads = [read for module in modules for read in module.reads(flag.env)] if flag.env else []
        if reason := _reason(flag, reads, import_calls, kept_calls):
            reasons[flag.name] = reason
    return reasons


@dataclass(frozen=True, slots=True)
class _Read:
    """An expression that reads a variable.

    Attributes:
        place: the file and line.
        scopes: the names of the functions and classes around it.
        at_import: whether it is evaluated when the module is imported.
        is_kept: whether a function around it keeps what it returns.
        words: the texts that it is compared with.
    """

    place: str
    scopes: frozenset[str]
    at_import: bool
    is_kept: bool
    words: tuple[str, ...] = ()


def _reason(flag: Flag, reads: list[_Read], import_calls: set[str], kept_calls: set[str]) -> str:
    for read in reads:
        if read.at_import or read.scopes & import_calls:
            return f"{read.place} reads {flag.env} at import, before the test sets it"
        if read.is_kept or read.scopes & kept_calls:
            return f"{read.place} reads {flag.env} once and keeps it, so the first test that calls it decides"
    texts = {text.casefold() for text in (flag.on, flag.off) if text is not None}
    for read in reads if flag.is_boolean else ():
        if read.words and texts.isdisjoint(word.casefold() for word in read.words):
            words = " or ".join(map(repr, read.words))
            return f"{read.place} compares {flag.env} with {words}, and the flag sets it to {flag.on or flag.off!r}"
    return ""


class _Module:
    """The parsed code of a file."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self._path, self._nodes = path, list(ast.walk(tree))
        self._parents = {child: node for node in self._nodes for child in ast.iter_child_nodes(node)}
        self._helpers = helper_names(tree)
        calls = [(node, _called_name(node)) for node in self._nodes if isinstance(node, ast.Call)]
        self.import_calls = {name for node, name in calls if self._runs_at_import(node)}
        self.kept_calls = {name for node, name in calls if self._is_kept(node)}

    def reads(self, variable: str) -> Iterator[_Read]:
        """Yield the expressions that read a variable, and the fields of settings classes that do."""
        for node in self._nodes:
            if isinstance(node, ast.ClassDef):
                for flag in settings_flags(node, self._path):
                    if flag.key == variable.upper():
                        yield _Read(flag.place, frozenset({node.name}), at_import=False, is_kept=False)
            elif (read := variable_read(node, self._helpers)) is not None and read[0] == variable:
                words, _ = compared_words(node, self._parents)
                scopes = frozenset(name for one in self._ancestors(node) if (name := getattr(one, "name", "")))
                place = f"{self._path}:{getattr(node, 'lineno', 1)}"
                yield _Read(place, scopes, self._runs_at_import(node), self._is_kept(node), tuple(words))

    def _runs_at_import(self, node: ast.AST) -> bool:
        """Return whether no function, and no `if __name__ == "__main__":`, is around a node."""
        return not any(isinstance(one, _FUNCTIONS) or _is_main(one) for one in self._ancestors(node))

    def _is_kept(self, node: ast.AST) -> bool:
        return any(
            _decorator_name(decorator) in _CACHES
            for one in self._ancestors(node)
            for decorator in getattr(one, "decorator_list", ())
        )

    def _ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while (parent := self._parents.get(node)) is not None:
            yield parent
            node = parent


def _called_name(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def _decorator_name(decorator: ast.expr) -> str:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return str(getattr(function, "attr", getattr(function, "id", "")))


def _is_main(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and any(getattr(one, "id", "") == "__name__" for one in ast.walk(node.test))
