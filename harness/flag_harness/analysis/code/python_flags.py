"""Find flags in Python code: variables that are read as switches, OpenFeature and LaunchDarkly keys, settings."""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

_ON_WORDS = ("true", "1", "yes", "on", "t", "y", "enabled")
_OFF_WORDS = ("false", "0", "no", "off", "f", "n", "disabled", "")
_FLAG_NAME = re.compile(
    r"(^|_)(ENABLED?|DISABLED?|USE|FEATURE|FLAG|TOGGLE|EXPERIMENT(AL)?|BETA|NEW|SKIP|ALLOW|STRICT|V\d+)(_|$)|^(IS|HAS|WITH)_"
)
_NO_FLAG = re.compile(
    r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|URL|URI|HOST|PORT|PATH|DIR|FILE|REGION|ACCOUNT|USER|EMAIL|ID)$"
    r"|^(HOME|PATH|CI|DEBUG|TERM|NO_COLOR|PYTEST\w*|PYTHON\w*|GITHUB_\w+|AWS_\w+|GOOGLE_\w+)$"
)
_OPENFEATURE_METHODS = re.compile(r"^get_boolean_(value|details)(_async)?$")


@dataclass(frozen=True, slots=True)
class DetectedFlag:
    """A flag that was found in the project's code.

    Attributes:
        name: the suggested name of the flag, such as `planner_v2`.
        source: where the code reads the flag: `env`, `openfeature` or `set`.
        key: the environment variable, or the key of the flag service.
        on, off: the texts of the variable that turn the flag on and off; `off` is None if it must be unset instead.
        default: whether the flag is on if nobody sets it.
        place: the file and line of the first read.
    """

    name: str
    source: str
    key: str
    on: str
    off: str | None
    default: bool
    place: str

    @property
    def toml_declaration(self) -> str:
        """The TOML value that declares this flag in `[tool.flag-harness.flags]`."""
        if self.source == "env" and self.on == "true" and self.off is None and not self.default:
            return f'"{self.key}"'
        parts = ['set = "harness_set_flags"' if self.source == "set" else f'{self.source} = "{self.key}"']
        if self.source == "env":
            parts += [f'on = "{self.on}"'] if self.on != "true" else []
            parts += [f'off = "{self.off}"'] if self.off not in (None, "false") else []
        parts += ["default = true"] if self.default else []
        return f"{{ {', '.join(parts)} }}"


def parse_code(text: str) -> ast.Module | None:
    """Parse Python source, and ignore its syntax warnings. Return None if it is not valid Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return None


def find_flags(tree: ast.Module, path: str) -> Iterator[DetectedFlag]:
    """Yield the flags that a module reads. A flag that is read twice is yielded twice."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    helpers = names_of_flag_helpers(tree)
    for node in ast.walk(tree):
        place = f"{path}:{getattr(node, 'lineno', 1)}"
        if isinstance(node, ast.ClassDef):
            yield from flags_in_settings_class(node, path)
        elif (read := parse_variable_read(node, helpers)) is not None:
            flag = _flag_from_variable_read(node, *read, parents, place)
            if flag is not None:
                yield flag
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _flags_in_service_call(node, node.func.attr, place)


def names_of_flag_helpers(tree: ast.Module) -> set[str]:
    """Return the names of functions whose first parameter names an environment variable that the function reads."""
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and _reads_variable_named_by_parameter(node)
    }


def parse_variable_read(node: ast.AST, helpers: set[str]) -> tuple[str, ast.expr | None, bool] | None:
    """Return the environment variable that an expression reads, or None if it reads none.

    Also return the default, and whether the expression calls one of the `helpers`, functions of the project that read a
    variable.
    """
    if isinstance(node, ast.Subscript) and _is_environ(node.value):
        name = string_literal(node.slice)
        return (name, None, False) if name is not None else None
    if not isinstance(node, ast.Call) or not node.args or (variable := string_literal(node.args[0])) is None:
        return None
    function = node.func
    is_helper = (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) in helpers
    if not is_helper and not _reads_environ(function):
        return None
    return variable, node.args[1] if len(node.args) > 1 else None, is_helper


