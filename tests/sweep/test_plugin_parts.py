"""The parts of the plugin that run a sweep: processes, time limits, exceptions, the summary, and single items."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import certifi
import pytest

from flag_harness.errors import HarnessError
from flag_harness.plugin.special_runs.extra_combinations import ExtraCombinationRunner
from flag_harness.plugin.sweep import processes
from flag_harness.plugin.sweep.agent_items import AgentSweepItem
from flag_harness.plugin.sweep.budget import (
    FIRST_TROUBLE_AT_EACH_POINT,
    OTHER_TROUBLES,
    SweepTimeBudget,
    order_items_most_informative_first,
)
from flag_harness.plugin.sweep.certificates import load_certificates_late
from flag_harness.plugin.sweep.exceptions import (
    HangFailure,
    TooManyRequestsFailure,
    load_exceptions,
    result_of_failed_call,
)
from flag_harness.plugin.sweep.options import seconds_since_start
from flag_harness.plugin.sweep.processes import send_signal_when_due, track_processes
from flag_harness.plugin.sweep.reported_usage import make_usage_reader
from flag_harness.plugin.sweep.summary import cause_lines
from flag_harness.plugin.sweep.time_limit import limit_real_time
from flag_harness.sweep.judge import OracleFinding, TroubleResult

pytestmark = pytest.mark.usefixtures("imported_sweep")
WAIT = "import time; print('on', flush=True); time.sleep(30)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c", {WAIT!r}])
print(child.pid, flush=True)
time.sleep(30)
"""


def _start(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True)


def _first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_signal_that_is_not_due_is_not_sent() -> None:
    """The trouble may strike no answer of the test."""
    with track_processes() as started, send_signal_when_due("sigkill", lambda: False, started):
        assert 0 == subprocess.run([sys.executable, "-S", "-c", "pass"], check=False).returncode
    assert 1 == len(started)


def test_a_process_that_survives_a_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test goes on."""
    monkeypatch.setattr(processes, "SECONDS_FOR_PROCESS_TO_END", 0.1)
    is_due = threading.Event()
    with (
        track_processes() as started,
        send_signal_when_due("sigterm", is_due.is_set, started),
        _start(STUBBORN) as process,
    ):
        _first_line(process)
        is_due.set()
        assert -signal.SIGKILL == process.wait(20)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the children of a process")
def test_the_children_of_a_process_get_the_signal_too() -> None:
    """The agent may be started by a shell. Its output ends, because the child that also holds it has ended."""
    is_due = threading.Event()
    with (
        track_processes() as started,
        send_signal_when_due("sigkill", is_due.is_set, started),
        _start(PARENT) as process,
    ):
        first = {_first_line(process).strip(), _first_line(process).strip()}
        is_due.set()
        assert ("", None) == process.communicate(timeout=20)
        assert "on" in first


def test_a_process_that_has_ended_gets_no_signal() -> None:
    """It may have ended by itself, and another program may have its number."""
    is_due = threading.Event()
    with track_processes() as started, send_signal_when_due("sigkill", is_due.is_set, started):
        ended = subprocess.run([sys.executable, "-S", "-c", "pass"], check=False)
        is_due.set()
        time.sleep(0.1)
    assert (0, [0]) == (ended.returncode, [one.returncode for one in started])


def test_a_process_that_is_gone_is_left_out() -> None:
    """Its parent may have waited for it, without `subprocess` knowing. The others get the signal."""
    is_due = threading.Event()
    with track_processes() as started, send_signal_when_due("sigkill", is_due.is_set, started):
        gone = subprocess.Popen([sys.executable, "-S", "-c", "pass"])
        os.waitpid(gone.pid, 0)
        with _start(WAIT) as process:
            _first_line(process)
            is_due.set()
            assert -signal.SIGKILL == process.wait(20)
    gone.wait()


def test_a_process_whose_children_cannot_be_read_gets_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of children is gone if a thread of the process ends at this moment."""

    class EndedThread:
        def __init__(self, path: str) -> None:
            self._path = path

        def glob(self, pattern: str) -> list["EndedThread"]:
            return [self]

        def read_text(self) -> str:
            raise FileNotFoundError(self._path)

    monkeypatch.setattr(processes, "Path", EndedThread)
    is_due = threading.Event()
    with track_processes() as started, send_signal_when_due("sigkill", is_due.is_set, started), _start(WAIT) as process:
        _first_line(process)
        is_due.set()
        assert -signal.SIGKILL == process.wait(20)


