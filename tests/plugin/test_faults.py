"""`--harness-fault` and `--harness-sweep` in a stranger's repository."""

from pathlib import Path

import pytest

TESTS = """
import anthropic
import pytest

def ask(retries=0):
    client = anthropic.Anthropic(max_retries=retries)
    message = client.messages.create(
        model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": "Hello."}]
    )
    return message.content[0].text

def test_ask(cassette):
    assert ask(retries=1) == "Hello."

def test_ask_once(cassette):
    assert ask() == "Hello."
"""
SIMULATED = ("--disable-recording", "--harness-upstream=simulator")


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository with two tests, one of which tries again."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = '--strict-markers -p no:cacheprovider'\n")
    pytester.makepyfile(test_ask=TESTS)
    return pytester


def test_a_fault_meets_every_test(repository: pytest.Pytester) -> None:
    """Each counts from its own first request: whoever tries again survives, and the client makes itself."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-fault=overloaded:on=1")
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.fnmatch_lines(["*OverloadedError*"])


def test_two_faults_and_workers(repository: pytest.Pytester) -> None:
    """Faults add up, and so do the counts of the workers."""
    faults = ("--harness-fault=slow_start:seconds=3", "--harness-fault=split_utf8")
    run = repository.runpytest_subprocess(*SIMULATED, *faults, "-n2")
    run.assert_outcomes(passed=2)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(
        [
            "--harness-fault: fault split_utf8 never fired: it saw 2 requests, 2 due; the body has no character of "
            "more than one byte"
        ]
    )
    run.stdout.no_fnmatch_line("*slow_start*never fired*")


def test_a_fault_that_fires_in_one_test_of_many_has_fired(repository: pytest.Pytester) -> None:
    """`on=2` is met by the test that asks twice alone; nobody asks for more."""
    faults = ("--harness-fault=wrong_content_type:on=2", "--harness-fault=overloaded:on=1")
    run = repository.runpytest_subprocess(*SIMULATED, *faults, "-k", "test_ask")
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.no_fnmatch_line("*never fired*")


def test_a_run_without_traffic_tests_nothing(repository: pytest.Pytester) -> None:
    """The fault saw no request, so the run has failed."""
    repository.makepyfile(test_ask="def test_nothing(): ...")
    run = repository.runpytest_subprocess("--harness-fault=overloaded")
    run.assert_outcomes(passed=1)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["--harness-fault: fault overloaded never fired: it saw no request"])


def test_the_sdk_itself_refuses_the_keyword(repository: pytest.Pytester) -> None:
    """A fault of the client's side reaches clients that the test makes itself."""
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-fault=refused_keyword")
    run.assert_outcomes(failed=2)
    run.stdout.fnmatch_lines(["*TypeError: Messages.create() got an unexpected keyword argument 'beta'"])


def test_the_marks_faults_reach_them_too(repository: pytest.Pytester) -> None:
    """Likewise by the mark."""
    repository.makepyfile(
        test_ask=TESTS.replace("def test_ask(", "@pytest.mark.faults(refused_keyword(on=1))\ndef test_ask(").replace(
            "import pytest", "import pytest\nfrom flag_harness.faults import refused_keyword"
        )
    )
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("overloaded:on=0", "overloaded: on=0: must be a whole number from 1 up, or a collection of them"),
        ("overloaded:probability=2", "overloaded: probability=2.0: must be a number above 0 and up to 1"),
        ("overlaoded", "no fault is called 'overlaoded'; did you mean 'overloaded'?; there are: "),
        (
            "refused_keyword:keyword=model",
            "refused_keyword: the installed SDK accepts 'model'; try 'beta', which no version accepts",
        ),
        (
            "overloaded:combination=of",
            "overloaded:combination=of: no flag is called 'of'; did you mean 'off'?; declared: streaming, ",
        ),
    ],
)
def test_a_bad_argument_is_a_usage_error(repository: pytest.Pytester, fault: str, words: str) -> None:
    """It is named before anything runs."""
    run = repository.runpytest_subprocess(f"--harness-fault={fault}")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines([f"ERROR: --harness-fault={fault}: {words}*"])


def test_a_fault_that_fired_is_named_with_the_failure(repository: pytest.Pytester) -> None:
    """By a mark or by the command line, how often; a fault that spoiled nothing is not to blame."""
    repository.makepyfile(test_ask=_marked("faults('slow_start:seconds=1.5', 'overloaded:on=5')", "ask(retries=1)"))
    run = repository.runpytest_subprocess(*SIMULATED, "--harness-fault=overloaded:until=2")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["*faults that fired*", "slow_start:seconds=1.5: 2 times", "overloaded:until=2: 2 times"])
    run.stdout.no_fnmatch_line("overloaded:on=5: *")


