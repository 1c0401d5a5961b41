"""A scenario that a test names and that cannot be simulated: one sentence with the next step, and no traceback."""

import pytest

RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")
TURN = '[[turn]]\nwhen = { user_contains = "refund" }\ntext = "Done."\n'


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository with two scenarios."""
    folder = pytester.mkdir("fixtures") / "scenarios"
    folder.mkdir()
    (folder / "refund.toml").write_text(TURN)
    (folder / "tools.toml").write_text(TURN)
    return pytester


def _failure(repository: pytest.Pytester, mark: str) -> str:
    """Record a test with that mark, and return what pytest says of its setup: one line, and perhaps a proposed turn."""
    repository.makepyfile(test_ask=f"import pytest\n@pytest.mark.{mark}\ndef test_ask(cassette): pass\n")
    run = repository.runpytest_inprocess(*RECORD)
    run.assert_outcomes(errors=1)
    lines = run.outlines
    start = next(index for index, line in enumerate(lines) if "ERROR at setup of test_ask" in line) + 1
    end = next(index for index, line in enumerate(lines) if "short test summary info" in line)
    said = "\n".join(lines[start:end])
    assert "\n" not in said.partition("\n\n[[turn]]")[0]  # a traceback would be more than one line
    return said


def test_a_missing_scenario_is_one_line_that_names_the_nearest(repository: pytest.Pytester) -> None:
    """What to type is the mark with the name that exists."""
    said = _failure(repository, "scenario('refunds')")
    assert "no scenario 'refunds' in " in said
    assert "write @pytest.mark.scenario('refund'), or the file " in said
    assert said.endswith("fixtures/scenarios/refunds.toml.")


def test_a_folder_without_scenarios_is_said_to_hold_none(repository: pytest.Pytester) -> None:
    """There is no nearest scenario then."""
    said = _failure(repository, "scenario('billing/refund')")
    path = repository.path / "fixtures/scenarios/billing/refund.toml"
    assert said.endswith(
        f'holds none. Write {path}, such as with these lines (docs/scenarios.md):\n\n[[turn]]\ntext = "Hello."'
    )


def test_a_scenario_may_be_named_with_its_suffix(repository: pytest.Pytester) -> None:
    """No file `refunds.toml.toml` is looked for."""
    said = _failure(repository, "scenario('refunds.toml')")
    assert said.endswith("fixtures/scenarios/refunds.toml.")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[[turn]\n", "/refund.toml: not TOML: "),
        (b"\xff\xfe", "/refund.toml: not UTF-8 text: "),
        (b"[[turn]]\nsays = 1\n", "/refund.toml:2: turn[0] has no key 'says'; the nearest is "),
        (b"title = 'x'\n", "/refund.toml: a scenario needs at least one turn, such as:\n\n[[turn]]\nwhen = "),
        (None, "/refund.toml: cannot be read: is not a regular file"),
    ],
)
def test_an_unreadable_scenario_is_one_line_with_file_and_reason(
    repository: pytest.Pytester, content: bytes | None, reason: str
) -> None:
    """Whether it is not TOML, not text, not a scenario or not a file."""
    file = repository.path / "fixtures" / "scenarios" / "refund.toml"
    file.unlink()
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    said = _failure(repository, "scenario('refund')")
    assert reason in said
    assert said.endswith("Mend that file, and run the test again.")


@pytest.mark.parametrize("mark", ["scenario", "scenario()", "scenario(3)", "scenario('refund', 'tools')"])
def test_a_mark_without_one_name_is_one_line_with_an_example(repository: pytest.Pytester, mark: str) -> None:
    """The example is a scenario of the project."""
    said = _failure(repository, mark)
    assert "the mark scenario takes one name; write @pytest.mark.scenario('" in said
    assert said.endswith(".toml")


def test_a_missing_scenario_is_not_blamed_on_flags(repository: pytest.Pytester) -> None:
    """Every combination fails for it."""
    repository.makepyprojecttoml('[tool.flag-harness.flags]\nbrief = "BRIEF"\n')
    marks = '@pytest.mark.flag_matrix\n@pytest.mark.scenario("refunds")'
    repository.makepyfile(test_ask=f"import pytest\n{marks}\ndef test_ask(cassette): pass\n")
    run = repository.runpytest_inprocess("-p", "no:asyncio", "-p", "no:randomly", *RECORD)
    run.assert_outcomes(errors=2)
    line = "not blamed on flags: no usable scenario: test_ask.py::test_ask[brief], test_ask.py::test_ask[off]"
    assert line in run.outlines
    assert [] == [line for line in run.outlines if "fails" in line]
