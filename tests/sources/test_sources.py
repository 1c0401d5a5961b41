"""Flags that a function or fixture of the project sets, and `with flag_harness.flags(...)`."""

import os
import threading
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import pytest

import flag_harness
from flag_harness.errors import ConfigError, FlagError
from flag_harness.owner import current_flag_scope

FLAGS = """
[tool.flag-harness.flags]
streaming = "STREAM_IT"
size = { set = "app_settings:override", values = [1, 2] }
color = { set = "app_settings:set_color", values = ["red", "blue"] }
beta = { set = "harness_set_flags" }
"""
SETTINGS = """
from contextlib import contextmanager

size, color, beta = 0, "red", None

@contextmanager
def override(value):
    global size
    before, size = size, value
    yield
    size = before

def set_color(value):
    global color
    color = value
"""
CONFTEST = """
import app_settings, pytest

@pytest.fixture
def harness_set_flags():
    def set_flags(combination):
        assert {"beta"} == set(combination.values)
        app_settings.beta = combination["beta"]
    return set_flags
"""
SUITE = """
import app_settings, pytest

@pytest.mark.flag_matrix("size", "color", "beta")
def test_agent(flags):
    values = app_settings.size, app_settings.color, app_settings.beta
    assert (flags["size"], flags["color"], flags["beta"]) == values

@pytest.mark.flags(streaming=True)
def test_others_are_at_their_defaults(flags):
    assert (1, "red", False) == (app_settings.size, app_settings.color, app_settings.beta)

def test_without_flags():
    assert (0, "red") == (app_settings.size, app_settings.color)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with a variable and a flag that only a fixture can set."""
    flags = 'a = "A_1"\nb = "B_1"\nc = { set = "harness_set_flags" }'
    (tmp_path / "pyproject.toml").write_text(f"[tool.flag-harness.flags]\n{flags}\n")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    monkeypatch.setenv("A_1", "before")


def test_functions_and_the_fixture_set_their_flags_and_no_other(pytester: pytest.Pytester) -> None:
    """Under every combination; afterwards they are as before, or at the default."""
    pytester.makepyprojecttoml(FLAGS)
    pytester.makepyfile(app_settings=SETTINGS, conftest=CONFTEST, test_agent=SUITE)
    pytester.runpytest_subprocess("-p", "no:asyncio").assert_outcomes(passed=10)


def test_a_flag_of_the_fixture_needs_the_fixture(pytester: pytest.Pytester) -> None:
    """The failure says what to write, offers nothing to paste that sets no flag, and is not blamed on flags."""
    pytester.makepyprojecttoml('[tool.flag-harness.flags]\nbeta = { set = "harness_set_flags" }')
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.flag_matrix\ndef test_agent(flags):\n    pass\n\n"
        "class TestOther:\n    def test_other(self): pass\n"
    )
    run = pytester.runpytest_inprocess("-p", "no:asyncio")
    run.assert_outcomes(errors=2, passed=1)
    run.stdout.fnmatch_lines(
        [
            "*flag 'beta' is set by the fixture harness_set_flags, and there is none here*conftest.py*@pytest.fixture*",
            "not blamed on flags: the flags could not be set: *test_agent*",
        ]
    )
    run.stdout.no_fnmatch_line("*always fails*")
    assert "lambda" not in run.stdout.str()


