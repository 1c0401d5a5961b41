"""`--harness-sweep` over ordinary tests: their own fixtures and assertions, under every trouble."""

import re
import time

import pytest

from flag_harness import load_record
from flag_harness.plugin.sweep.options import suggest_other_keyword

REAL = '[tool.flag-harness.sweep]\ntools = "real"\n'
SCENARIO = """
[[turn]]
when = { user_contains = "2 + 3" }
text = "I add."
[[turn.call]]
name = "add"
input = { a = 2, b = 3 }

[[turn]]
when = { result = "5" }
text = "It is 5."

[[turn]]
when = { user = "Good." }
text = "Thanks a lot."
"""
AGENT = """
import anthropic

CLIENT = anthropic.Anthropic(api_key="x")
ADD = {"name": "add", "description": "Adds.", "input_schema": {"type": "object"}}


class Agent:
    def __init__(self):
        self.messages = []

    def ask(self, prompt):
        self.messages.append({"role": "user", "content": prompt})
        while True:
            answer = self.send()
            self.messages.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
            calls = [block for block in answer.content if block.type == "tool_use"]
            if not calls:
                return "".join(block.text for block in answer.content if block.type == "text")
            self.messages.append({"role": "user", "content": [self.run(call) for call in calls]})

    def run(self, call):
        return {"type": "tool_result", "tool_use_id": call.id, "content": str(call.input["a"] + call.input["b"])}

    def send(self):
        return CLIENT.messages.create(model="claude-haiku-4-5", max_tokens=4096, messages=self.messages, tools=[ADD])
"""
TEST = """
import pytest
from agent import Agent


@pytest.fixture
def agent(cassette):
    return Agent()


@pytest.mark.scenario("sum")
def test_sum(agent):
    assert "5" in agent.ask("What is 2 + 3?")
    assert "thanks" in agent.ask("Good.").lower()


def test_of_something_else():
    raise RuntimeError("a sweep must not run this")
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a project with an agent, a scenario and a test of it."""
    pytester.makepyprojecttoml(REAL)
    pytester.path.joinpath("fixtures/scenarios").mkdir(parents=True)
    pytester.path.joinpath("fixtures/scenarios/sum.toml").write_text(SCENARIO)
    pytester.makepyfile(agent=AGENT, test_sum=TEST)
    return pytester


def test_a_sweep_runs_an_ordinary_test_under_each_fault(project: pytest.Pytester) -> None:
    """Each kind of fault is one item, and the table counts the outcomes."""
    run = project.runpytest_subprocess("--harness-sweep=faults", "-k", "baseline or overloaded or unauthorized")
    run.assert_outcomes(passed=3, deselected=run.parseoutcomes()["deselected"])
    run.stdout.fnmatch_lines(["unauthorized * - * 4 *", "overloaded * 6 * 6 *", "16 troubles in 1 test"])


def test_a_failure_is_reported_once_with_its_command(project: pytest.Pytester) -> None:
    """Failures with the same exception and place are one line, and the command under it runs one of them again."""
    run = project.runpytest_subprocess("--harness-sweep=faults", "-k", "wrong_content_type or malformed_json")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["* troubles: raw exception: * (agent.py:*)"])
    command = next(line.strip() for line in run.outlines if line.strip().startswith("pytest test_sum.py::test_sum"))
    again = project.runpytest_subprocess(*command.split()[1:])
    assert {"passed": 1, "not": 1} == {word.rstrip(","): count for word, count in _outcomes(again).items()}


def _outcomes(run: pytest.RunResult) -> dict[str, int]:
    return {word: int(count) for count, word in re.findall(r"(\d+) (passed|not) ?", run.outlines[-1])}


def test_workers_run_a_sweep(project: pytest.Pytester) -> None:
    """The items go to any worker, and the controller prints one table."""
    run = project.runpytest_subprocess("--harness-sweep=faults", "-k", "overloaded or unauthorized", "-n2")
    run.assert_outcomes(passed=2)
    run.stdout.fnmatch_lines(["16 troubles in 1 test"])