def test_certificates_are_loaded_by_the_first_use_of_a_context() -> None:
    """A client that is answered offline never needs them; one that outlives the run of its test has them."""
    usual = ssl.create_default_context(cafile=certifi.where()).cert_store_stats()
    with load_certificates_late():
        asked, left = (ssl.create_default_context(cafile=certifi.where()) for _ in range(2))
        assert usual == asked.cert_store_stats()
        assert usual["x509"] == len(asked.get_ca_certs())
        with pytest.raises(FileNotFoundError):
            ssl.create_default_context(cafile="no-such-file.pem")
        with asked.wrap_socket(socket.socket(), server_hostname="shop.test") as connection:
            assert asked is connection.context
    assert usual == left.cert_store_stats()


def test_a_context_that_outlives_a_failed_test_has_its_certificates() -> None:
    """They are loaded when the run ends, however it ends."""
    contexts: list[ssl.SSLContext] = []

    def fail() -> None:
        contexts.append(ssl.create_default_context(cafile=certifi.where()))
        raise LookupError

    with pytest.raises(LookupError), load_certificates_late():
        fail()
    assert 0 < contexts[0].cert_store_stats()["x509"]


def test_a_context_has_its_certificates_in_every_thread_that_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that comes second waits until the first has loaded them."""
    load, begun, may_load = ssl.SSLContext.load_verify_locations, threading.Event(), threading.Event()

    def load_slowly(context: ssl.SSLContext, *args: Any) -> None:
        begun.set()
        may_load.wait(10)
        load(context, *args)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load_slowly)
    with load_certificates_late(), ThreadPoolExecutor(2) as pool:
        context = ssl.create_default_context(cafile=certifi.where())
        first = pool.submit(context.cert_store_stats)
        assert begun.wait(10)
        second = pool.submit(context.cert_store_stats)
        wait([second], 0.05)
        may_load.set()
        assert first.result() == second.result()
    assert 0 < first.result()["x509"]


def test_a_call_that_takes_too_long_is_a_hang() -> None:
    """The message says how long the sweep waited."""
    with pytest.raises(HangFailure, match=r"it takes more than 0\.05 s of real time"), limit_real_time(0.05):
        time.sleep(5)


def test_a_call_does_not_hang_because_others_use_the_cpu(compute_on_busy_cpu: Callable[[], None]) -> None:
    """It takes longer than the limit in real time, and would not if it had the CPU for itself."""
    with limit_real_time(0.3):
        compute_on_busy_cpu()


def test_a_call_that_waits_for_a_starved_thread_does_not_hang(compute_on_busy_cpu: Callable[[], None]) -> None:
    """An agent may run its tools in threads."""
    thread = threading.Thread(target=compute_on_busy_cpu)
    with limit_real_time(0.3):
        thread.start()
        thread.join()


def test_a_timer_of_the_project_goes_on_after_the_limit() -> None:
    """A plugin such as pytest-timeout may use the same timer."""
    fired: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: fired.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with limit_real_time(5):
            pass
        end = time.monotonic() + 5
        while not fired and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert [signal.SIGALRM] == fired


def test_the_limit_is_for_the_main_thread_only() -> None:
    """Python receives signals in no other thread, so the function runs without a limit."""
    ended: list[bool] = []

    def run() -> None:
        with limit_real_time(0.01):
            time.sleep(0.05)
        ended.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert [True] == ended


def test_an_exception_of_the_settings_must_be_a_class() -> None:
    """The message names the setting."""
    assert (TimeoutError,) == load_exceptions(["builtins.TimeoutError"])
    with pytest.raises(HarnessError, match=r"reported: 'json\.dumps' is not an exception class"):
        load_exceptions(["json.dumps"])


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ExceptionGroup("two", [TimeoutError("a"), TimeoutError("b")]), "reported"),
        (ExceptionGroup("two", [TimeoutError("a"), ValueError("b")]), "raised"),
        (HangFailure("it waits", pytrace=False), "hung"),
        (TooManyRequestsFailure("900 requests", pytrace=False), "flooded"),
        (HarnessError("no"), "raised"),
    ],
)
def test_the_ending_of_a_call_follows_from_its_exception(
    error: BaseException, ending: str, request: pytest.FixtureRequest
) -> None:
    """A group is as bad as the worst of its exceptions."""
    result = result_of_failed_call(error, 1.5, request.node, (TimeoutError,))
    assert (ending, 1.5) == (result.ending, result.seconds)
    assert result.message.startswith(type(error).__name__)


def _failed(trouble: str, reason: str = "it waits") -> TroubleResult:
    return TroubleResult("test_sum", trouble.partition(":")[0], trouble, "failed", (OracleFinding("hang", reason),))


def test_many_causes_are_cut_short() -> None:
    """The list ends with the number of those that it leaves out."""
    lines = list(cause_lines([_failed("stall:on=1", f"cause {chr(97 + index)}") for index in range(26)]))
    assert (26, "and 1 more causes") == (len(lines), lines[-1])


def test_a_schedule_with_a_surprise_has_no_mark_to_paste() -> None:
    """A mark takes faults only, so the line names the troubles."""
    faults, mixed = _failed("overloaded:on=1 + reset:on=2"), _failed("overloaded:on=1 + cut_text:on=2")
    assert "    test_sum: @pytest.mark.faults('overloaded:on=1', 'reset:on=2')" in cause_lines(
        [faults], with_commands=True
    )
    assert "    test_sum: overloaded:on=1 + cut_text:on=2" in cause_lines([mixed], with_commands=True)


SETTINGS = '[tool.flag-harness.sweep]\ntools = "real"\n'
HEADER = """
import anthropic
import pytest

