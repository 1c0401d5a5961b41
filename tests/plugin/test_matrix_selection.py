"""Which combinations a matrix test runs under."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from flag_harness.flag import Flag
from flag_harness.plugin.requested_combinations import combinations_in_node_ids

FLAGS = "[tool.flag-harness.flags]\n" + "".join(f'f{index} = "F{index}"\n' for index in range(7))
TEST = """
import pytest

@pytest.mark.flag_matrix({arguments})
def test_it(flags):
    pass
"""


def _run(pytester: pytest.Pytester, arguments: str, *options: str) -> pytest.RunResult:
    pytester.makepyprojecttoml(FLAGS)
    pytester.makepyfile(test_it=TEST.format(arguments=arguments))
    return pytester.runpytest_subprocess(*options)


def test_more_than_64_combinations_must_be_asked_for(pytester: pytest.Pytester) -> None:
    """The error at collection says how many there are and what to choose from."""
    run = _run(pytester, "")
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(
        ["*@pytest.mark.flag_matrix: 7 flags have 128 combinations, more than 64; choose: strength=2 (6 *"]
    )


@pytest.mark.parametrize(
    ("arguments", "options", "count"),
    [
        ("strength=2", (), 6),
        ("strength=3", (), 12),
        ("strength='full'", (), 128),
        ("'f0', 'f1'", (), 4),
        ("", ("--harness-matrix=single",), 8),
        ("strength=3", ("--harness-matrix=2",), 6),
        ("", ("--harness-matrix=random:9,4",), 9),
        ("'f1', strength=4", (), 2),
    ],
)
def test_a_mark_or_the_command_line_selects(
    pytester: pytest.Pytester, arguments: str, options: tuple[str, ...], count: int
) -> None:
    """A covering array, single changes or a sample; the command line comes before the mark."""
    run = _run(pytester, arguments, *options, "-v")
    run.assert_outcomes(passed=count)
    run.stdout.fnmatch_lines(["*test_it.py::test_it[[]off[]] PASSED*"])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ("", ("--harness-matrix=5",), "*'5' selects no combinations; use full, 2, 3 or 4*"),
        ("streaming=True", (), "*streaming=... is not an argument; name the flags as strings*"),
    ],
)
def test_what_selects_nothing_is_an_error(
    pytester: pytest.Pytester, arguments: str, options: tuple[str, ...], message: str
) -> None:
    """One line, before anything runs."""
    run = _run(pytester, arguments, *options)
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines([message])


def test_an_id_of_another_test_adds_no_combination(tmp_path: Path) -> None:
    """Of another file, of another function, or without a combination."""
    arguments = ["test_a.py::test_x[a]", "test_b.py::test_it[a]", "test_it.py::test_x[a]", "test_it.py::test_it"]
    config = SimpleNamespace(args=arguments, rootpath=tmp_path, invocation_params=SimpleNamespace(dir=tmp_path))
    assert [] == list(combinations_in_node_ids(config, "test_it.py::test_it", [Flag("a", "A")]))  # type: ignore[arg-type]
    config.args.append("test_it.py::test_it[a]")
    found = combinations_in_node_ids(config, "test_it.py::test_it", [Flag("a", "A")])  # type: ignore[arg-type]
    assert ["a"] == [one.id for one in found]