def _marked(mark: str, body: str, cassette: str = "cassette", above: str = "") -> str:
    """One test with a mark."""
    return f"""{TESTS.partition("def test_ask")[0]}
from flag_harness.faults import overloaded

{above or "@pytest.mark.harness_unplayed"}
@pytest.mark.{mark}
def test_marked({cassette}):
    {body}
"""


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("faults()", "it takes at least one fault: @pytest.mark.faults(overloaded(on=2))"),
        ("faults(overloaded(), on=2)", "it takes at least one fault: @pytest.mark.faults(overloaded(on=2))"),
        (
            "faults(3)",
            "3 is not a fault; call one, overloaded(on=2), or spell it, 'overloaded:on=2'",
        ),
        ("faults('overloaded:on=0')", "overloaded: on=0: must be a whole number from 1 up, or a collection of them"),
        (
            "faults(overloaded(combination='streming'))",
            "overloaded:combination=streming: no flag is called 'streming'; did you mean 'streaming'?; declared: "
            "streaming, prompt_cache, extended_output",
        ),
        (
            "faults('refused_keyword:keyword=model')",
            "refused_keyword: the installed SDK accepts 'model'; try 'beta', which no version accepts",
        ),
        (
            "faults(overloaded(combination='streaming'))",
            "overloaded:combination=streaming can never fire here: the test runs under off",
        ),
    ],
)
def test_a_mark_that_is_wrong_is_refused_before_anything_runs(
    repository: pytest.Pytester, mark: str, words: str
) -> None:
    """The test, the mark and the rule are named."""
    repository.makepyfile(test_ask=_marked(mark, "ask()"))
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines([f"test_ask.py::test_marked: @pytest.mark.faults: {words}"])


def test_a_mark_may_spell_its_faults(repository: pytest.Pytester) -> None:
    """As the command line does; and bind one to a combination that one item of the test has."""
    repository.makepyfile(
        test_ask=_marked(
            "faults('overloaded:on=1', overloaded(on=1, combination='streaming'))",
            "ask(retries=2); assert len(cassette.exchanges) == (3 if 'streaming' in flags else 2)",
            "cassette, flags",
            "@pytest.mark.flag_matrix('streaming')",
        )
    )
    repository.runpytest_subprocess(*SIMULATED).assert_outcomes(passed=2)


def test_a_mark_of_a_parameter_is_checked_too(repository: pytest.Pytester) -> None:
    """It is known once the test runs."""
    above = "@pytest.mark.parametrize('n', [pytest.param(1, marks=pytest.mark.faults('overloaded:on=0'))])"
    repository.makepyfile(test_ask=_marked("harness_unplayed", "ask()", "cassette, n", above))
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(["test_ask.py::test_marked[[]1]: @pytest.mark.faults: overloaded: on=0: must be *"])


def test_a_mark_without_traffic_fails(repository: pytest.Pytester) -> None:
    """Nothing could go wrong; a test that fails by itself says why it fails."""
    repository.makepyfile(
        test_passes=_marked("faults(overloaded(on=1))", "pass", ""),
        test_fails=_marked("faults(overloaded(on=1))", "assert 1 == 2", ""),
        test_skips=_marked("faults(overloaded(on=1))", "pytest.skip('no')", ""),
    )
    run = repository.runpytest_subprocess(*SIMULATED)
    run.assert_outcomes(passed=2, failed=2, skipped=1)
    run.stdout.fnmatch_lines(
        [
            "E       assert 1 == 2",
            "@pytest.mark.faults(overloaded:on=1): no fault can fire, since the test does not use the `cassette` "
            "fixture; add the fixture to its arguments",
        ]
    )


@pytest.mark.parametrize(
    ("combination", "words"),
    [
        (
            "streaming",
            "fault overloaded:combination=streaming never fired: no test ran under the combination that it needs",
        ),
        ("off,on=9", "fault overloaded:combination=off,on=9 never fired: it saw 2 requests, of which none was due"),
    ],
)
def test_a_fault_of_the_run_that_is_bound_says_so(repository: pytest.Pytester, combination: str, words: str) -> None:
    """Whether no test ran under its combination, or none of the requests was due."""
    run = repository.runpytest_subprocess(*SIMULATED, f"--harness-fault=overloaded:combination={combination}", "-n2")
    run.assert_outcomes(passed=2)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines([f"--harness-fault: {words}"])


AGENT = Path(__file__).parents[1] / "sweep" / "agents.py"


def test_a_sweep_runs_in_place_of_the_tests(repository: pytest.Pytester) -> None:
    """Its items are faults, `-k` picks among them, and the table says how the reference agent did."""
    run = repository.runpytest_subprocess("--harness-sweep=faults", "-k", "overloaded and until or empty_response")
    run.assert_outcomes(passed=3, deselected=run.parseoutcomes()["deselected"])
    run.stdout.fnmatch_lines(
        [
            "*= survival of faults =*",
            "fault           recovered  reported clearly  *",
            "empty_response         16                 8  *",
            "all                    16                 8  *",
            "3 faults under 8 combinations: 24 pairs, of which 0 do not apply *",
            "The agent: *, the reference agent. To sweep yours: --harness-agent=MODULE:NAME (docs/agents.md)",
        ]
    )