def test_a_sweep_asks_before_it_runs_tools(project: pytest.Pytester) -> None:
    """Without a word about tools nothing runs, and the message says what to write."""
    project.makepyprojecttoml("")
    run = project.runpytest_subprocess("--harness-sweep=faults", "test_sum.py")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(
        ['ERROR: test_sum.py::test_sum would run hundreds of times, and its tools with it. *tools = "real"*']
    )


def test_a_mark_says_what_tools_do(project: pytest.Pytester) -> None:
    """A test can be swept in a project that says nothing."""
    project.makepyprojecttoml("")
    project.makepyfile(
        test_sum=TEST.replace("@pytest.mark.scen", '@pytest.mark.harness_sweep(tools="real")\n@pytest.mark.scen')
    )
    run = project.runpytest_subprocess("test_sum.py", "--harness-sweep=faults", "--harness-fault=overloaded:on=1")
    run.assert_outcomes(passed=2, deselected=1)


def test_a_test_that_fails_by_itself_is_reported_once(project: pytest.Pytester) -> None:
    """Its other items are skipped, since they would show nothing."""
    project.makepyfile(test_sum=TEST.replace('"5" in', '"6" in'))
    run = project.runpytest_subprocess("--harness-sweep=faults", "-k", "baseline or overloaded")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["baseline: without any trouble: AssertionError: *", "*1 skipped*"])


@pytest.mark.parametrize("value", ["fault", "test_sum.py"])
def test_an_unknown_kind_of_trouble_is_a_usage_error(project: pytest.Pytester, value: str) -> None:
    """The message lists the kinds, and says where a test belongs."""
    run = project.runpytest_subprocess("--harness-sweep", value)
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(
        [f"*{value!r} is not a kind of trouble; known: faults*schedules*put it before the option: *"]
    )


def test_a_surprise_is_an_answer_that_nobody_scripted(project: pytest.Pytester) -> None:
    """The agent keeps an empty answer, and the API refuses what it sends next."""
    run = project.runpytest_subprocess("--harness-sweep=surprises", "-k", "empty_answer or unknown_stop_reason")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(
        [
            "empty_answer * - * 2",
            "unknown_stop_reason * 2 * -",
            "2 troubles: illegal request: *non-empty content*",
            "*pytest test_sum.py::test_sum --harness-sweep --harness-surprise=empty_answer:on=1",
        ]
    )


def test_words_that_select_nothing_are_answered_with_the_nearest(project: pytest.Pytester) -> None:
    """One line says what to write after -k; a trouble that pytest cannot read there is a usage error."""
    run = project.runpytest_inprocess("--harness-sweep", "-k", "overlaoded", "--collect-only")
    run.stdout.fnmatch_lines(
        ["-k 'overlaoded' selects none of the *: none has *, and the nearest is 'overloaded'. Write -k overloaded."]
    )
    run = project.runpytest_inprocess("--harness-sweep", "-k", "overloaded:on=1", "--collect-only")
    run.stderr.fnmatch_lines(["ERROR: -k 'overloaded:on=1': -k takes words, such as 'overloaded'; *"])


def test_words_that_no_item_has_together_are_answered_with_the_nearest_item() -> None:
    """It has most of them."""
    names = ["test_a[off]::reset", "test_b::reset", "test_b::cut"]
    assert (
        "-k 'test_a and reset and not cut' selects none of the 3 items of the sweep: no item has all of it; the "
        "nearest is test_a[off]::reset. Write -k with fewer words."
    ) == suggest_other_keyword("test_a and reset and not cut", names)


def test_one_surprise_is_named_on_the_command_line(project: pytest.Pytester) -> None:
    """Nothing else is tried."""
    run = project.runpytest_subprocess("--harness-sweep", "--harness-surprise=unknown_stop_reason:on=2")
    run.assert_outcomes(passed=2, deselected=1)
    run.stdout.fnmatch_lines(["1 trouble in 1 test"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--harness-sweep", "--harness-surprise=cutcall"],
            "there is no surprise 'cutcall'; the nearest is 'cut_call'*",
        ),
        (
            ["--harness-surprise=cut_call:on=1"],
            "--harness-surprise=cut_call:on=1 belongs to a sweep; add --harness-sweep",
        ),
        (
            ["--harness-sweep", "--harness-surprise=cut_call:on=0"],
            "*on=0 must be 1 or more; type cut_call:on=1",
        ),
    ],
)
def test_a_wrong_surprise_is_a_usage_error(options: list[str], words: str, project: pytest.Pytester) -> None:
    """The message names the nearest one, or what to add."""
    run = project.runpytest_subprocess(*options)
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines([f"ERROR: {words}"])


