"""`--harness-locate`: further rows of failing tests are run until it is known which flags broke them."""

from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.analysis.matrix_runs import FailingTest, MatrixRun
from flag_harness.flag import Flag
from flag_harness.plugin.special_runs.extra_combinations import ExtraCombinationRunner, _has_passed, tear_down_fixtures
from flag_harness.plugin.special_runs.locate import FlagSearch, FlagSearchRunner
from flag_harness.simulator import simulate
from flag_harness.transports.serve.server import LoopbackServer

FLAGS = [f"f{index}" for index in range(12)]
CONFIGURATION = "[tool.flag-harness.flags]\n" + "".join(f'{name} = "{name.upper()}"\n' for name in FLAGS)
TEST = """
import os

import anthropic
import pytest

@pytest.mark.flag_matrix(strength=2)
def test_ask(cassette, flags):
    anthropic.Anthropic(max_retries=0).messages.create(
        model="claude-haiku-4-5",
        max_tokens=200,
        messages=[{"role": "user", "content": TEXT}],
    )
    assert not (CONDITION)
"""
FAILS_ONCE = """
seen = set()

def fails_once(name):
    seen.symmetric_difference_update({name})
    return name in seen
"""
IN_A_CLASS = """
import anthropic
import pytest

@pytest.fixture(scope="session")
def opened():
    with open("log", "a") as log:
        log.write("up ")
    yield
    with open("log", "a") as log:
        log.write("down ")

class TestAsk:
    @pytest.mark.asyncio
    @pytest.mark.flag_matrix(strength=2)
    @pytest.mark.parametrize("extra", ["a-b"])
    async def test_ask(self, cassette, flags, opened, extra):
        await anthropic.AsyncAnthropic(max_retries=0).messages.create(
            model="claude-haiku-4-5", max_tokens=200, messages=[{"role": "user", "content": extra}]
        )
        assert not (CONDITION)
"""
SIMULATED = ("--disable-recording", "--harness-upstream=simulator")
HIDDEN = "'f2' in flags and 'f5' in flags and 'f7' not in flags"
"""A fault that no row of the covering array shows alone."""


def _test(condition: str, text: str = "'Hello.'") -> str:
    return TEST.replace("CONDITION", condition).replace("TEXT", text)


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository with twelve flags, of which three together break a test."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_ask=_test(HIDDEN))
    return pytester


def test_three_flags_are_named_exactly(repository: pytest.Pytester) -> None:
    """Also if workers ran the tests. Only those are counted, and the last line reproduces the failure."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate", "-n", "2")
    assert {"passed", "failed"} == run.parseoutcomes().keys()
    assert 7 == sum(run.parseoutcomes().values())
    run.stdout.fnmatch_lines(
        [
            "locating test_ask.py::test_ask[[]*[]]: run 1 of at most 45",
            "*- which flags broke it -*",
            "fails when f2 and f5 and not f7: test_ask.py::test_ask[[]*[]] (* further combinations ran)",
            "  Not known: whether other sets of * or more flag values make it fail, too",
            "  Answered by: the simulator",
            "  To reproduce: pytest 'test_ask.py::test_ask[[]f2+f5[]]' " + " ".join(SIMULATED),
        ]
    )


def test_the_command_that_reproduces_runs_a_row_that_the_matrix_leaves_out(repository: pytest.Pytester) -> None:
    """A combination can be named by its id, whichever rows the covering array has."""
    run = repository.runpytest_subprocess(*SIMULATED, "test_ask.py::test_ask[f2+f5]")
    run.assert_outcomes(failed=1)
    run = repository.runpytest_subprocess(*SIMULATED, "test_ask.py::test_ask[f2+f5+f7]")
    run.assert_outcomes(passed=1)


def test_a_flag_that_the_command_line_pins_is_not_varied(repository: pytest.Pytester) -> None:
    """Nor is it named: within this run it has one value only."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate", "--harness-flags=f2,-f9")
    run.stdout.fnmatch_lines(
        ["fails when f5 and not f7: *", "  To reproduce: pytest 'test_ask.py::test_ask[[]f2+f5[]]' *"]
    )


