"""The ways of docs/flags.md to set flags that are read once, from a file, or as arguments."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "flags.md").read_text("utf-8")
SECTION = PAGE.partition("#### Settings that are read once")[2].partition("\n#### ")[0]
CONFIGURATION = """
[tool.pytest.ini_options]
pythonpath = ["."]
addopts = "--import-mode=importlib"
[tool.flag-harness.flags]
memory = { set = "harness_set_flags" }
concise = { set = "harness_set_flags", default = true }
cache = "CACHE"
"""
MODULES = {
    "settings": """
        import os
        from functools import lru_cache
        from types import SimpleNamespace

        config = SimpleNamespace(memory=False, concise=True)

        @lru_cache
        def get_settings():
            return SimpleNamespace(cache=os.environ.get("CACHE") == "true")
    """,
    "agent": """
        FLAGS_FILE = None
    """,
    "program": """
        def main(arguments):
            assert {"--memory", "--no-memory"} & {*arguments}
            return 0
    """,
}
TESTS = {
    "an_object": "def test_it(flags): assert (config.memory, config.concise) == (flags['memory'], flags['concise'])",
    "a_cache": "def test_it(flags): assert get_settings().cache == flags['cache']",
    "a_file": "def test_it(flags): assert json.loads(agent.FLAGS_FILE.read_text()) == flags.values",
    "arguments": "",
}


def test_each_way_of_the_docs_sets_the_flags(pytester: pytest.Pytester) -> None:
    """Under every combination, whichever way the code keeps them."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(**MODULES)
    programs = re.findall(r"^```python\n(.*?)^```", SECTION, re.DOTALL | re.M)
    for (name, test), program in zip(TESTS.items(), programs, strict=True):
        names = "'cache'" if name == "a_cache" else "'memory', 'concise'"
        program = program.replace("flag_matrix\n", f"flag_matrix({names})\n")
        mark = f"@pytest.mark.flag_matrix({names})\n" if test else ""
        fixture = (
            "" if name != "a_cache" else "@pytest.fixture\ndef harness_set_flags(): return lambda combination: None\n"
        )
        path = pytester.mkdir(name) / f"test_{name}.py"
        path.write_text(f"{program}\n\n{fixture}{mark}{test}\n")
    run = pytester.runpytest_subprocess("-v")
    run.assert_outcomes(passed=14)