def test_an_interrupted_turn_is_reported_and_the_next_prompt_works(project: pytest.Pytester) -> None:
    """The interrupt is the user's, so it is no failure of the agent; what it leaves behind may be one."""
    run = project.runpytest_subprocess("--harness-sweep=interrupts")
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(["cancelled * - * 2 *"])


def test_an_interrupt_that_breaks_the_conversation_is_found(project: pytest.Pytester) -> None:
    """The agent stores the call before it waits for the result's answer, and forgets the result."""
    left = AGENT.replace(
        "while True:\n            answer = self.send()", "while True:\n            answer = self.try_to_send()"
    )
    project.makepyfile(agent=left + BROKEN)
    run = project.runpytest_subprocess("--harness-sweep=interrupts", "--harness-interrupt=inside_body:on=2")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(
        [
            "cancelled:at=inside_body,on=2: illegal request: *",
            "*pytest test_sum.py::test_sum --harness-sweep --harness-interrupt=inside_body:on=2",
        ]
    )


BROKEN = """
    def try_to_send(self):
        try:
            return self.send()
        except BaseException:
            self.messages.pop()
            raise
"""


def test_known_failures_pass_and_new_ones_fail(project: pytest.Pytester) -> None:
    """The first run writes the baseline, and the next one fails only for what got worse."""
    options = ["--harness-sweep", "-k", "empty_answer or overloaded", "--harness-sweep-baseline=seen.json"]
    first = project.runpytest_subprocess(*options)
    first.stdout.fnmatch_lines(["wrote *seen.json; from now on these failures are known"])
    again = project.runpytest_subprocess(*options)
    assert (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.OK) == (first.ret, again.ret)
    again.stdout.fnmatch_lines(["empty_answer * 2 * -"])
    project.makepyfile(agent=AGENT.replace('api_key="x"', 'api_key="x", max_retries=0'))
    worse = project.runpytest_subprocess(*options)
    assert pytest.ExitCode.TESTS_FAILED == worse.ret
    worse.stdout.fnmatch_lines(["* troubles: regression: the agent recovered before; now: reported"])


def test_a_baseline_that_is_none_is_a_usage_error(project: pytest.Pytester) -> None:
    """The message says how to get a new one."""
    project.path.joinpath("seen.json").write_text("[]")
    run = project.runpytest_subprocess("--harness-sweep", "--harness-sweep-baseline=seen.json")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(["ERROR: *seen.json is not a baseline of a sweep *; delete it to write it anew"])


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        ("agent:usage", "ERROR: *usage: the function 'agent:usage' cannot be found: *"),
        ("usages:empty", "*usages:empty returned {}, which has none of input_tokens, *"),
        ("usages:broken", "*usages:broken raised KeyError: 'agents'; it is called with the fixtures of the test *"),
    ],
)
def test_a_function_that_reports_no_usage_is_an_error(project: pytest.Pytester, usage: str, words: str) -> None:
    """The message says what is wrong with it, before any trouble is tried."""
    project.makepyprojecttoml(f'{REAL}usage = "{usage}"\n')
    project.makepyfile(usages="def empty(fixtures):\n    return {}\n\ndef broken(fixtures):\n    fixtures['agents']\n")
    run = project.runpytest_subprocess("--harness-sweep", "-k", "baseline")
    assert run.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR)
    pytest.LineMatcher([*run.outlines, *run.errlines]).fnmatch_lines([words])


