"""Find answers in the form of a class of the project, which a pydantic-ai agent or a LangChain model can ask for."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from flag_harness.cli.init.reading.frameworks import called_maker_name

_MAX_CLASS_NESTING = 4
"""How deep classes inside classes are followed. The limit is for a class that contains itself."""
_LIST_TYPE_NAMES = ("list", "List", "Sequence", "set", "tuple")
_MAPPING_TYPE_NAMES = ("dict", "Dict", "Mapping")
_SAMPLE_NUMBER_BY_TYPE: dict[str, Any] = {"int": 1, "float": 1.0, "bool": False, "Decimal": 1.0}
_SAMPLE_TEXT_BY_TYPE = {
    "date": "2026-01-31",
    "datetime": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "UUID": f"{0:032x}",
}


def find_structured_answers(
    makers: Mapping[str, ast.Call], tree: ast.Module, classes: Mapping[str, ast.ClassDef], text: str
) -> dict[str, dict[str, Any]]:
    """Return the tools with which a module lets the model answer in the form of a class, each with a sample input.

    `makers` are the calls that make its agents, `classes` has the project's classes by name, and `text` becomes the
    value of the first text in an answer.
    """
    forms = dict(_tool_and_class_names(makers, tree))
    return {
        tool: _sample_object(classes[form], classes, [text])
        for tool, form in forms.items()
        if form in classes and form != "str"
    }


def _tool_and_class_names(makers: Mapping[str, ast.Call], tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield `(tool, class)`: the name of a tool with which the model answers, and of the class that its input fills."""
    for maker in makers.values():
        for word in maker.keywords:
            if called_maker_name(maker) == "Agent" and word.arg in ("output_type", "result_type"):
                yield "final_result", ast.unparse(word.value)
    for node in ast.walk(tree) if makers else ():
        if isinstance(node, ast.Call) and node.args and getattr(node.func, "attr", "") == "with_structured_output":
            name = ast.unparse(node.args[0])
            yield name, name


def _sample_object(
    node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], texts: list[str], depth: int = 0
) -> dict[str, Any]:
    """Return values for the fields that a class requires. The first text field gets the text in `texts`.

    `depth` counts how many classes contain this one.
    """
    found: dict[str, Any] = {}
    for base in node.bases:
        if (parent := classes.get(ast.unparse(base))) is not None and depth < _MAX_CLASS_NESTING:
            found |= _sample_object(parent, classes, texts, depth + 1)
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_required(field.value):
            found[field.target.id] = _sample_value(field.annotation, classes, texts, depth)
    return found


def _is_required(value: ast.expr | None) -> bool:
    """Return whether a field has no default: no value, or `Field(...)` without one."""
    if not isinstance(value, ast.Call):
        return value is None
    if any(word.arg in ("default", "default_factory") for word in value.keywords):
        return False
    return not value.args or getattr(value.args[0], "value", None) is ...


def _sample_value(node: ast.expr, classes: Mapping[str, ast.ClassDef], texts: list[str], depth: int) -> Any:
    """Return a sample value for the type in the annotation `node`."""
    if isinstance(node, ast.BinOp):
        return _sample_value(node.left, classes, texts, depth)
    kind = ast.unparse(node.value if isinstance(node, ast.Subscript) else node).rpartition(".")[2]
    inner = getattr(node, "slice", None)
    if kind in _LIST_TYPE_NAMES:
        return []
    if kind in _MAPPING_TYPE_NAMES:
        return {}
    if kind == "Literal" and inner is not None:
        return next(one.value for one in ast.walk(inner) if isinstance(one, ast.Constant))
    if inner is not None:
        first = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
        return _sample_value(first, classes, texts, depth)
    if (form := classes.get(kind)) is not None and depth < _MAX_CLASS_NESTING:
        return _first_enum_value(form) or _sample_object(form, classes, texts, depth + 1)
    if kind in _SAMPLE_NUMBER_BY_TYPE or kind in _SAMPLE_TEXT_BY_TYPE:
        return _SAMPLE_NUMBER_BY_TYPE.get(kind, _SAMPLE_TEXT_BY_TYPE.get(kind))
    return texts.pop() if texts else "text"


def _first_enum_value(node: ast.ClassDef) -> Any:
    """Return the value of the first member of an enumeration, or None if the class is no enumeration."""
    is_enumeration = any("Enum" in ast.unparse(base) for base in node.bases)
    values = [one.value for one in node.body if isinstance(one, ast.Assign)] if is_enumeration else []
    return next((one.value for one in values if isinstance(one, ast.Constant)), None)