def _flag_from_variable_read(
    node: ast.AST, name: str, default: ast.expr | None, is_helper: bool, parents: dict[ast.AST, ast.AST], place: str
) -> DetectedFlag | None:
    """Return the flag for a variable, or None if the code does not read it as a switch."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name) or _NO_FLAG.search(name.upper()):
        return None
    text = str(default.value) if isinstance(default, ast.Constant) and default.value is not None else None
    words, is_negated = words_compared_with(node, parents)
    is_switch = bool({*words} & {*_ON_WORDS, *_OFF_WORDS} - {""}) or _is_condition(node, parents)
    if not is_switch and not (
        _FLAG_NAME.search(name.upper()) and (is_helper or text is None or _is_on_or_off_word(text))
    ):
        return None
    on, off = "true", "false"
    if words and not is_negated:
        on = next((word for word in _ON_WORDS if word in words), words[0])
    elif words:
        off = next((word for word in _OFF_WORDS if word in words), words[0])
    is_on = (text or "") not in words if is_negated and words else bool(text) and (text or "").lower() in _ON_WORDS
    return DetectedFlag(short_flag_name(name), "env", name, on, off if is_on else None, is_on, place)


def words_compared_with(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[list[str], bool]:
    """Return the strings that an expression is compared with, and whether the comparison is `!=` or `not in`."""
    current, parent = node, parents.get(node)
    while isinstance(parent, (ast.Attribute, ast.Call, ast.BoolOp)):
        current, parent = parent, parents.get(parent)
    if not isinstance(parent, ast.Compare):
        return [], False
    operands = [one for one in (parent.left, *parent.comparators) if one is not current]
    items = (
        item
        for operand in operands
        for item in (operand.elts if isinstance(operand, (ast.Tuple, ast.List, ast.Set)) else [operand])
    )
    words = [word for item in items if (word := string_literal(item)) is not None]
    return words, isinstance(parent.ops[0], (ast.NotEq, ast.NotIn))


def _is_condition(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Return whether an expression is used as a condition, as in `if x` or `x and y`."""
    current, parent = node, parents.get(node)
    while isinstance(parent, (ast.BoolOp, ast.UnaryOp)):
        current, parent = parent, parents.get(parent)
    if isinstance(parent, (ast.If, ast.IfExp, ast.While)):
        return parent.test is current
    return isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "bool"


def flags_in_settings_class(node: ast.ClassDef, path: str) -> Iterator[DetectedFlag]:
    """Yield a flag for each boolean field of a pydantic settings class."""
    bases = [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases]
    if "BaseSettings" not in bases:
        return
    words = (word for word in ast.walk(node) if isinstance(word, ast.keyword) and word.arg == "env_prefix")
    prefix = next((string_literal(word.value) or "" for word in words), "")
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if getattr(field.annotation, "id", "") == "bool":
            key, is_on = f"{prefix}{field.target.id}".upper(), getattr(field.value, "value", False) is True
            off, place = "false" if is_on else None, f"{path}:{field.lineno}"
            yield DetectedFlag(field.target.id.lower(), "env", key, "true", off, is_on, place)


def _flags_in_service_call(call: ast.Call, method: str, place: str) -> Iterator[DetectedFlag]:
    """Yield the flag that a call of OpenFeature or LaunchDarkly reads."""
    key = string_literal(call.args[0]) if call.args else None
    if key is None:
        return
    default = call.args[-1].value if isinstance(call.args[-1], ast.Constant) else None
    if _OPENFEATURE_METHODS.match(method):
        yield DetectedFlag(short_flag_name(key), "openfeature", key, "true", None, default is True, place)
    elif method in ("variation", "variation_detail", "bool_variation") and isinstance(default, bool):
        yield DetectedFlag(short_flag_name(key), "set", key, "true", None, default, place)


def _reads_variable_named_by_parameter(function: ast.FunctionDef) -> bool:
    """Return whether a function reads the environment variable that its first parameter names."""
    names = [one.arg for one in function.args.args]
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and _is_environ(node.value):
            argument: ast.expr | None = node.slice
        elif isinstance(node, ast.Call) and node.args and _reads_environ(node.func):
            argument = node.args[0]
        else:
            continue
        if names and getattr(argument, "id", None) == names[0]:
            return True
    return False


def _reads_environ(function: ast.expr) -> bool:
    """Return whether a function is `os.environ.get` or `os.getenv`, however it was imported."""
    if isinstance(function, ast.Attribute):
        return function.attr == "getenv" or (function.attr == "get" and _is_environ(function.value))
    return getattr(function, "id", "") == "getenv"


def _is_environ(node: ast.expr) -> bool:
    """Return whether an expression is `environ` or `os.environ`."""
    return getattr(node, "attr", getattr(node, "id", "")) == "environ"


def string_literal(node: ast.AST | None) -> str | None:
    """Return the value of a string literal, or None if the node is anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _is_on_or_off_word(text: str) -> bool:
    """Return whether a text is one that turns a flag on or off, such as `true` or `0`."""
    return text.lower() in (*_ON_WORDS, *_OFF_WORDS)


def short_flag_name(key: str) -> str:
    """Return a short name for a flag: `ENABLE_STREAMING` is `streaming`, `new-planner` is `new_planner`."""
    name = full_flag_name(key)
    return re.sub(r"^(enable|use|feature|ff)_", "", name) or name


def full_flag_name(key: str) -> str:
    """Return the whole key as a flag name: `ENABLE_STREAMING` is `enable_streaming`."""
    return re.sub(r"\W+", "_", key).strip("_").lower()