def test_the_record_and_the_report_show_what_a_sweep_found(project: pytest.Pytester) -> None:
    """Each item is a row with its outcomes and causes, and the report counts them by kind."""
    options = ("--harness-record=run.jsonl", "--harness-report=run.md")
    project.runpytest_subprocess("--harness-sweep", "-k", "empty_answer or overloaded", *options)
    rows = {row.sweep.trouble_kind: row for row in load_record(project.path / "run.jsonl").rows if row.sweep}
    assert {"empty_answer": "failed", "overloaded": "passed"} == {kind: row.outcome for kind, row in rows.items()}
    assert rows["overloaded"].sweep is not None
    assert rows["empty_answer"].sweep is not None
    assert {"recovered": 6, "reported": 6} == rows["overloaded"].sweep.count_by_outcome
    (cause,) = rows["empty_answer"].sweep.causes
    assert ("illegal request", 2, "empty_answer:on=1") == (cause.oracle, cause.trouble_count, cause.first_trouble)
    report = project.path.joinpath("run.md").read_text().splitlines()
    assert "| trouble | recovered | reported | accepted | not shown | known | failed | not tried |" in report
    assert "| `overloaded` | 6 | 6 |  |  |  |  |  |" in report


def test_the_page_of_a_sweep_has_its_outcomes_and_causes(project: pytest.Pytester) -> None:
    """The tables are in a section of their own, and a cell has the command that runs its kind again."""
    project.runpytest_subprocess("--harness-sweep", "-k", "empty_answer", "--harness-report=run.html")
    page = project.path.joinpath("run.html").read_text()
    assert '<h2 id="sweep">Sweep</h2>' in page
    assert "<code>test_sum.py::test_sum</code>: <code>empty_answer:on=1</code>" in page


MATRIX = '[tool.flag-harness.flags]\nloud = "LOUD"\n'


def test_a_budget_tries_each_point_before_the_rest(project: pytest.Pytester) -> None:
    """The kinds' first troubles come before their others, and another combination begins with each kind."""
    project.makepyprojecttoml(f"{MATRIX}{REAL}")
    project.makepyfile(test_sum=TEST.replace("@pytest.mark.scen", "@pytest.mark.flag_matrix\n@pytest.mark.scen"))
    options = ("--harness-sweep=faults", "-k", "baseline or overloaded or unauthorized")
    run = project.runpytest_subprocess(*options, "--harness-sweep-budget=10m", "-v")
    order = [line.split("::", 1)[1].split()[0] for line in run.outlines if line.startswith("test_sum.py::")]
    first, second = dict.fromkeys(name.partition("::")[0] for name in order)
    assert {f"{first}::baseline", f"{second}::baseline"} == set(order[:2])
    assert ["rest"] * 4 == [name.rpartition("::")[2] for name in order[-4:]]
    assert {first, second} == {name.partition("::")[0] for name in order[2:4]}
    run.stdout.fnmatch_lines(["overloaded * 12 * 12 *", "32 troubles in 2 tests"])


def test_a_budget_ends_the_sweep_and_says_what_was_not_tried(project: pytest.Pytester) -> None:
    """Nothing begins after the time is used up, and the run does not fail for it."""
    project.makepyfile(test_sum=TEST.replace("def test_sum(agent):", "def test_sum(agent):\n    time.sleep(0.2)"))
    project.path.joinpath("test_sum.py").write_text("import time\n" + project.path.joinpath("test_sum.py").read_text())
    started = time.monotonic()
    run = project.runpytest_subprocess("--harness-sweep", "--harness-sweep-budget=2s", "--harness-record=run.jsonl")
    assert time.monotonic() - started < 15
    run.stdout.fnmatch_lines(["not tried within 2 s: at least * troubles (*"])
    rows = load_record(project.path / "run.jsonl").rows
    assert any("not tried" in row.sweep.count_by_outcome for row in rows if row.sweep)


@pytest.mark.parametrize("value", ["0s", "soon"])
def test_a_budget_that_is_no_time_is_a_usage_error(project: pytest.Pytester, value: str) -> None:
    """The message shows how to write one."""
    run = project.runpytest_subprocess("--harness-sweep", f"--harness-sweep-budget={value}")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines([f"*{value!r} is no time above 0; type 60s, 5m or 1h*"])


