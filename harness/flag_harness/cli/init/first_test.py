"""Record and play the first test of a project, and say what to do next."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flag_harness.cli.init.first_test_text import FIRST_TEST_ANSWER, FIRST_TEST_PROMPT
from flag_harness.cli.init.plan import InitPlan
from flag_harness.cli.init.reading.found_agent import FoundAgent
from flag_harness.cli.terminal import show_progress

_PLACEHOLDER_MODEL = "claude-haiku-4-5"
"""The model that a variable names in the first test, if the agent needs one."""
_ERROR_NAME_PATTERN = re.compile(r"[\w.]*(Error|Exception|Exit|Miss\w*)\b")
_SENT_REQUESTS_PATTERN = re.compile(r"; requests: [1-9]")
_UNKNOWN_KEYWORD_PATTERN = re.compile(r"Messages\.\w+\(\) got an unexpected keyword argument '(\w+)'")
_UNSET_VARIABLE_PATTERN = re.compile(
    r"^E  (?=.*(?:KeyError|environ|variable|required)).*?\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b", re.MULTILINE
)
_MISSING_SETTING_PATTERN = re.compile(r"validation errors? for \w+\nE? *(\w+)\nE? *Field required \[type=missing")
_MISSING_KEY_PATTERN = re.compile(r"os\.environ.*\n(?:.*\n){0,6}.*KeyError: '([A-Z][A-Z0-9_]+)'")
_UNREACHABLE_HOST_PATTERN = re.compile(r"tried to reach ([\w.-]+\w)")
_UNKNOWN_OPTIONS_PATTERN = re.compile(r"error: unrecognized arguments: (.+)")
_MISSING_MODULE_PATTERN = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
_FAILED_ASSERTION_TEXTS = tuple(f"assert '{text}' in " for text in (FIRST_TEST_ANSWER, FIRST_TEST_PROMPT))
"""What pytest prints if an assertion of the first test fails: the agent returns another answer, or sends another
prompt.
"""


@dataclass(frozen=True, slots=True)
class FirstTestFailure:
    """Why the first test fails.

    Attributes:
        error_line: the error in one line.
        has_sent_requests: True if the agent sent a request before it failed.
        advice_lines: the output of pytest, and what to do next.
    """

    error_line: str
    has_sent_requests: bool
    advice_lines: tuple[str, ...]


def record_first_test(plan: InitPlan, root: Path) -> FirstTestFailure | None:
    """Record the first test from the simulator. Return why it fails, or None if it passes."""
    options = ("--record-mode=once", "--harness-upstream=simulator")
    return _run_first_test(plan, root, "Recording it from the simulator", options)[0]


def play_first_test(plan: InitPlan, root: Path) -> int:
    """Play the first test from its cassettes, say what to do next, and return the exit code."""
    failure, output = _run_first_test(plan, root, "Playing it, offline", ())
    if failure is not None:
        print_and_flush(failure.advice_lines)
        return 1
    inert = [line for line in output.splitlines() if ": changed no request in " in line]
    print_and_flush([f"  {line}" for line in inert])
    print_and_flush(["", *next_step_lines(plan, is_recorded=True, has_inert=bool(inert))])
    return 0


def _run_first_test(
    plan: InitPlan, root: Path, title: str, options: Sequence[str]
) -> tuple[FirstTestFailure | None, str]:
    """Run the first test. Return two values: why it fails (None if it passes), and the output of pytest."""
    print_and_flush([f"{title}: pytest {' '.join([*options, plan.test_path])}"])
    run = _run_pytest(root, [*options, plan.test_path])
    if _fails_only_on_own_assertions(run.stdout):
        (root / plan.test_path).write_text(plan.weaker_test_text, encoding="utf-8")
        print_and_flush(
            [f"  The agent does not return what the model says, so {plan.test_path} expects less; expect more in it."]
        )
        run = _run_pytest(root, [*options, plan.test_path])
    if run.returncode == 0:
        print_and_flush([f"  {_pytest_summary_line(run.stdout)}"])
        return None, run.stdout
    output = run.stdout + run.stderr
    lines = (run.stdout.rstrip(), run.stderr.rstrip(), "", *_failure_lines(plan, output, options))
    errors = [line.removeprefix("E").strip() for line in output.splitlines() if line.startswith("E  ")]
    reason = next(
        (line for line in errors if _ERROR_NAME_PATTERN.match(line)), (errors or output.splitlines()[-1:] or [""])[0]
    )
    return FirstTestFailure(reason, bool(_SENT_REQUESTS_PATTERN.search(output)), lines), output


def _run_pytest(root: Path, arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    with show_progress("running the first test"):
        return subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def _fails_only_on_own_assertions(output: str) -> bool:
    """Return whether the first test fails under every combination, and only because of its own assertions."""
    return any(text in output for text in _FAILED_ASSERTION_TEXTS) and not re.search(r"\d passed", output)


def _failure_lines(plan: InitPlan, output: str, options: Sequence[str]) -> Iterator[str]:
    """Yield lines that say what to do about a first test that fails."""
    command = f"pytest {' '.join([*options, plan.test_path])}"
    if missing := _MISSING_MODULE_PATTERN.search(output):
        yield f"The project needs {missing[1]}, which is not installed beside pytest. Install the project with what it"
        yield f"needs, such as: pip install -e . (or -r requirements.txt). Then: {command}"
        return
    if unknown := _UNKNOWN_OPTIONS_PATTERN.search(output):
        yield f"The project's settings of pytest have options that this pytest does not know: {unknown[1]}"
        yield "Install the plugin that they belong to (--cov: pytest-cov), as the project does for its own tests."
        yield f"Then: {command}"
        return
    if keyword := _UNKNOWN_KEYWORD_PATTERN.search(output):
        yield f"The installed release of anthropic does not take `{keyword[1]}`; the project was written"
        yield f"for another one. Install what it pins, such as: pip install -r requirements.txt. Then: {command}"
        return
    if variable := _find_unset_variable(output):
        yield f"The agent needs the variable {variable}. Set it for the tests, such as"
        value = _PLACEHOLDER_MODEL if "MODEL" in variable else "none"
        yield f'with os.environ.setdefault("{variable}", "{value}") in a conftest.py beside {plan.test_path}.'
        yield f"Then: {command}"
        return
    if host := _UNREACHABLE_HOST_PATTERN.search(output):
        yield f"The agent also asks {host[1]}, which tests may not reach. Replace what asks it in {plan.test_path},"
        yield "with monkeypatch.setattr; or, if the agent goes on without it, add below [tool.flag-harness]:"
        yield f'ignore_hosts = ["{host[1]}"]. Then: {command}'
        return
    yield "The first test fails. If pytest names flags that broke it, read what the agent did under them."
    yield f"Otherwise the proposed test is wrong: fix {plan.test_path}. Then: {command}"


def _find_unset_variable(output: str) -> str:
    """Return the environment variable that the agent's module or its settings lack, or an empty string."""
    if setting := _MISSING_SETTING_PATTERN.search(output):
        return setting[1].upper()
    unset = (
        _UNSET_VARIABLE_PATTERN.search(output) if "ERROR collecting" in output else _MISSING_KEY_PATTERN.search(output)
    )
    return unset[1] if unset else ""


