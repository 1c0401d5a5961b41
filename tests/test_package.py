"""`import flag_harness`: the promised names, found when they are asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import flag_harness


@pytest.mark.parametrize("name", flag_harness.__all__)
def test_every_promised_name_is_there(name: str) -> None:
    """Each is what its home calls so."""
    assert name == getattr(flag_harness, name).__name__.rpartition(".")[2]


def test_another_name_is_refused_as_by_any_module() -> None:
    """With Python's own words."""
    with pytest.raises(AttributeError, match=r"^module 'flag_harness' has no attribute 'nothing'$"):
        _ = flag_harness.nothing


def test_the_faults_are_imported_with_the_first_use() -> None:
    """`flag_harness.faults` needs no import of its own."""
    script = "import flag_harness; print(flag_harness.faults.overloaded(on=2))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "overloaded:on=2\n" == run.stdout


NOT_IN_PYTEST_8_2 = {
    *("HIDDEN_PARAM", "ParameterSet", "RaisesExc", "RaisesGroup", "ScopeName", "SubtestReport", "Subtests"),
    *("TerminalReporter", "register_fixture"),
}
"""The names that pytest exports today and did not in 8.2, the oldest release that is supported."""


def test_no_module_needs_a_name_that_the_oldest_pytest_lacks() -> None:
    """Such a name may stand in an annotation in quotes, which Python does not evaluate."""
    uses = [
        f"{path}:{node.lineno}: pytest.{node.attr}"
        for path in sorted(Path(str(flag_harness.__file__)).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest" and node.attr in NOT_IN_PYTEST_8_2
    ]
    assert [] == uses