def ask():
    client = anthropic.Anthropic(api_key="x")
    call = dict(model="claude-haiku-4-5", max_tokens=50, messages=[{"role": "user", "content": "Hi"}])
    return client.messages.create(**call).content[0].text
"""


def _sweep(pytester: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    pytester.makepyprojecttoml(SETTINGS)
    folder = pytester.mkdir("fixtures").joinpath("scenarios")
    folder.mkdir()
    (folder / "hi.toml").write_text('[[turn]]\ntext = "Hello."\n')
    pytester.makepyfile(test_it=HEADER + test)
    return pytester.runpytest_inprocess("-p", "no:asyncio", *options)


def test_ctrl_c_ends_the_sweep(pytester: pytest.Pytester) -> None:
    """A user who presses it does not wait for the other troubles."""
    test = "@pytest.mark.scenario('hi')\ndef test_it(cassette):\n    raise KeyboardInterrupt\n"
    with pytest.raises(KeyboardInterrupt):  # `runpytest_inprocess` raises the one that ended its run
        _sweep(pytester, test, "--harness-sweep=faults", "-k", "baseline or overloaded")


def test_a_test_that_is_skipped_says_why(pytester: pytest.Pytester) -> None:
    """Its function does not run, so it cannot be swept."""
    test = "@pytest.mark.skip(reason='no database')\n@pytest.mark.scenario('hi')\ndef test_it(cassette):\n    ask()\n"
    run = _sweep(pytester, test, "--harness-sweep=faults", "-k", "baseline")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["*without any trouble: setup: *no database*"])


def test_a_test_without_requests_has_no_schedule(pytester: pytest.Pytester) -> None:
    """No trouble can strike it, so its items pass."""
    test = "@pytest.mark.scenario('hi')\ndef test_it(cassette):\n    pass\n"
    run = _sweep(pytester, test, "--harness-sweep=schedules", "--harness-runs=2")
    run.assert_outcomes(passed=3)
    run.stdout.fnmatch_lines(["no trouble applied"])


BROKEN_SWEEP = """
import pytest

def fail(*arguments, **options):
    raise RuntimeError("the sweep is broken")

def pytest_configure(config):
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr("flag_harness.plugin.sweep.suite_item.derive_faults", fail)
"""
SHORT_BUDGET = """
import pytest

ANSWERS = iter([False] * {runs})

