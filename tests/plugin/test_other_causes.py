"""Failures that something else than flags explains are not blamed on flags, nor taken for effects of flags."""

import shlex

import pytest

CONFIGURATION = """
[tool.flag-harness.flags]
streaming = "STREAM"
concise = "CONCISE"
"""
TEST = """
import os

import anthropic
import pytest
from flag_harness.faults import overloaded

MARKS
@pytest.mark.flag_matrix
def test_ask(cassette, flags, request):
    client = anthropic.Anthropic(max_retries=RETRIES)
    for text in ("Hello.", "Goodbye."):
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=100 if os.environ.get("CONCISE") else 200,
            stream=bool(os.environ.get("STREAM")),
            messages=[{"role": "user", "content": text}],
        )
        BODY
"""
SIMULATED = ("--disable-recording", "--harness-upstream=simulator")


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository with two flags."""
    pytester.makepyprojecttoml(CONFIGURATION)
    return pytester


def _lines(
    repository: pytest.Pytester, *options: str, body: str = "pass", marks: str = "", retries: str = "0"
) -> list[str]:
    """Run the test, and return the lines of the output."""
    repository.makepyfile(test_ask=TEST.replace("BODY", body).replace("MARKS", marks).replace("RETRIES", retries))
    return repository.runpytest_subprocess(*(options or SIMULATED)).outlines


def _blame(lines: list[str]) -> list[str]:
    return [line for line in lines if "fails when" in line or "not blamed on flags" in line]


LIMITED = '@pytest.mark.faults(overloaded(on=1, combination="streaming"))'
CONFTEST = """
from flag_harness.faults import overloaded
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if item.name == "test_ask[streaming]":
            item.add_marker(pytest.mark.faults(overloaded(on=1)))
"""


@pytest.mark.parametrize(
    ("conftest", "marks", "fault"),
    [("", LIMITED, "overloaded:on=1,combination=streaming"), (CONFTEST, "", "overloaded:on=1")],
)
def test_a_fault_of_one_combination_is_no_fault_of_its_flags(
    repository: pytest.Pytester, conftest: str, marks: str, fault: str
) -> None:
    """Whether the fault names its combination, or the mark is on one item alone."""
    repository.makeconftest(conftest)
    lines = _lines(repository, marks=marks)
    expected = f"not blamed on flags: not all combinations have the fault {fault}: test_ask.py::test_ask[streaming]"
    assert [expected] == _blame(lines)


def test_a_fault_of_every_combination_may_show_a_flag_that_does_not_bear_it(repository: pytest.Pytester) -> None:
    """So its failures are blamed."""
    retries = "2 if os.environ.get('STREAM') else 0"
    lines = _lines(repository, marks="@pytest.mark.faults(overloaded(on=1))", retries=retries)
    assert ["fails when not streaming: 1 test (test_ask.py::test_ask[*])"] == _blame(lines)


NO_DATABASE = """
@pytest.fixture(autouse=True)
def database(flags):
    assert "concise" not in flags.id