def test_a_matrix_that_pins_make_small_is_full(repository: pytest.Pytester) -> None:
    """All combinations of the other flags ran, so there is nothing to locate."""
    pins = ",".join(name for name in FLAGS if name not in ("f5", "f7"))
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate", f"--harness-flags={pins}")
    run.stdout.fnmatch_lines(["fails when f5 and not f7: 1 test (test_ask.py::test_ask[[]*[]])"])


def test_a_run_that_ends_at_the_first_failure_says_so(repository: pytest.Pytester) -> None:
    """Nothing is located then."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate", "-x")
    run.stdout.fnmatch_lines(["  To find out which: run without -x and --maxfail, which ended the run"])


def test_a_quiet_run_shows_no_progress(repository: pytest.Pytester) -> None:
    """The result is printed."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate", "-q")
    run.stdout.no_fnmatch_line("*locating*")
    run.stdout.fnmatch_lines(["fails when f2 and f5 and not f7: *"])


def test_without_the_option_a_covering_array_names_suspects_only(repository: pytest.Pytester) -> None:
    """What the rows cannot tell apart is not called by name."""
    run = repository.runpytest_subprocess(*SIMULATED)
    run.stdout.fnmatch_lines(
        [
            "perhaps fails when *: 1 test (test_ask.py::test_ask[[]*[]])",
            "  7 of 4,096 combinations ran; these explain it as well: * and * more",
            "  To find out which: add --harness-locate",
        ]
    )