OWN_FIXTURE = "import pytest\n\n@pytest.fixture\ndef harness_set_flags(): {}\n\ndef test_agent({}):\n    pass\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"tests/test_a.py": OWN_FIXTURE.format("return lambda combination: None", "flags")},
            "*flag 'beta' is set by *, and this test has none; there is one in tests/test_a.py: move it to a conftest*",
        ),
        (
            {
                "tests/conftest.py": OWN_FIXTURE.format("return lambda combination: None", ""),
                "tests/test_a.py": "def test_a(): pass",
            },
            "*, and this test has none; there is one in tests/conftest.py: move it to a conftest.py in a folder above*",
        ),
        (
            {"conftest.py": OWN_FIXTURE.format("return None", "")},
            "*flag 'beta' is set by *, which returns None here (*conftest.py:*): return or yield a function that sets*",
        ),
    ],
    ids=["another file", "another folder", "returns None"],
)
def test_a_fixture_that_sets_nothing_here_is_located(
    pytester: pytest.Pytester, files: dict[str, str], message: str
) -> None:
    """It is in another test file or another folder, or returns no function."""
    pytester.makepyprojecttoml('[tool.flag-harness.flags]\nbeta = { set = "harness_set_flags" }')
    for name, text in {**files, "test_z.py": "def test_z(flags):\n    pass\n"}.items():
        (pytester.path / name).parent.mkdir(exist_ok=True)
        (pytester.path / name).write_text(text)
    run = pytester.runpytest_inprocess("-p", "no:asyncio")
    assert 1 == run.parseoutcomes()["errors"]
    run.stdout.fnmatch_lines([message])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("app_setings:override", "*set = 'app_setings:override' cannot be found: No module named 'app_setings'*"),
        ("app_settings:SIZE", "*'app_settings:SIZE' is not callable, but int*the nearest is 'size_override'*"),
    ],
)
def test_a_function_that_is_none_is_named(pytester: pytest.Pytester, target: str, message: str) -> None:
    """With the nearest one of the module."""
    pytester.makepyprojecttoml(f'[tool.flag-harness.flags]\nsize = {{ set = "{target}" }}')
    pytester.makepyfile(
        app_settings="SIZE = 1\n\ndef size_override(value): ...", test_agent="def test_agent(flags):\n    pass"
    )
    run = pytester.runpytest_subprocess("-p", "no:asyncio")
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines([message])


@pytest.mark.usefixtures("project")
def test_a_block_sets_variables_and_restores_them() -> None:
    """Flags that it does not name are at their defaults, or as the enclosing block has set them."""
    with flag_harness.flags(a=True) as outer:
        assert ("a", "true", None) == (outer.id, os.environ["A_1"], os.environ.get("B_1"))
        with flag_harness.flags(b=True) as inner:
            assert ("a+b", "true", "true") == (inner.id, os.environ["A_1"], os.environ["B_1"])
        assert "B_1" not in os.environ
    assert "before" == os.environ["A_1"]


@pytest.mark.usefixtures("project")
def test_two_blocks_cannot_need_a_variable_at_the_same_time() -> None:
    """The error says which block runs, and what to declare instead; blocks with the same need are fine."""
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with flag_harness.flags(a=True):
            ready.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    ready.wait(10)
    with flag_harness.flags(a=True):
        assert "true" == os.environ["A_1"]
    with (
        pytest.raises(FlagError, match=r"the flags 'a' still runs, and needs A_1=true.*openfeature"),
        flag_harness.flags(),
    ):
        raise AssertionError
    done.set()
    holder.join()
    assert "before" == os.environ["A_1"]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("pins", "error", "message"),
    [
        ({"d": True}, FlagError, "no flag is called 'd'"),
        ({"a": 1}, FlagError, "a=1 must be True or False"),
        ({"c": True}, ConfigError, "flag 'c' is set by the fixture harness_set_flags, and there is none here"),
    ],
)
def test_a_wrong_pin_is_named(pins: dict[str, object], error: type[Exception], message: str) -> None:
    """Before anything is set."""
    with pytest.raises(error, match=message), flag_harness.flags(**pins):
        raise AssertionError
    assert "before" == os.environ["A_1"]


@pytest.mark.usefixtures("project")
def test_a_block_may_end_in_another_context_than_it_began_in() -> None:
    """As in an async fixture, whose teardown may run in a task of its own."""

    def fixture() -> Iterator[None]:
        with flag_harness.flags(a=True):
            yield

    generator = fixture()
    copy_context().run(next, generator)
    assert "true" == os.environ["A_1"]
    next(generator, None)
    assert ("before", None) == (os.environ["A_1"], current_flag_scope())
