"""`[tool.flag-harness]` in a project's `pyproject.toml`."""

import re
from pathlib import Path

import pytest

from flag_harness.config import Config, read_config
from flag_harness.errors import ConfigError
from flag_harness.flag import SHIPPED_FLAGS, Flag


def _written(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", ["", "[tool.other]\nx = 1", "tool = 3", "[tool.flag-harness]"])
def test_a_project_that_says_nothing_has_the_defaults(tmp_path: Path, text: str) -> None:
    """The shipped agent and flags, and the folders of the layout."""
    expected = Config(
        "flag_harness.reference.sweep_agent:ReferenceAgent", "", "recordings", "fixtures", "logs", SHIPPED_FLAGS
    )
    assert expected == read_config(_written(tmp_path, text))


def test_a_folder_without_a_project_has_the_defaults(tmp_path: Path) -> None:
    """No file is needed."""
    assert Config() == read_config(tmp_path / "pyproject.toml")


def test_what_a_project_says_is_read(tmp_path: Path) -> None:
    """Flags keep their declared order; what is not said keeps its default."""
    path = _written(
        tmp_path,
        """
        [tool.flag-harness]
        agent = "myapp.agent:run"
        model = "claude-haiku-4-5"
        recordings = "tests/recordings"
        [tool.flag-harness.flags]
        streaming = "ENABLE_STREAMING"
        new_planner = { env = "PLANNER_V2", requires = ["streaming"] }
        cheap = { env = "CHEAP" }
        """,
    )
    flags = (
        Flag("streaming", "ENABLE_STREAMING"),
        Flag("new_planner", "PLANNER_V2", ("streaming",)),
        Flag("cheap", "CHEAP"),
    )
    expected = Config("myapp.agent:run", "claude-haiku-4-5", "tests/recordings", "fixtures", "logs", flags)
    assert expected == read_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[tool.flag-harness]\nrecording = "x"',
            "[tool.flag-harness] has no key 'recording'; the nearest is 'recordings' "
            "(all: agent, model, recordings, fixtures, logs, flags, groups, filters, normalise, headers, ",
        ),
        ("[tool.flag-harness]\nmodel = 5", "[tool.flag-harness] model = 5 must be a string"),
        (
            "[tool.flag-harness]\nvcr_marks = 1",
            "[tool.flag-harness] vcr_marks = 1 must be true or false, or 'pytest-vcr'",
        ),
        (
            "[tool.flag-harness.sweep]\ntold = []",
            "[tool.flag-harness.sweep] told is not read any more; rename it to reported",
        ),
        ("[tool]\nflag-harness = 5", "[tool.flag-harness] must be a table, not 5"),
        (
            '[tool.flag-harness]\nflags = ["a"]',
            '[tool.flag-harness.flags] must be a table of flags: streaming = "ENABLE_STREAMING"',
        ),
        (
            "[tool.flag-harness.flags]\na = 1",
            '[tool.flag-harness.flags] a = 1 must be a variable\'s name, or a table with env = "NAME", '
            'openfeature = "key" or set = "module:function"',
        ),
        (
            '[tool.flag-harness.flags]\na = { requires = ["b"] }',
            '[tool.flag-harness.flags] a lacks a source, which must be one of env = "NAME", openfeature = "key" or '
            'set = "module:function"',
        ),
        (
            '[tool.flag-harness.flags]\na = { env = "A", require = ["b"] }',
            "[tool.flag-harness.flags] a has no key 'require'; the nearest is 'requires' "
            "(all: env, openfeature, set, requires, excludes, on, off, default, values, margin, expect)",
        ),
        (
            '[tool.flag-harness.flags]\na = { env = "A", requires = "b" }',
            "[tool.flag-harness.flags] a requires = 'b' must be a list of flags' names",
        ),
        (
            '[tool.flag-harness.flags]\na = { env = "A", requires = [1] }',
            "[tool.flag-harness.flags] a requires = [1] must be a list of flags' names",
        ),
        (
            '[tool.flag-harness.flags]\na = { openfeatur = "a" }',
            "[tool.flag-harness.flags] a has no key 'openfeatur'; the nearest is 'openfeature' (all: env, ",
        ),
        (
            '[tool.flag-harness.flags]\na = { env = "A", set = "b:c" }',
            "[tool.flag-harness.flags] a has env and set; keep one of them: each flag has one source",
        ),
        (
            '[tool.flag-harness.flags]\na = { set = "harness_set_flag" }',
            "[tool.flag-harness.flags] a set = 'harness_set_flag' must be module:function, such as "
            "'myapp.settings:override'; the nearest fixture is 'harness_set_flags'",
        ),
        (
            '[tool.flag-harness.flags]\na = { openfeature = "a", on = "1" }',
            "[tool.flag-harness.flags] a on is the text of a variable, and the flag has openfeature; remove it",
        ),
        (
            '[tool.flag-harness.flags]\na = { openfeature = "" }',
            '[tool.flag-harness.flags] a openfeature = "" must not be empty',
        ),
        (
            '[tool.flag-harness.flags]\na = { openfeature = "a", values = [2026-01-01, 2026-01-02] }',
            "[tool.flag-harness.flags] flag 'a' has the value datetime.date(2026, 1, 1), which OpenFeature cannot hold",
        ),
        (
            '[tool.flag-harness.flags]\na = { env = "A", default = 1 }',
            "[tool.flag-harness.flags] a default = 1 must be true or false, or one of values = [...]",
        ),
        (
            '[tool.flag-harness.flags]\na = { env = "A", values = ["x"] }',
            '[tool.flag-harness.flags] a values = [\'x\'] must be a list or table of at least two: ["a", "b"]',
        ),
        (
            '[tool.flag-harness.flags]\na = { env = "A", values = ["x", "y"], on = "1" }',
            "[tool.flag-harness.flags] a has on or off, and no value is true or false; drop them",
        ),
        (
            '[tool.flag-harness.flags]\na = "A"\nb = { env = "A" }',
            "[tool.flag-harness.flags] flags 'a' and 'b' share the variable A; give each its own",
        ),
    ],
)
def test_a_mistake_names_the_file_the_key_and_the_nearest(tmp_path: Path, text: str, message: str) -> None:
    """One line that says what to write instead."""
    path = _written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}:2: {message}")


