"""`--harness-verdict`: arms, decisions, failed trials, exit status and the run record, on the simulator."""

import json

import pytest

from flag_harness.flag import value_text
from flag_harness.gate.evidence import load_evidence
from flag_harness.gate.rules.verdict_evidence import rejudge_verdicts_of_record
from flag_harness.report.failures.causes import flags_in_header

TEST = """
import os
import anthropic, pytest

CLIENTS = []

def ask(text):
    CLIENTS or CLIENTS.append(anthropic.Anthropic(max_retries=0))
    call = dict(model="claude-haiku-4-5", max_tokens=50, messages=[{"role": "user", "content": text}])
    return CLIENTS[0].messages.create(**call)

@pytest.mark.flag_matrix
@pytest.mark.scenario("shop")
def test_refund(cassette):
    strict, fast, breaks = (os.environ.get(name) for name in ("STRICT", "FAST", "BREAKS"))
    answer = ask("Refund." + (" Be strict." if strict and (fast or breaks) else ""))
    assert "refunded" in answer.content[0].text

def test_other():
    raise AssertionError("not run")
"""
SCENARIO = """
[[turn]]
when = { user_contains = "strict" }
weight = 0.3
text = "It is refunded."

[[turn]]
when = { user_contains = "strict" }
weight = 0.7
text = "No."

[[turn]]
weight = 0.95
text = "It is refunded."

[[turn]]
weight = 0.05
text = "No."
"""
CONFIG = """
[tool.flag-harness.flags]
strict = { env = "STRICT" }
fast = { env = "FAST", margin = 0.2 }
"""
SIMULATED = ("--disable-recording", "--harness-upstream=simulator", "--harness-record=run.jsonl")


def _make_project(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TEST)
    pytester.makepyprojecttoml(CONFIG)
    folder = pytester.mkdir("fixtures").joinpath("scenarios")
    folder.mkdir()
    (folder / "shop.toml").write_text(SCENARIO)


def _verdicts(pytester: pytest.Pytester) -> list[tuple[str, str, bool]]:
    header = json.loads((pytester.path / "run.jsonl").read_text().splitlines()[0])
    return [(one["flag"], one["verdict"], one["is_simulated"]) for one in header["verdicts"]]


def test_a_harmful_flag_fails_and_stops_and_a_harmless_one_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is compared to the defaults. Runs that only the decided flag needed are left out; failures are trials."""
    _make_project(pytester)
    monkeypatch.setenv("BREAKS", "1")
    run = pytester.runpytest_inprocess("--harness-verdict=all", "--harness-repeat=90", *SIMULATED)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(
        [
            "round: each test once with the flag and once without it; points: percentage points of the pass rate",
            "strict: FAIL (simulator only) after * rounds: it is worse with the flag in test_it.py::test_refund*",
            "fast: PASS (simulator only) after * rounds; worst: test_it.py::test_refund[[]*[]], the same with*",
            "  excluded in every test: a loss of * points or more; not excluded: a loss of * points",
            "*passed, 1 deselected, * failed trials*",
        ]
    )
    assert [("strict", "fail", True), ("fast", "pass", True)] == _verdicts(pytester)
    rows = [json.loads(line) for line in (pytester.path / "run.jsonl").read_text().splitlines()[1:]]
    counts = {name: sum(row["combination"] == name for row in rows) for name in ("off", "strict", "fast")}
    assert counts["strict"] < counts["off"] == counts["fast"] < 90


def test_a_run_without_failing_verdicts_passes(pytester: pytest.Pytester) -> None:
    """The flags change nothing, one of them is judged, and failed trials do not fail the run."""
    _make_project(pytester)
    run = pytester.runpytest_inprocess("--harness-verdict=fast", "--harness-repeat=90", *SIMULATED)
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(["fast: PASS (simulator only) after * rounds*"])
    assert [("fast", "pass", True)] == _verdicts(pytester)


def test_marks_put_tests_into_groups(pytester: pytest.Pytester) -> None:
    """The rows of the record name the groups, and a mark without a name is refused."""
    _make_project(pytester)
    mark = '@pytest.mark.harness_stratum("refunds", "money")\n@pytest.mark.scenario'
    pytester.makepyfile(test_it=TEST.replace("@pytest.mark.scenario", mark))
    options = ("--harness-verdict=fast", "--harness-repeat=1", *SIMULATED)
    pytester.runpytest_inprocess(*options)
    rows = [json.loads(line) for line in (pytester.path / "run.jsonl").read_text().splitlines()[1:]]
    assert [["refunds", "money"]] * 2 == [row["strata"] for row in rows]
    pytester.makepyfile(test_it=TEST.replace("@pytest.mark.scenario", mark.replace('"refunds", "money"', "")))
    run = pytester.runpytest_inprocess(*options)
    run.stderr.fnmatch_lines(["*takes names of groups; write @pytest.mark.harness_stratum(*refunds*)"])


def test_leaving_out_a_run_tears_down_the_module_before_it(pytester: pytest.Pytester) -> None:
    """The last run of a module is left out once its flag is decided; the next module is set up as usual."""
    test = """
        import pytest

        @pytest.mark.harness_no_request
        @pytest.mark.flag_matrix("fast", "strict")
        def test_it(cassette, flags):
            assert "fast" not in flags
    """
    pytester.makepyfile(test_one=test, test_two=test)
    pytester.makepyprojecttoml(CONFIG)
    run = pytester.runpytest_inprocess("--harness-verdict=all", "--harness-repeat=12", *SIMULATED)
    run.stdout.fnmatch_lines(["strict: INCONCLUSIVE after 12 rounds*", "fast: FAIL after * rounds*"])
    run.stdout.no_fnmatch_line("*error*in *")


def test_too_few_rounds_are_inconclusive_and_no_success(pytester: pytest.Pytester) -> None:
    """The verdict says what a decision would cost."""
    _make_project(pytester)
    run = pytester.runpytest_inprocess("--harness-verdict=fast", "--harness-repeat=3", *SIMULATED)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(
        [
            "fast: INCONCLUSIVE (simulator only) after 3 rounds*",
            "  a PASS must exclude a loss of 20 points: if the flag changes nothing, that takes about * rounds (*",
        ]
    )


def test_harm_that_needs_another_flag_is_found_over_a_matrix(pytester: pytest.Pytester) -> None:
    """From each combination of `--harness-matrix`, both flags fail, under the other one."""
    _make_project(pytester)
    options = ("--harness-verdict=all", "--harness-matrix=full", "--harness-repeat=40")
    run = pytester.runpytest_inprocess(*options, *SIMULATED)
    run.stdout.fnmatch_lines(
        [
            "strict: FAIL (simulator only)*worse with the flag in test_it.py::test_refund[[]*[]] under fast=true*",
            "fast: FAIL (simulator only)*worse with the flag in test_it.py::test_refund[[]*[]] under strict=true*",
            "test_it.py::test_refund[[]*[]]: with fast and strict together, *% pass instead of *%; *",
        ]
    )


def test_a_verdict_without_a_limit_of_rounds_or_on_an_unknown_flag_is_refused(pytester: pytest.Pytester) -> None:
    """Each message says what to type."""
    _make_project(pytester)
    run = pytester.runpytest_inprocess("--harness-verdict=strict")
    run.stderr.fnmatch_lines(["*--harness-verdict=strict needs the most rounds*add --harness-repeat=200*"])
    run = pytester.runpytest_inprocess("--harness-verdict=strct", "--harness-repeat=2")
    run.stderr.fnmatch_lines(["*no flag is called 'strct'; the nearest is 'strict'*"])


def test_a_refused_request_is_no_trial(pytester: pytest.Pytester) -> None:
    """Without a recording the runs are errors of the setup, not evidence against a flag."""
    _make_project(pytester)
    run = pytester.runpytest_inprocess("--harness-verdict=fast", "--harness-repeat=2", "--harness-record=run.jsonl")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["fast: INCONCLUSIVE after 0 rounds*"])


def test_with_xdist_all_rounds_run_and_the_main_process_judges(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decided flag does not stop, since no worker knows all rows."""
    _make_project(pytester)
    monkeypatch.setenv("BREAKS", "1")
    run = pytester.runpytest_subprocess("-n1", "--harness-verdict=strict", "--harness-repeat=25", *SIMULATED)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["strict: FAIL (simulator only) after 25 rounds*"])
    assert [("strict", "fail", True)] == _verdicts(pytester)


