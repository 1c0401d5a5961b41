"""How `flag-harness init` imports a module, and which arguments it gives to a program."""

import ast
from pathlib import Path

import pytest

from flag_harness.cli.init.reading.imports import find_import_location, read_imports
from flag_harness.cli.init.reading.programs import program_arguments


@pytest.mark.parametrize(
    ("path", "files", "expected"),
    [
        ("agent.py", {"agent.py": "import os, json.decoder"}, (".", "agent", ())),
        (
            "src/bot/agent.py",
            {"src/bot/agent.py": "from . import tools", "src/bot/tools.py": ""},
            ("src", "bot.agent", ()),
        ),
        (
            "app/llm/chat.py",
            {"app/llm/chat.py": "import settings.base", "app/settings/base.py": ""},
            ("app", "llm.chat", ()),
        ),
        ("app/chat.py", {"app/chat.py": "from app import config", "app/config.py": ""}, (".", "app.chat", ())),
        (
            "agent.py",
            {"agent.py": "from .tools import x", "tools.py": "", "__init__.py": ""},
            ("..", "project.agent", ()),
        ),
        ("bot/__init__.py", {"bot/__init__.py": "import no_such_library"}, (".", "bot", ("no_such_library",))),
        (
            "a-b/c.py",
            {"a-b/c.py": "from .d import x", "a-b/d.py": "import no_such_library"},
            (".", "a-b.c", ("no_such_library",)),
        ),
        ("x/c.py", {"x/c.py": "from ... import d"}, (".", "x.c", ())),
        ("c.py", {"c.py": "import d", "d.py": "import c, sys.no.such"}, (".", "c", ())),
        (
            "c.py",
            {
                "c.py": "try:\n    import no_such_library\nexcept ImportError:\n    pass\n"
                "try:\n    import no_other_library\nfinally:\n    pass\n"
                "if TYPE_CHECKING:\n    import no_such_library\n"
                "def f():\n    import no_such_library\n"
            },
            (".", "c", ("no_other_library",)),
        ),
    ],
)
def test_a_module_is_imported_from_where_its_imports_are_found(
    path: str, files: dict[str, str], expected: tuple[str, str, tuple[str, ...]]
) -> None:
    """What is missing everywhere is named, unless the module can do without it."""
    modules = {name: read_imports(ast.parse(text)) for name, text in files.items()}
    place = find_import_location(path, Path("/project"), modules)
    assert expected == (place.import_folder, place.module_name, place.missing_modules)


def test_a_name_that_breaks_the_search_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some modules in `sys.modules` have no spec."""

    def find_spec(name: str) -> None:
        raise ValueError(f"{name}.__spec__ is None")

    monkeypatch.setattr("flag_harness.cli.init.reading.imports.find_spec", find_spec)
    modules = {"c.py": read_imports(ast.parse("import no_such_library"))}
    assert ("no_such_library",) == find_import_location("c.py", Path("/project"), modules).missing_modules


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print()", '"Hello."'),
        ('p.add_argument("question")', '"Hello."'),
        ('p.add_argument("-p", "--prompt", required=True)', '"--prompt", "Hello."'),
        ('p.add_argument("--prompt")', '"--prompt", "Hello."'),
        ('p.add_argument("question", nargs="?")', '"Hello."'),
        ('p.add_argument("--verbose", action="store_true")', ""),
        ('p.add_argument("path")', None),
        ('p.add_argument("--tasks", type=int, required=True)', None),
    ],
)
def test_a_program_gets_its_prompt_where_it_takes_it(code: str, expected: str | None) -> None:
    """A program that requires something else cannot be started."""
    assert expected == program_arguments(ast.parse(code))