def _pytest_summary_line(output: str) -> str:
    """Return pytest's summary line, such as `3 passed in 0.21s`, or `passed` if the output has none."""
    return next((line.strip("= ") for line in reversed(output.splitlines()) if " passed" in line), "passed")


def next_step_lines(plan: InitPlan, *, is_recorded: bool, has_inert: bool = False) -> Iterator[str]:
    yield "Next"
    if not plan.has_flags:
        yield from missing_flag_lines()
    if has_inert:
        yield "  0. Have the code read these flags when it runs, or set them as docs/flags.md says under"
        yield '     "Settings that are read once, files and arguments": so far, no combination differs in them.'
        yield "     Or the test does not reach the code that reads them: pass what it needs."
    if not is_recorded:
        yield f"  0. Record it: pytest --record-mode=once --harness-upstream=simulator {plan.test_path}"
    yield f"  1. In {plan.test_path}, ask what your users ask, and assert what they need."
    yield "  2. In fixtures/scenarios/hello.toml, answer it: tool calls, refusals, long answers."
    yield f"  3. Record it again: pytest {plan.test_path} --record-mode=rewrite --harness-upstream=simulator"
    yield "  4. Break a flag on purpose, run pytest, and read which one the end of the run names."
    if plan.has_vcr_marks:
        yield "  5. Test flags with what you have recorded, without a key: docs/moving-in-flags.md"


def missing_flag_lines() -> Iterator[str]:
    """Yield lines that say how to declare the first flag, for a project in which no flag was found."""
    yield "  0. Declare a flag in pyproject.toml: there is none, so nothing is tested under flags yet. Such as, below"
    yield '     [tool.flag-harness.flags]: streaming = "ENABLE_STREAMING"'
    yield "     and put @pytest.mark.flag_matrix above the test."


def agent_name_and_location(agent: FoundAgent) -> str:
    """Return the name of an agent and where it is defined."""
    return f"{agent.name or agent.file_path} ({agent.file_path}:{agent.line_number})"


def print_and_flush(lines: Iterable[str]) -> None:
    """Print lines at once, so that they come before what a slow step prints."""
    for line in lines:
        print(line, flush=True)