RECORDED = """
from agent import Agent


def test_echo(cassette):
    assert "2" in Agent().ask("What is 2?")
"""
SERVED = """
import subprocess
import sys

import pytest


@pytest.mark.scenario("sum")
def test_program(cassette_server):
    run = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "5" in run.stdout
"""


def test_a_recording_answers_a_test_without_a_scenario(project: pytest.Pytester) -> None:
    """Faults that leave requests as they were can be swept on it."""
    project.makepyfile(test_sum=RECORDED)
    project.runpytest_subprocess("--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=1)
    run = project.runpytest_subprocess("--harness-sweep", "-k", "overloaded or cut_text")
    run.assert_outcomes(passed=2, deselected=run.parseoutcomes()["deselected"])
    run.stdout.fnmatch_lines(["overloaded * 2 * 4 *", "6 troubles in 1 test"])


def test_a_program_is_swept_over_the_loopback_server(project: pytest.Pytester) -> None:
    """A traceback in the message of an assertion is a raw exception of the program."""
    project.makepyfile(test_sum=SERVED, program="from agent import Agent\n\nprint(Agent().ask('What is 2 + 3?'))\n")
    faults = ("overloaded:on=1", "unauthorized:on=2")
    run = project.runpytest_subprocess("--harness-sweep", *(f"--harness-fault={fault}" for fault in faults))
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["overloaded * 1 * -", "unauthorized:on=2: raw exception: AssertionError: Traceback *"])


KEEPER = """
import json
import os
import pathlib
import sys
import urllib.request

FILE = pathlib.Path(sys.argv[1])
messages = json.loads(FILE.read_text()) if FILE.exists() else []
URL = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
ADD = {"name": "add", "description": "Adds.", "input_schema": {"type": "object"}}


def save(text):
    FILE.with_suffix(".new").write_text(text)
    os.replace(FILE.with_suffix(".new"), FILE)


def send():
    if not ATOMIC:
        FILE.write_text(json.dumps(messages)[:-1])
    body = {"model": "claude-haiku-4-5", "max_tokens": 4096, "messages": messages, "tools": [ADD]}
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "x"}
    with urllib.request.urlopen(urllib.request.Request(URL, json.dumps(body).encode(), headers)) as response:
        return json.loads(response.read())["content"]


messages.append({"role": "user", "content": "What is 2 + 3?"})
messages.append({"role": "assistant", "content": send()})
call = messages[-1]["content"][-1]
messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "5"}]})
messages.append({"role": "assistant", "content": send()})
print(messages[-1]["content"][0]["text"])
save(json.dumps(messages))
"""
KEPT = """
import subprocess
import sys

import pytest


@pytest.mark.scenario("sum")
def test_program(cassette_server, tmp_path):
    command = [sys.executable, "program.py", str(tmp_path / "state.json")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "5" in run.stdout
"""


def test_a_torn_state_is_a_failure_of_the_next_prompt(project: pytest.Pytester) -> None:
    """A killed process is started again by its own command, and a torn file stops it."""
    project.makepyfile(test_sum=KEPT, program=f"ATOMIC = False\n{KEEPER}")
    run = project.runpytest_subprocess("--harness-sweep", "--harness-interrupt=sigkill/inside_body:on=2")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["sigkill:*: next prompt: AssertionError: Traceback *"])


@pytest.mark.deep
def test_kills_and_signals_are_tried_at_the_points_of_the_answers(project: pytest.Pytester) -> None:
    """Each answer of the first call has one point, since it is no stream; a test without processes has none."""
    project.makepyfile(test_sum=KEPT + TEST, program=f"ATOMIC = True\n{KEEPER}")
    run = project.runpytest_subprocess("--harness-sweep=interrupts,kills", "-k", "sig or baseline")
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(["sigint * 2 *", "sigterm * 2 *", "sigkill * 2 *"])


def test_a_signal_without_a_point_is_a_usage_error(project: pytest.Pytester) -> None:
    """The message names the nearest one."""
    run = project.runpytest_subprocess("--harness-sweep", "--harness-interrupt=sigkil/inside_text")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(["ERROR: *there is no signal 'sigkil'; the nearest is 'sigkill'*"])