def test_a_default_may_be_the_short_name_of_a_value(tmp_path: Path) -> None:
    """The flag has the value itself by default."""
    models = '{ fast = "claude-haiku-4-5", good = "claude-opus-4-7" }'
    text = f'[tool.flag-harness.flags]\nmodel = {{ env = "MODEL", values = {models}, default = "good" }}'
    (flag,) = read_config(_written(tmp_path, text)).flags
    assert ("claude-opus-4-7", ("fast", "good")) == (flag.default, flag.labels)


@pytest.mark.parametrize("name", ["flag_harness", "flagharness", "Flag-Harness"])
def test_another_spelling_of_the_table_is_an_error(tmp_path: Path, name: str) -> None:
    """Or the settings would be ignored without a word."""
    path = _written(tmp_path, f"[tool.{name}]\nmodel = 'x'")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert f"{path}: [tool.{name}] is not read; write [tool.flag-harness]" == str(caught.value)


def test_the_old_name_of_the_table_is_an_error_that_says_the_new_one(tmp_path: Path) -> None:
    """Nothing of it is read."""
    path = _written(tmp_path, "[tool.harness]\nmodel = 'x'")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert f"{path}: [tool.harness] is not read any more; type: flag-harness upgrade" == str(caught.value)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        (11, ('values = ["a", "b"]', 'value = ["a", "b"]')),
        (12, ('default = "a"', 'default = "c"')),
        (8, ('requires = ["streaming"]', 'requires = ["streeming"]')),
        (4, ('recordings = "rec"', "recordings = 5")),
        (14, ('"planner"]', '"plan"]')),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, line: int, mistake: tuple[str, str]) -> None:
    """That of the key if it has one of its own, else that of the flag."""
    text = """[project]
name = "model"
[tool.flag-harness]
recordings = "rec"

[tool.flag-harness.flags]
streaming = { env = "STREAM", default = true }
planner = { env = "PLANNER", requires = ["streaming"] }
[tool.flag-harness.flags.model]
env = "MODEL"
values = ["a", "b"]
default = "a"
[tool.flag-harness.groups]
speed = ["streaming", "planner"]
"""
    path = _written(tmp_path, text.replace(*mistake))
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}:{line}: [tool.flag-harness")


def test_a_file_that_is_no_toml_is_an_error_with_its_place(tmp_path: Path) -> None:
    """The parser's own words, after the file's name."""
    path = _written(tmp_path, "[tool.flag-harness\n")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert f"{path}: Expected ']' at the end of a table declaration (at line 1, column 19)" == str(caught.value)


def test_a_file_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    """As TOML has to be."""
    path = tmp_path / "pyproject.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert f"{path}: 'utf-8' codec can't decode byte 0xff in position 8: invalid start byte" == str(caught.value)


def test_a_group_of_flags_of_which_one_is_on_is_read(tmp_path: Path) -> None:
    """Each member knows the others."""
    path = _written(
        tmp_path,
        """
        [tool.flag-harness.flags]
        bm25 = { env = "BM25", default = true }
        vector = "VECTOR"
        [tool.flag-harness.groups]
        search = ["bm25", "vector"]
        """,
    )
    assert [("bm25", "vector")] * 2 == [flag.group for flag in read_config(path).flags]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("groups = 5", 'must be a table of lists of flags, of which exactly one is on: search = ["a", "b"]'),
        ('groups.s = ["a"]', "s = ['a'] must be a list of at least two flags' names"),
        ('groups.s = ["a", "c"]', "s has no flag 'c'; the nearest is 'b' (all: a, b)"),
        ('groups = { s = ["a", "b"], t = ["b", "a"] }', "t has the flag 'b' twice, or in a second group; remove one"),
    ],
)
def test_a_wrong_group_is_named(tmp_path: Path, groups: str, message: str) -> None:
    """With the nearest flag."""
    flags = 'a = { env = "A", default = true }\nb = "B"\n'
    path = _written(tmp_path, f"[tool.flag-harness]\n{groups}\n[tool.flag-harness.flags]\n{flags}")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert f"{path}:2: [tool.flag-harness.groups] {message}" == str(caught.value)


