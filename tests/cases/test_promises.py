"""What the 25 promise to whoever runs them, on a copy of the checkout that may be edited, recorded and cut off."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = (".gitignore", "cases", "conftest.py", "fixtures", "pyproject.toml", "recordings")
"""What a run of the cases reads of a checkout."""

KEY = "sk-ant-api03-not-for-tools"
RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")
ALL = ("--feature=all", "-q")
CUT_OFF = """
import ctypes, fcntl, os, runpy, socket, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x50000000 if os.geteuid() else 0x40000000):  # CLONE_NEWNET, with CLONE_NEWUSER for others than root
    sys.exit(f"refused: {os.strerror(ctypes.get_errno())}")
with socket.socket() as control:
    fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 0x41))  # SIOCSIFFLAGS: up and running
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    print(error)
sys.argv = ["pytest", *sys.argv[1:]]
runpy.run_module("pytest", run_name="__main__")
"""
"""Runs pytest where there is no network but a loopback of its own, after it has tried to reach another address."""


@dataclass(frozen=True)
class Checkout:
    """A git repository that holds the cases and their recordings, as they are now."""

    path: Path
    temporary: Path
    python: str

    def pytest(self, *arguments: str, start: Sequence[str] = ("-m", "pytest")) -> str:
        """What pytest says, with a key in the environment that nothing may use."""
        environ = {**os.environ, "ANTHROPIC_API_KEY": KEY, "TMPDIR": str(self.temporary), "PYTEST_ADDOPTS": ""}
        command = [self.python, *start, *arguments]
        run = subprocess.run(command, cwd=self.path, env=environ, capture_output=True, text=True, timeout=300)
        return run.stdout + run.stderr

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        """Edit a file by hand."""
        file = self.path / name
        before = file.read_text(encoding="utf-8")
        file.write_text(change(before), encoding="utf-8")
        assert before != file.read_text(encoding="utf-8")

    def status(self) -> str:
        """What git says has changed: nothing, in a clean tree."""
        return self._git("status", "--porcelain")

    def commit(self) -> None:
        """Make what is there the state that is clean."""
        self._git("init", "--quiet")
        self._git("add", ".")
        self._git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=As it is")

    def _git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.path, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def checkout(tmp_path: Path, warm_python: Callable[[], str]) -> Checkout:
    """A copy of this checkout, committed."""
    made = Checkout(tmp_path / "checkout", tmp_path / "tmp", warm_python())
    made.path.mkdir()
    made.temporary.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, made.path / part)
    made.commit()
    return made


def failed(output: str) -> list[str]:
    """The cases that the summary names as failed."""
    return re.findall(r"^FAILED cases/(\S+)", output, re.MULTILINE)


def table(output: str) -> list[str]:
    """The closing table, line by line."""
    lines = output.splitlines()
    start = next(place for place, line in enumerate(lines) if "flag harness" in line)
    return [line for line in lines[start + 1 :] if line and " passed in " not in line]


EDITED = "recordings/matrix/off.json"
REPORTED_LINES = (
    "  max_tokens: recorded 4097, sent 4096",
    "To record it: pytest 'cases/test_matrix.py::test_matrix[off]' --record-mode=rewrite --harness-upstream=simulator",
)


def one_token_more(recording: str) -> str:
    """The first recorded request asks for one token more."""
    return recording.replace('"max_tokens": 4096', '"max_tokens": 4097', 1)


def test_an_edited_recording_fails_its_case_alone_and_at_once(checkout: Checkout) -> None:
    """The report names the path, both values, and the command that records it; which, pasted, mends it."""
    checkout.edit(EDITED, one_token_more)
    output = checkout.pytest(*ALL, "--durations=0", "--durations-min=0")
    assert ["test_matrix.py::test_matrix[off]"] == failed(output)
    assert "1 failed, 24 passed" in output
    assert [] == [line for line in REPORTED_LINES if line not in output.splitlines()]
    (seconds,) = re.findall(r"^([\d.]+)s call +cases/test_matrix.py::test_matrix\[off\]", output, re.MULTILINE)
    assert float(seconds) < 10

    checkout.pytest("cases/test_matrix.py::test_matrix[off]", *RECORD)
    assert "1 passed" in checkout.pytest("cases/test_matrix.py::test_matrix[off]")
    assert '"max_tokens": 4097' not in (checkout.path / EDITED).read_text(encoding="utf-8")


def test_the_edited_recording_is_noticed_also_where_every_exception_is_swallowed(checkout: Checkout) -> None:
    """`except Exception: pass` around the agent hides nothing."""
    checkout.edit(EDITED, one_token_more)
    asked = "        await conversation.send(question)\n"
    swallowing = "        try:\n    " + asked + "        except Exception:\n            pass\n"
    checkout.edit("cases/test_matrix.py", lambda case: case.replace(asked, swallowing))
    output = checkout.pytest("cases/test_matrix.py", "-q")
    assert ["test_matrix.py::test_matrix[off]"] == failed(output)
    assert "1 failed, 7 passed" in output
    assert [] == [line for line in REPORTED_LINES if line not in output.splitlines()]


def with_call(recording: str, before: str, after: str) -> str:
    """The recording with another command in its first answer, and with the lengths that go with it."""
    document = json.loads(recording.replace(before, after))
    document["interactions"][0]["response"]["chunks"][-1][1] += len(after) - len(before)
    return json.dumps(document, ensure_ascii=False)


@pytest.mark.parametrize("declared", [False, True], ids=["as it is", "where the scenario declares the command"])
def test_a_recording_never_becomes_code(checkout: Checkout, tmp_path: Path, declared: bool) -> None:
    """A recorded call that is edited to `touch pwned` is refused; it would run only if the scenario allowed it."""
    pwned = tmp_path / "pwned"
    checkout.edit(
        "recordings/tools/parallel_ids.json", lambda recording: with_call(recording, "printf two", f"touch {pwned}")
    )
    if declared:
        checkout.edit(
            "fixtures/scenarios/tools.toml",
            lambda scenario: scenario.replace("commands = [", f"commands = [{json.dumps(f'touch {pwned}')}, "),
        )
    output = checkout.pytest("cases/test_tools.py", "-q", "--deselect=cases/test_tools.py::test_truncated_call")
    assert ["test_tools.py::test_parallel_ids"] == failed(output)
    assert declared == pwned.exists()
    assert declared != (f"the command 'touch {pwned}' is not declared, so it was not run." in output)


def test_recording_the_cases_anew_leaves_the_tree_clean(checkout: Checkout) -> None:
    """The simulator says the same again, and files in which nothing but times differ are left alone."""
    output = checkout.pytest(*ALL, *RECORD, "-n", "2")
    assert "25 passed" in output
    assert "" == checkout.status()


def test_many_workers_give_the_table_of_one(checkout: Checkout) -> None:
    """`-n auto`, and neither run leaves the tree dirty."""
    alone, spread = (checkout.pytest("--feature=all", *workers) for workers in ((), ("-n", "2")))
    assert "25 passed" in alone
    assert "25 passed" in spread
    assert any(line.startswith("streaming+prompt_cache ") for line in table(alone))
    assert table(alone) == table(spread)
    assert "" == checkout.status()


def test_the_cases_pass_with_the_network_cut(checkout: Checkout) -> None:
    """Where nothing but a loopback is up, and without leaving the tree dirty."""
    output = checkout.pytest(*ALL, start=("-c", CUT_OFF))
    if "refused: " in output or not hasattr(os, "fork"):
        pytest.skip("this machine lets nobody cut the network off: `unshare` is refused")
    assert "Network is unreachable" in output
    assert "25 passed" in output
    assert "" == checkout.status()


TELL_ENVIRONMENT = """
title = "A tool that tells its environment"
commands = ["env"]

[[turn]]
when = { user_contains = "environment" }
call = [{ name = "bash", input = { command = "env" } }]

[[turn]]
when = { result_of = "bash" }
text = "That is it."
"""
ASK_FOR_IT = """
import pytest

@pytest.mark.scenario("environment")
@pytest.mark.asyncio
async def test_environment(cassette, start):
    conversation = start()
    await conversation.send("Which environment?")
    print(cassette.bodies[1]["messages"][-1]["content"][0]["content"])
"""


def test_no_key_is_in_the_environment_of_a_tool(checkout: Checkout) -> None:
    """Neither the user's own nor the one that stands in for it."""
    (checkout.path / "fixtures/scenarios/environment.toml").write_text(TELL_ENVIRONMENT)
    (checkout.path / "cases/test_environment.py").write_text(ASK_FOR_IT)
    straight = ("--disable-recording", "--harness-upstream=simulator")
    output = checkout.pytest("cases/test_environment.py", "-q", "-s", *straight)
    assert "1 passed" in output
    assert "\nHOME=" in output
    assert "ANTHROPIC" not in output
    assert KEY not in output