def test_a_flag_without_tests_is_inconclusive_and_collection_judges_nothing(pytester: pytest.Pytester) -> None:
    """The verdict says that no test varied the flag."""
    _make_project(pytester)
    options = ("--harness-verdict=fast", "--harness-repeat=2", *SIMULATED)
    run = pytester.runpytest_inprocess("-k", "other", *options)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["fast: INCONCLUSIVE after 0 rounds: no test ran with and without it"])
    run = pytester.runpytest_inprocess("--collect-only", *options)
    assert pytest.ExitCode.OK == run.ret
    run.stdout.no_fnmatch_line("*verdicts*")


def test_an_expected_improvement_that_is_not_shown_is_named(pytester: pytest.Pytester) -> None:
    """Without it there is no PASS."""
    _make_project(pytester)
    pytester.makepyprojecttoml(CONFIG.replace('"FAST"', '"FAST", expect = { cost = "lower" }'))
    run = pytester.runpytest_inprocess("--harness-verdict=fast", "--harness-repeat=2", *SIMULATED)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["  no PASS: cost was expected to be lower, and that is *"])


def test_a_decided_value_of_a_choice_stops_while_another_one_runs_on(pytester: pytest.Pytester) -> None:
    """Each value is compared to the default alone."""
    _make_project(pytester)
    pytester.makepyfile(test_it=TEST.replace("if strict and (fast or breaks)", 'if os.environ.get("STYLE") == "bad"'))
    pytester.makepyprojecttoml(
        '[tool.flag-harness.flags]\nstyle = { env = "STYLE", values = ["plain", "bad", "good"] }\n'
    )
    run = pytester.runpytest_inprocess("--harness-verdict=style", "--harness-repeat=25", *SIMULATED)
    run.stdout.fnmatch_lines(["style=bad: FAIL *", "style=good: INCONCLUSIVE * after 25 rounds*"])
    rows = [json.loads(line) for line in (pytester.path / "run.jsonl").read_text().splitlines()[1:]]
    counts = {name: sum(row["values"]["style"] == name for row in rows) for name in ("plain", "bad", "good")}
    assert counts["bad"] < counts["plain"] == counts["good"] == 25
    evidence = load_evidence([pytester.path / "run.jsonl"])[0]
    again = rejudge_verdicts_of_record(evidence, flags_in_header(evidence.record.header))
    verdicts = [(one.verdict.decision.lower(), value_text(one.flag_change.new_value)) for one in again]
    assert [(one.verdict, one.value) for one in evidence.record.header.verdicts] == verdicts