TOOLS = """
from pathlib import Path


def add(a, b):
    with Path("calls.txt").open("a") as file:
        print(a, b, file=file)
    return str(a + b)
"""


@pytest.mark.parametrize("held", ["add", "TOOLS[0]", "TABLE['add']", "PAIR[0]"])
def test_a_recorded_tool_runs_once(project: pytest.Pytester, held: str) -> None:
    """The baseline runs it, and each trouble gets its result, wherever a module holds the function."""
    project.makepyprojecttoml('[tool.flag-harness.sweep]\ntools = "record"\nfunctions = ["shop:add"]\n')
    holders = "from shop import add\n\nTOOLS, TABLE, PAIR = [add], {'add': add}, (add, 1)\n"
    agent = AGENT.replace('str(call.input["a"] + call.input["b"])', f'{held}(call.input["a"], call.input["b"])')
    project.makepyfile(shop=TOOLS, agent=holders + agent)
    run = project.runpytest_subprocess("--harness-sweep=faults", "--harness-fault=overloaded:on=2")
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(["overloaded * 1 *"])
    assert "2 3\n" == project.path.joinpath("calls.txt").read_text()


def test_a_recorded_tool_does_not_run_on_other_arguments(project: pytest.Pytester) -> None:
    """The agent gets an error, and if it raises that, the outcome is not shown."""
    project.makepyprojecttoml('[tool.flag-harness.sweep]\ntools = "record"\nfunctions = ["shop:add"]\n')
    agent = AGENT.replace('call.input["a"] + call.input["b"]', 'add(call.input.get("a", 7), call.input.get("b", 7))')
    project.makepyfile(shop=TOOLS, agent="from shop import add\n" + agent)
    run = project.runpytest_subprocess("--harness-sweep", "--harness-surprise=invalid_input:on=1")
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(["trouble * not shown *", "invalid_input * - * - * - * 1 * - * -"])
    assert "2 3\n" == project.path.joinpath("calls.txt").read_text()


@pytest.mark.parametrize("tools", ["record", "stub"])
def test_recorded_tools_and_stubs_need_their_names(project: pytest.Pytester, tools: str) -> None:
    """The message shows how to name them."""
    project.makepyprojecttoml(f'[tool.flag-harness.sweep]\ntools = "{tools}"\n')
    run = project.runpytest_inprocess("-p", "no:asyncio", "test_sum.py", "--harness-sweep")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(
        [f'ERROR: test_sum.py::test_sum: tools = "{tools}" *functions = ?"shop.tools:refund"? in *']
    )


FRAGILE = """
    def try_to_send(self):
        for _ in range(3):
            try:
                return self.send()
            except anthropic.APIError as error:
                self.errors = {*getattr(self, "errors", ()), isinstance(error, anthropic.APIStatusError)}
                if len(self.errors) == 2:
                    raise RuntimeError("a status and a broken connection in one conversation")
                last = error
        raise last
"""


def _run_schedules(project: pytest.Pytester, runs: int, seed: int) -> pytest.RunResult:
    """Sweep an agent that survives each fault alone, but not a status and a broken connection together."""
    agent = AGENT.replace("answer = self.send()", "answer = self.try_to_send()").replace('"x")', '"x", max_retries=0)')
    project.makepyfile(agent=agent + FRAGILE)
    return project.runpytest_subprocess(
        "--harness-sweep=schedules", f"--harness-runs={runs}", f"--harness-seed={seed}", "-k", "schedule"
    )


def test_schedules_find_what_one_trouble_does_not(project: pytest.Pytester) -> None:
    """The failure is shrunk to the two faults that it needs, and printed as a mark."""
    run = _run_schedules(project, 1, 4)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(
        ["*: raw exception: RuntimeError: a status and*", "*test_sum: @pytest.mark.faults('*', '*')"]
    )


@pytest.mark.deep
def test_the_same_seed_draws_the_same_schedules(project: pytest.Pytester) -> None:
    """Two runs find the same failures."""
    first, second = (
        [line for line in _run_schedules(project, 16, 3).outlines if "mark.faults" in line] for _ in range(2)
    )
    assert first
    assert first == second