def test_recordings_of_equal_requests_answer_other_combinations(repository: pytest.Pytester) -> None:
    """Each reused answer is listed, nothing is recorded, and the combination to reproduce has a recording."""
    repository.makepyfile(test_ask=_test("False"))
    repository.runpytest_subprocess("--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=7)
    repository.makepyfile(test_ask=_test(HIDDEN))
    run = repository.runpytest_subprocess("--harness-locate")
    run.stdout.fnmatch_lines(
        [
            "fails when f2 and f5 and not f7: *",
            "  Answered by recordings of equal requests:",
            "    * from test_ask.py::test_ask[[]*[]]",
            "  To reproduce: pytest 'test_ask.py::test_ask[[]f0+f1+f2+f3+f4+f5+f10+f11[]]'",
        ]
    )
    assert 7 == len(list(repository.path.glob("recordings/test_ask/*.json")))


def test_what_no_recording_answers_is_said_to_be_undecided(repository: pytest.Pytester) -> None:
    """If every flag changes the request, no other recording fits; the result says what to type."""
    text = "flags.id"
    repository.makepyfile(test_ask=_test("False", text))
    repository.runpytest_subprocess("--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=7)
    repository.makepyfile(test_ask=_test(HIDDEN, text))
    run = repository.runpytest_subprocess("--harness-locate=12")
    run.stdout.fnmatch_lines(
        [
            "undecided: * rows could not be run (suspects: *): test_ask.py::test_ask[[]*[]] (0 further combinations *)",
            "  Not known: *",
            "  To run the combinations that no recording answers: add --disable-recording, and "
            "--harness-upstream=simulator or --harness-max-cost=DOLLARS",
        ]
    )


def test_a_test_that_sends_no_request_needs_no_recording(pytester: pytest.Pytester) -> None:
    """Its further combinations run as they are."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(
        """
        import os
        import pytest

        @pytest.mark.harness_no_request
        @pytest.mark.flag_matrix("f0", "f1", "f2", strength=2)
        def test_plain(cassette, flags):
            assert not (os.environ.get("F0") == os.environ.get("F1") == "true")
        """
    )
    result = pytester.runpytest_subprocess("--harness-locate", "-W", "ignore")
    result.stdout.fnmatch_lines(["fails when f0 and f1: *::test_plain[[]*] ([1-9]* further combinations ran)"])


def test_a_spent_budget_is_said(repository: pytest.Pytester) -> None:
    """After three further combinations nothing is named, and the suspects are."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate=3")
    run.stdout.fnmatch_lines(
        [
            "undecided: the budget of 10 runs is spent (suspects: *): test_ask.py::test_ask[[]*[]] "
            "(3 further combinations ran)",
            "  Not known: whether other sets of * or more flag values make it fail, too",
        ]
    )


def test_combinations_that_pass_and_fail_are_called_flaky(repository: pytest.Pytester) -> None:
    """They are left out, and the flags are named nevertheless."""
    flaky = f"({HIDDEN}) or (flags.id != 'f2+f5' and 'f9' in flags and 'f8' not in flags and fails_once(flags.id))"
    repository.makepyfile(test_ask=FAILS_ONCE + _test(flaky))
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate")
    run.stdout.fnmatch_lines(["*fails when f2 and f5 and not f7*", "  Flaky, and left out: *f9*"])


def test_a_name_whose_smallest_combination_passes_is_withdrawn(repository: pytest.Pytester) -> None:
    """Two flags break the test only together with any third one: too many faults to be told apart, so none is named."""
    condition = "'f2' in flags and 'f5' in flags and flags.id != 'f2+f5'"
    repository.makepyfile(test_ask=_test(condition))
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate")
    run.stdout.fnmatch_lines(
        ["undecided: the smallest combination with f2 and f5 passes (suspects: f2 and f5): test_ask.py::test_ask*"]
    )


def test_progress_changes_in_place_on_a_terminal() -> None:
    """The first line begins below the dots of the tests; the others take its place."""
    lines: list[str] = []
    terminal = SimpleNamespace(
        isatty=lambda: True, line=lines.append, rewrite=lambda text, erase: lines.append(f"\r{text}")
    )
    manager = SimpleNamespace(getplugin=lambda name: terminal)
    config = SimpleNamespace(pluginmanager=manager, get_verbosity=lambda: 0)
    locating = FlagSearchRunner(config, None, 45)  # type: ignore[arg-type]
    locating._show_progress("run 1", True)
    locating._show_progress("run 2", False)
    assert ["", "\rrun 1", "\rrun 2"] == lines


def test_the_live_api_answers_only_up_to_a_cost(repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit nothing is run, and the run says what to type."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    with LoopbackServer(simulate()) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        run = repository.runpytest_subprocess("--disable-recording", "--harness-locate")
        run.stdout.fnmatch_lines(["  To find out which, say what the live API may cost, --harness-max-cost=DOLLARS, *"])
        limited = ("--disable-recording", "--harness-locate", "--harness-max-cost=1", "-n", "2")
        run = repository.runpytest_subprocess(*limited)
        run.stdout.fnmatch_lines(
            [
                "fails when f2 and f5 and not f7: *",
                "  Answered by: the live API",
                "  To reproduce: pytest 'test_ask.py::test_ask[[]f2+f5[]]' --disable-recording",
            ]
        )
        run = repository.runpytest_subprocess("--disable-recording", "--harness-locate", "--harness-max-cost=0.0004")
        run.stdout.fnmatch_lines(["undecided: * rows could not be run*"])


def test_classes_parameters_and_wide_fixtures_are_kept(repository: pytest.Pytester) -> None:
    """A test that is a method, async and parametrized is located; its session fixture is set up once more."""
    repository.makepyfile(test_ask=IN_A_CLASS.replace("CONDITION", HIDDEN))
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate", "-p", "asyncio")
    run.stdout.fnmatch_lines(
        [
            "fails when f2 and f5 and not f7: test_ask.py::TestAsk::test_ask[[]*-a-b[]] *",
            "  To reproduce: pytest 'test_ask.py::TestAsk::test_ask[[]f2+f5-a-b[]]' *",
        ]
    )
    assert "up down up down" == (repository.path / "log").read_text().strip()


@pytest.mark.parametrize("number", ["0", "tests"])
def test_a_number_is_demanded(repository: pytest.Pytester, number: str) -> None:
    """Also if the path of a test follows the option, which would take it."""
    run = repository.runpytest_subprocess("--harness-locate", number)
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines([f"*'{number}' is not a number of combinations; type --harness-locate=45, or *"])


def _failing_test(*outcomes: bool) -> FailingTest:
    """A test that ran under one flag, with these outcomes."""
    runs = [
        MatrixRun(nodeid="a::b[x]", test="a::b", row={"x": 1}, has_passed=one, exclusion_reason="", requests=[])
        for one in outcomes
    ]
    return FailingTest("a::b[*]", (Flag("x", "X"),), tuple(runs))


def test_a_test_that_is_not_collected_again_is_said_to_be_missing(pytestconfig: pytest.Config) -> None:
    """Its file looks at the worker that it runs in, for example."""
    locating = FlagSearchRunner(pytestconfig, effects := SimpleNamespace(advice="", located=[]), 9)  # type: ignore[arg-type]
    locating._search_flags_for_tests(SimpleNamespace(items=[object()]), [_failing_test(False)])  # type: ignore[arg-type]
    assert ([], True) == (effects.located, "the test was not found again after the run" in effects.advice)


def test_a_combination_that_also_passed_is_reproduced_if_no_other_failed(pytestconfig: pytest.Config) -> None:
    """No combination always failed, and none could be run any more."""
    template = SimpleNamespace(config=pytestconfig)
    search = FlagSearch(
        _failing_test(False, True), template, ExtraCombinationRunner(), "simulator", 0, lambda *words: None
    )  # type: ignore[arg-type]
    assert "pytest 'a::b[x]'" == search.search_flags().command


def test_a_run_that_was_skipped_neither_passes_nor_fails() -> None:
    """Nor does an expected failure, or one whose function did not run."""
    setup, call = (SimpleNamespace(when=when, skipped=False, failed=False) for when in ("setup", "call"))
    skipped = SimpleNamespace(when="call", skipped=True, failed=False)
    expected = SimpleNamespace(when="call", skipped=True, failed=False, wasxfail="known")
    runs: Any = [[setup], [setup, skipped], [setup, expected], [setup, call]]
    assert [None, None, None, True] == [_has_passed(reports) for reports in runs]


def test_fixtures_are_torn_down_if_no_output_is_captured() -> None:
    """As with `-p no:capture`."""
    ended: list[object] = []
    config = SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=lambda name: None))
    session = SimpleNamespace(_setupstate=SimpleNamespace(teardown_exact=ended.append), config=config)
    tear_down_fixtures(session)  # type: ignore[arg-type]
    assert [None] == ended