def test_a_flag_declares_its_margin_and_what_it_shall_improve(tmp_path: Path) -> None:
    """Both are read by verdicts; a figure that no run has is refused."""
    path = tmp_path / "pyproject.toml"
    table = '[tool.flag-harness.flags]\nplanner = { env = "P", margin = 0.05, expect = { cost = "lower" } }\n'
    path.write_text(table)
    flag = read_config(path).flags[0]
    assert (0.05, (("cost", "lower"),)) == (flag.margin, flag.expect)
    for wrong, message in (
        (table.replace("cost", "costs"), "the nearest is 'cost'"),
        (table.replace('"lower"', '"less"'), '"lower" or "higher"'),
        (table.replace("0.05", "0"), "a number above 0, at most 1"),
    ):
        path.write_text(wrong)
        with pytest.raises(ConfigError, match=re.escape(message)):
            read_config(path)


def test_a_table_that_is_nested_too_deeply_is_named(tmp_path: Path) -> None:
    """No traceback of the TOML parser is shown."""
    path = _written(tmp_path, f"[tool.flag-harness]\nx = {'[' * 9999}")
    with pytest.raises(ConfigError, match=r"pyproject\.toml: its values are nested too deeply"):
        read_config(path)


def test_a_value_in_a_table_on_one_line_is_found_at_that_line(tmp_path: Path) -> None:
    """The line of the nearest table is named."""
    path = _written(tmp_path, "\ntool = { flag-harness = { agent = 5 } }")
    with pytest.raises(ConfigError, match=r"pyproject\.toml:2: .*agent = 5"):
        read_config(path)


@pytest.mark.parametrize(
    "table", ["values = [true, false]", "values = [false, true], default = true", "default = true"]
)
def test_a_switch_that_is_on_by_default_is_switched_off_by_a_text(tmp_path: Path, table: str) -> None:
    """However it is declared: unset, its variable would leave it on."""
    (tmp_path / "pyproject.toml").write_text(f'[tool.flag-harness.flags]\nconcise = {{ env = "CONCISE", {table} }}\n')
    (flag,) = read_config(tmp_path / "pyproject.toml").flags
    assert (True, "false") == (flag.default, flag.environment_variable_text(False))