def pytest_configure(config):
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    patch.setattr("flag_harness.plugin.sweep.budget.SweepTimeBudget.is_used_up", lambda self, test: next(ANSWERS, True))
"""


def test_an_error_of_the_sweep_itself_keeps_its_traceback(pytester: pytest.Pytester) -> None:
    """It is not a finding about the test."""
    pytester.makeconftest(BROKEN_SWEEP)
    test = "@pytest.mark.scenario('hi')\ndef test_it(cassette):\n    assert ask() == 'Hello.'\n"
    run = _sweep(pytester, test, "--harness-sweep=faults", "-k", "overloaded", "-rA")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["E * RuntimeError: the sweep is broken", "*1 failed*"])


@pytest.mark.parametrize(
    ("runs", "words"), [(0, "at least [1-9]* troubles (*baseline 1*)"), (5, "at least [1-9]* troubles (overloaded *)")]
)
def test_a_budget_that_is_used_up_says_what_was_not_tried(pytester: pytest.Pytester, runs: int, words: str) -> None:
    """It may be used up before the baseline, or between two troubles of one item."""
    pytester.makeconftest(SHORT_BUDGET.format(runs=runs))
    test = "@pytest.mark.scenario('hi')\ndef test_it(cassette):\n    assert ask() == 'Hello.'\n"
    options = ("--harness-sweep=faults", "--harness-sweep-budget=9m", "-k", "baseline or overloaded")
    _sweep(pytester, test, *options).stdout.fnmatch_lines([f"not tried within 540 s: {words}"])


def test_a_budget_that_is_used_up_skips_a_test_once(pytester: pytest.Pytester) -> None:
    """One report stands for all items of the test, and counts the troubles of each kind."""
    pytester.makeconftest(SHORT_BUDGET.format(runs=0))
    test = "@pytest.mark.scenario('hi')\ndef test_it(cassette):\n    assert ask() == 'Hello.'\n"
    options = ("--harness-sweep=faults", "--harness-sweep-budget=9m", "-k", "baseline or overloaded or unauthorized")
    run = _sweep(pytester, f"{test}\n\n{test.replace('test_it', 'test_other')}", *options)
    run.assert_outcomes(skipped=2)
    run.stdout.fnmatch_lines(["not tried within 540 s: at least 10 troubles (*overloaded 4*)"])


def test_a_run_that_would_end_too_late_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its longest run so far is what counts, each test has its own, and a worker's time began with the main process."""
    now = [0.0]
    monkeypatch.setattr("flag_harness.plugin.sweep.budget.monotonic", lambda: now[0])
    monkeypatch.setattr("flag_harness.plugin.sweep.options.time", lambda: 1010.0)
    worker: Any = SimpleNamespace(workerinput={"flag_harness_sweep_started": 1000.0})
    budget = SweepTimeBudget(60.0, seconds_since_start(worker))
    for seconds in (8.0, 2.0):
        with budget.measure_run("slow"):
            now[0] += seconds
    assert not budget.is_used_up("slow")
    now[0] = 42.0
    assert budget.is_used_up("slow")
    assert not budget.is_used_up("quick")
    now[0] = 50.0
    assert budget.is_used_up("quick")


TAKES_TESTS = """
import pytest

class Taker:
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item, nextitem):
        return True if item.name == "test_it" else None

def pytest_collection_finish(session):
    session.config.pluginmanager.register(Taker())
"""


def test_a_test_that_another_plugin_runs_cannot_be_swept(pytester: pytest.Pytester) -> None:
    """Such as one that repeats failed tests; the sweep says that it did not see the test run."""
    pytester.makeconftest(TAKES_TESTS)
    run = _sweep(pytester, "def test_it(cassette):\n    ask()\n", "--harness-sweep=faults", "-k", "baseline")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["*without any trouble: the test function did not run*"])


def test_a_schedule_that_the_agent_survives_passes(pytester: pytest.Pytester) -> None:
    """Nothing is shrunk."""
    test = (
        "@pytest.mark.scenario('hi')\ndef test_it(cassette):\n    with contextlib.suppress(Exception):\n        ask()\n"
    )
    run = _sweep(pytester, f"import contextlib\n{test}", "--harness-sweep=schedules", "--harness-runs=1")
    run.assert_outcomes(passed=2)


def test_items_of_others_run_as_usual() -> None:
    """Only the one that the sweep runs is not reported."""
    assert None is ExtraCombinationRunner().pytest_runtest_protocol(SimpleNamespace(), None)  # type: ignore[arg-type]


def test_kinds_without_a_baseline_are_ordered_too() -> None:
    """The first combination of a test comes before the second one."""
    tests = [SimpleNamespace(parent=None, originalname="test_it", name=name) for name in "ab"]
    order = order_items_most_informative_first(tests, ["stall"])  # type: ignore[arg-type]
    assert [
        ("a", FIRST_TROUBLE_AT_EACH_POINT),
        ("b", FIRST_TROUBLE_AT_EACH_POINT),
        ("a", OTHER_TROUBLES),
        ("b", OTHER_TROUBLES),
    ] == [(test.name, part) for test, _, part in order]


def test_usage_is_read_from_attributes_too(tmp_path: Path) -> None:
    """As an answer of the SDK has them."""
    (tmp_path / "used_tokens.py").write_text("def usage(fixtures):\n    return fixtures['agent'].used\n")
    agent = SimpleNamespace(used=SimpleNamespace(input_tokens=7))
    assert {"input_tokens": 7} == make_usage_reader("used_tokens:usage", tmp_path)({"agent": agent})


def test_an_error_of_a_sweep_of_an_agent_keeps_its_traceback(request: pytest.FixtureRequest) -> None:
    """Only what the agent did not survive is shown as a sentence."""
    item: Any = AgentSweepItem.from_parent(request.session, name="reset", sweep=None, trial=None, must_fire=False)
    with pytest.raises(AttributeError) as raised:
        item.runtest()
    assert "'NoneType' object has no attribute 'run_trial_under_all_combinations'" in str(item.repr_failure(raised))