def test_an_agent_of_ones_own_is_swept_by_workers(repository: pytest.Pytester) -> None:
    """What it does not survive fails, and says under which combination and why."""
    repository.path.joinpath("agents.py").write_text(AGENT.read_text())
    run = repository.runpytest_subprocess(
        "--harness-sweep=faults", "--harness-agent=agents:create_loop", "-k", "byte_order_mark", "-n2"
    )
    run.assert_outcomes(failed=3)
    run.stdout.fnmatch_lines(["streaming: leaked an exception: AssertionError*", "*leaked an exception*", "all *"])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("--harness-agent=agents:create_loop", "agent 'agents:create_loop' cannot be found: No module named 'agents'"),
        ("--harness-agent=agents", "agent 'agents' must be spelled module:attribute, such as myapp.agent:run"),
    ],
)
def test_an_agent_that_is_none_is_a_usage_error(repository: pytest.Pytester, how: str, words: str) -> None:
    """The message says what to type."""
    run = repository.runpytest_subprocess("--harness-sweep=faults", how)
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines([f"ERROR: {words}"])


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (
            "def run(prompt, stage): ...",
            "the agent fails though nothing goes wrong, under 8 of 8 combinations (off, *); under off it returned "
            "after 0 requests, with 0 side effects of the one call (nothing was raised); fix that first *",
        ),
        ("raise RuntimeError('boom')", "agent 'broken:run' cannot be imported: RuntimeError: boom"),
    ],
)
def test_an_agent_that_fails_by_itself_is_told_once(repository: pytest.Pytester, module: str, words: str) -> None:
    """There is nothing to learn from a sweep over it."""
    repository.makepyfile(broken=f"{module}\n")
    run = repository.runpytest_subprocess("--harness-sweep=faults", "--harness-agent=broken:run")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines([f"ERROR: {words}"])
    assert "Traceback" not in str(run.stderr)
    run = repository.runpytest_subprocess("--harness-sweep=faults", "--collect-only", "-q", "-k", "unauthorized")
    run.stdout.fnmatch_lines(["sweep::unauthorized:on=1"])
    run = repository.runpytest_inprocess("--harness-sweep=faults", "--collect-only", "-k", "unautorized")
    run.stdout.fnmatch_lines(["-k 'unautorized' selects none of *, and the nearest is 'unauthorized'. Write -k *"])


def test_a_sweep_of_some_faults(repository: pytest.Pytester) -> None:
    """Those of the command line, also such as a whole sweep has not; one that fires nowhere has failed."""
    faults = (
        "overloaded:on=1",
        "stall:seconds=5,at=first_event,every=2",
        "bad_request:combination=off",
        "split_utf8:on=9",
    )
    run = repository.runpytest_subprocess("--harness-sweep=faults", *(f"--harness-fault={fault}" for fault in faults))
    run.assert_outcomes(passed=3, failed=1)
    run.stdout.fnmatch_lines(
        ["it never fired under any combination", "overloaded * 8 *", "4 faults under 8 combinations: 32 pairs, *"]
    )
    run.stdout.no_fnmatch_line("*--harness-fault: *")


def test_an_id_of_a_sweep_is_no_keyword(repository: pytest.Pytester) -> None:
    """The error names the option that runs this fault alone."""
    run = repository.runpytest_subprocess("--harness-sweep=faults", "-k", "reset:on=2")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(
        ["ERROR: -k 'reset:on=2': -k takes words, such as 'reset'; for this fault alone: --harness-fault=reset:on=2"]
    )


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [(["test_ask.py", "--harness-agent=agents:run"], "overloaded:on=1"), (["sweep::reset:on=2"], "reset:on=2")],
)
def test_a_sweep_of_an_agent_takes_no_tests(repository: pytest.Pytester, arguments: list[str], fault: str) -> None:
    """The error names the option that selects faults."""
    run = repository.runpytest_subprocess("--harness-sweep=faults", *arguments)
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(
        [
            f"ERROR: --harness-sweep of an agent runs no tests, so it cannot take {arguments[0]}; to sweep some "
            f"faults: --harness-fault={fault} (repeatable), or -k with a part of their names"
        ]
    )


def test_a_keyword_that_the_sdk_does_not_know_may_be_chosen(repository: pytest.Pytester) -> None:
    """It is refused as `beta` is."""
    fault = "--harness-fault=refused_keyword:keyword=no_such_keyword"
    run = repository.runpytest_inprocess("-p", "no:asyncio", *SIMULATED, fault, "-k", "once")
    run.assert_outcomes(failed=1, deselected=1)
    run.stdout.fnmatch_lines(["*TypeError: Messages.create() got an unexpected keyword argument 'no_such_keyword'"])


def test_a_fault_that_fires_in_a_subtest_is_named_there(repository: pytest.Pytester) -> None:
    """The report of a subtest has no row; that of its test has."""
    pytest.importorskip("_pytest.subtests", reason="pytest has subtests since 9.0")
    subtest = "def test_ask(cassette, subtests):\n    with subtests.test('first'):\n        ask()\n"
    repository.makepyfile(test_ask=TESTS.partition("def test_ask(")[0] + subtest)
    run = repository.runpytest_inprocess("-p", "no:asyncio", *SIMULATED, "--harness-fault=overloaded:on=1")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["*faults that fired*", "overloaded:on=1: 1 time"])