@pytest.mark.parametrize(
    ("test", "note"),
    [
        (
            "test_ask.py::test_ask[f0+f2+f5]",
            [
                "--harness-locate compared nothing: test_ask.py::test_ask[[]*[]] ran under one combination",
                "  To run the others, too: pytest test_ask.py::test_ask --harness-locate",
            ],
        ),
        ("test_two.py", ["--harness-locate had nothing to add: the failing tests ran under every combination"]),
    ],
)
def test_locating_says_why_it_located_nothing(repository: pytest.Pytester, test: str, note: list[str]) -> None:
    """A test ran under one combination, or under all."""
    repository.makepyfile(test_two=_test("'f1' in flags").replace("strength=2", "'f1'"))
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-locate", "--", test)
    run.stdout.fnmatch_lines(["*- which flags broke it -*", *note])


def test_locating_is_silent_if_nothing_fails(repository: pytest.Pytester) -> None:
    """No flag is in question."""
    repository.makepyfile(test_ask=_test("False"))
    repository.runpytest_subprocess(*SIMULATED, "--harness-locate").stdout.no_fnmatch_line("--harness-locate*")


def test_a_run_that_the_first_failure_ends_is_advised_to_go_on(repository: pytest.Pytester) -> None:
    """Also without `--harness-locate`."""
    run = repository.runpytest_subprocess(*SIMULATED, "-x")
    run.stdout.fnmatch_lines(["  To find out which: run without -x and --maxfail, which ended the run"])
