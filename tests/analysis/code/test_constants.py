"""Constants of modules, which stand for the texts that switch a flag and for the keys of flags."""

import ast

import pytest

from flag_harness.analysis.code.constants import inline_constants

FLAGS = """
from enum import Enum
STYLE = "brief-style"
TRUTHY = frozenset({"1", "true"})
WORDS: tuple[str, ...] = ("on",)
BY_DEFAULT = False
CHANGED = "a"
CHANGED = "b"
COMPUTED = str(1)
NUMBERS = (1, 2)
FIRST, SECOND = "a", "b"
class Keys(Enum):
    TONE = "tone-key"
"""


@pytest.mark.parametrize(
    ("path", "code", "expected"),
    [
        ("pkg/agent.py", "from .flags import STYLE\nread(STYLE)", "read('brief-style')"),
        ("pkg/agent.py", "from . import flags\nread(flags.STYLE)", "read('brief-style')"),
        ("pkg/sub/agent.py", "from ..flags import STYLE as KEY\nread(KEY)", "read('brief-style')"),
        ("main.py", "import pkg.flags\nread(pkg.flags.STYLE)", "read('brief-style')"),
        ("main.py", "import pkg.flags as f\nread(f.TRUTHY)", "read({'1', 'true'})"),
        ("main.py", "from pkg import STYLE\nread(STYLE)", "read('brief-style')"),
        ("main.py", "from pkg.flags import Keys\nread(Keys.TONE.value)", "read('tone-key')"),
        ("main.py", "from pkg.flags import *\nread(STYLE)", "read(STYLE)"),
        ("main.py", "from pkg.flags import CHANGED\nread(CHANGED)", "read(CHANGED)"),
        ("main.py", "from pkg.flags import STYLE\nlambda STYLE: read(STYLE)", "lambda STYLE: read(STYLE)"),
        ("main.py", "from other import STYLE\nread(STYLE)", "read(STYLE)"),
        (
            "main.py",
            "ON = list(('yes',))\nread(make().ON, ON, ON.append)",
            "read(make().ON, ('yes',), ('yes',).append)",
        ),
    ],
)
def test_a_constant_is_replaced_by_its_value(path: str, code: str, expected: str) -> None:
    """Also in a module that imports it. A name that is assigned twice, or is a parameter, is left as it is."""
    texts = {"src/pkg/__init__.py": "from .flags import STYLE", "src/pkg/flags.py": FLAGS, f"src/{path}": code}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    inline_constants(trees)
    assert expected == ast.unparse(trees[f"src/{path}"].body[-1])