@pytest.mark.faults(overloaded(on=1))
"""


def test_a_setup_that_fails_before_faults_are_armed_does_not_hide_what_flags_break(
    repository: pytest.Pytester,
) -> None:
    """The fault of the mark could fire in every run that came so far."""
    retries = "2 if os.environ.get('STREAM') else 0"
    lines = _lines(repository, marks=NO_DATABASE, retries=retries)
    assert ["fails when not streaming, or when concise: 1 test (test_ask.py::test_ask[*])"] == _blame(lines)


def test_what_is_not_recorded_is_no_fault_of_a_flag(repository: pytest.Pytester) -> None:
    """What is recorded and fails is blamed all the same."""
    _lines(repository, "--record-mode=once", "--harness-upstream=simulator", "-k", "not streaming")
    lines = _lines(repository, "--record-mode=none")
    assert [
        "not blamed on flags: not recorded: test_ask.py::test_ask[streaming+concise], test_ask.py::test_ask[streaming]"
    ] == _blame(lines)
    lines = _lines(repository, "--record-mode=none", body="assert 'concise' not in flags or text != 'Goodbye.'")
    assert "perhaps fails when concise: 1 test (test_ask.py::test_ask[*])" == _blame(lines)[0]


XFAIL = "if 'concise' in flags: pytest.xfail('later')"
STRICT = "if flags.id == 'concise': request.applymarker(pytest.mark.xfail(strict=True))"


@pytest.mark.parametrize(
    ("body", "cause", "flags"),
    [
        (XFAIL, "expected to fail (xfail)", "streaming"),
        (XFAIL.replace("xfail", "skip"), "skipped", "streaming"),
        (STRICT, "passed, and a strict xfail expects a failure", "streaming and not concise"),
    ],
)
def test_a_run_that_was_not_judged_neither_refutes_nor_proves_anything(
    repository: pytest.Pytester, body: str, cause: str, flags: str
) -> None:
    """The line about it stands only beside a failure that flags explain."""
    lines = _lines(repository, body=f"{body}\n        assert 'streaming' not in flags or 'concise' in flags")
    assert f"perhaps fails when {flags}: 1 test (test_ask.py::test_ask[*])" == _blame(lines)[0]
    assert f"not blamed on flags: {cause}: test_ask.py::test_ask[concise]" in _blame(lines)[1]
    assert [] == _blame(_lines(repository, body=body))


def test_the_search_for_flags_does_not_count_a_fault_of_one_combination(repository: pytest.Pytester) -> None:
    """Nor an expected failure: the combinations that it runs once more have no outcome."""
    body = "if flags.id == 'streaming+concise': pytest.xfail('later')\n        assert 'concise' not in flags"
    lines = _lines(repository, *SIMULATED, "--harness-locate", marks=LIMITED, body=body)
    (found,) = [line for line in lines if "further combination" in line]
    assert "streaming" not in found.partition("undecided: ")[0].partition(": test_ask")[0], found
    assert not any("fails when streaming" in line for line in lines), lines


def test_a_test_that_fails_in_every_combination_has_no_suspects(repository: pytest.Pytester) -> None:
    """Any flag value would explain it."""
    lines = _lines(repository, *SIMULATED, "--harness-matrix=single", body="assert not text")
    assert "fails in every combination that ran, whatever its flags: test_ask.py::test_ask[*]" in lines
    assert not [line for line in lines if "explain it as well" in line or "perhaps" in line]


def test_a_flag_that_had_one_value_in_all_runs_may_be_the_cause(repository: pytest.Pytester) -> None:
    """As after `-k` and `--lf`, which run the failing combinations only; the line below says how to find out."""
    lines = _lines(repository, *SIMULATED, "-k", "streaming", body="assert 'streaming' not in flags")
    (line,) = [index for index, line in enumerate(lines) if line.startswith("fails in every combination that ran")]
    assert "fails in every combination that ran; streaming had one value in all of them: test_ask.py" in lines[line]
    assert "--harness-locate" in lines[line + 1]


def test_a_flag_that_is_read_at_import_is_named_with_the_line(repository: pytest.Pytester) -> None:
    """Also in a quiet run."""
    repository.makepyfile(settings="import os\nCONCISE = os.environ.get('CONCISE')\n")
    repository.makepyfile(
        test_ask=TEST.replace('os.environ.get("CONCISE")', "settings.CONCISE")
        .replace("MARKS", "import settings")
        .replace("BODY", "pass")
        .replace("RETRIES", "0")
    )
    lines = repository.runpytest_subprocess("-q", *SIMULATED).outlines
    reason = "settings.py:2 reads CONCISE at import, before the test sets it"
    assert f"concise: changed no request in 2 of 2 pairs; {reason}" in lines


def test_a_setup_that_fails_under_a_flag_is_blamed_on_it(repository: pytest.Pytester) -> None:
    """Settings are often read by a fixture."""
    repository.makeconftest(
        "import pytest\n@pytest.fixture(autouse=True)\ndef settings(flags):\n    assert 'concise' not in flags"
    )
    assert "fails when concise: 1 test (test_ask.py::test_ask[*])" in _blame(_lines(repository))


def test_requests_that_a_failed_run_did_not_send_are_no_effect(repository: pytest.Pytester) -> None:
    """It stopped after the first of two; the pairs with such a run are counted."""
    lines = _lines(repository, body="assert 'streaming' not in flags")
    start = next(index for index, line in enumerate(lines) if "what each flag changes" in line)
    expected = [
        "concise  max_tokens: 200 → 100 (1 of 1 pair)",
        "not compared: 3 pairs of runs (3 with a failed run)",
    ]
    assert [line.replace("1 pairs", "1 pair") for line in lines[start + 1 : start + 3]] == expected


def test_pairs_of_runs_without_a_request_show_nothing_about_a_flag(repository: pytest.Pytester) -> None:
    """A flag is not called useless because of a test that sends nothing; runs that a test excludes are counted too."""
    repository.makepyfile(
        """
        import pytest

        @pytest.mark.flag_matrix
        @pytest.mark.harness_no_request
        def test_quiet(cassette, flags):
            if flags.id == "streaming":
                cassette.exclude_from_effects("it is another test")

        @pytest.mark.flag_matrix
        def test_without_cassette(flags): pass
        """
    )
    lines = repository.runpytest_subprocess().outlines
    expected = "not compared: 4 pairs of runs (2 sent no request, 2 with a run that its test excludes)"
    assert expected in lines
    assert not [line for line in lines if "changed no request" in line]


def test_a_missing_key_is_no_fault_of_a_flag(repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the test always fail."""
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    lines = _lines(repository, "--record-mode=once")
    assert not [line for line in lines if line.startswith("always fails")]
    assert [
        "not blamed on flags: no key for the live API: test_ask.py::test_ask[concise], test_ask.py::test_ask[off], "
        "test_ask.py::test_ask[streaming+concise] and 1 more"
    ] == _blame(lines)


def test_commands_can_be_typed_where_pytest_was_started(pytester: pytest.Pytester) -> None:
    """As above a package with settings of its own, whose folder is the root of the run."""
    package = pytester.mkdir("package")
    (package / "pyproject.toml").write_text("[tool.pytest.ini_options]\n[tool.flag-harness.flags]\nfast = 'FAST'\n")
    (package / "test_it.py").write_text(
        "import os, pytest\n\n@pytest.mark.flag_matrix\ndef test_it(flags):\n    assert 'FAST' not in os.environ\n"
    )
    lines = pytester.runpytest_subprocess("package", "-W", "ignore").outlines
    (command,) = [line.partition("To reproduce: ")[2] for line in lines if "To reproduce: " in line]
    assert "pytest 'package/test_it.py::test_it[fast]'" == command
    pytester.runpytest_subprocess(*shlex.split(command)[1:]).assert_outcomes(failed=1)
