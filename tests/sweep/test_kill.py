"""Real processes, killed at every point of the protocol, and what their successors make of what is left.

`pytest tests/sweep/test_kill.py --kills=1000` kills more often; the figures are printed with `-s`.
"""

import copy
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from flag_harness.reference import ConversationContext, load_context, save_context
from flag_harness.reference.context.repair import CALL_NOT_RUN_MESSAGE, INTERRUPTED_CALL_MESSAGE
from flag_harness.reference.settings import read_settings
from flag_harness.simulator import ScenarioTurn, simulate
from flag_harness.simulator.scenario.scenario import ScriptedToolCall
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Request, Response, header_value

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which this system does not have")

TEXT = "Note the step down."
STEP = "the step"
PATIENCE = 60.0
"""Seconds after which a process hangs; the first one imports the SDK, the others take some hundredths."""
SAVES = 6
"""Saves in an baseline turn: the user's text, the answer, the call begun, its outcome, the results, the last answer."""
POINTS = (
    "request:1",
    "first_delta",
    "call_saved",
    "tool_begun",
    "tool_running",
    "result_not_saved",
    "result_saved",
    "request:2",
    *(f"before_flush:{number}" for number in range(1, SAVES + 1)),
    *(f"before_rename:{number}" for number in range(1, SAVES + 1)),
)
ENVIRONMENTS: tuple[dict[str, str], ...] = (
    {"ENABLE_STREAMING": "true"},
    {"ENABLE_STREAMING": "true", "ENABLE_PROMPT_CACHE": "true", "ENABLE_EXTENDED_OUTPUT": "true"},
)


def model(body: Mapping[str, Any]) -> ScenarioTurn:
    """A careful model: where a call may or may not have taken effect, it looks before it calls again."""
    content = body["messages"][-1]["content"]
    results = [block for block in content if block["type"] == "tool_result"]
    said = str(results[-1]["content"]) if results else ""
    if said == INTERRUPTED_CALL_MESSAGE:
        return ScenarioTurn(
            thinking="Did it run?", text="Let me look first.", calls=(ScriptedToolCall(name="look", input={}),)
        )
    if said == "noted" or STEP in said:
        return ScenarioTurn(text="It is noted.")
    return ScenarioTurn(
        thinking="One call will do.",
        text="I note it down.",
        calls=(ScriptedToolCall(name="note", input={"step": STEP}),),
    )


class Grave:
    """Runs the agent in processes of their own against one loopback server, and kills them."""

    def __init__(self, directory: Path, python: str) -> None:
        self.directory = directory
        self.context, self.effects = directory / "context.json", directory / "effects.txt"
        self.requests: list[dict[str, Any]] = []
        self.baselines: dict[str, list[dict[str, Any]]] = {}
        self._kill_at = 0
        self._upstream: Callable[[Request], Response] = simulate(hook=model)
        script = Path(__file__).with_name("victim.py")
        self._parent = subprocess.Popen(
            [python, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._read()
        self.server = LoopbackServer(self._answer)

    def _answer(self, request: Request) -> Response:
        self.requests.append(json.loads(request.body))
        if len(self.requests) == self._kill_at:
            os.kill(int(header_value(request.headers, "x-process")), signal.SIGKILL)
        return self._upstream(request)

    def begin(self, environ: Mapping[str, str]) -> None:
        """A conversation of one turn stands in the file; nothing has been noted yet."""
        earlier = ({"role": "user", "content": "Hello."}, {"role": "assistant", "content": [_text("Hello!")]})
        combination = read_settings(environ).combination
        save_context(
            ConversationContext(messages=earlier, model="claude-haiku-4-5", combination=combination), self.context
        )
        self.effects.write_text("")
        self._upstream = simulate(hook=model)

    def run(self, environ: Mapping[str, str], kill: str = "") -> int:
        """One process: it says the text, or goes on where that is saved. Returns its exit status."""
        self.requests.clear()
        self._kill_at = int(kill.partition(":")[2]) if kill.startswith("request:") else 0
        context = load_context(self.context)
        pending = len(context.messages) > 2
        job = {
            "url": self.server.url,
            "context": str(self.context),
            "effects": str(self.effects),
            "environ": {**environ},
            "text": None if pending else TEXT,
            "kill": kill,
        }
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(job) + "\n")
        self._parent.stdin.flush()
        return int(self._read())

    def _read(self) -> str:
        """The next line, of which there is one at a time."""
        assert self._parent.stdout is not None
        ready, _, _ = select.select([self._parent.stdout], [], [], PATIENCE)
        if not ready:
            self._end()
            pytest.fail(f"a process has said nothing for {PATIENCE:g} s")
        return self._parent.stdout.readline().strip()

    def close(self) -> None:
        """End the parent of all those processes."""
        try:
            self._parent.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._end()
            raise

    def _end(self) -> None:
        os.killpg(self._parent.pid, signal.SIGKILL)

    @property
    def entries(self) -> list[str]:
        """The side effects."""
        return self.effects.read_text().splitlines()


@pytest.fixture(scope="module")
def grave(tmp_path_factory: pytest.TempPathFactory, warm_python: Callable[[], str]) -> Iterator[Grave]:
    """One warmed parent and one server for all kills."""
    grave = Grave(tmp_path_factory.mktemp("grave"), warm_python())
    with grave.server:
        yield grave
    grave.close()


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _baselines(grave: Grave, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """The requests of a run that nobody kills, which is made once for each environment."""
    key = json.dumps({**environ})
    if key not in grave.baselines:
        grave.begin(environ)
        assert 0 == grave.run(environ)
        assert [STEP] == grave.entries
        grave.baselines[key] = list(grave.requests)
    return copy.deepcopy(grave.baselines[key])


def _without_transition(body: dict[str, Any]) -> dict[str, Any]:
    """The request without what the model is told about the restore."""
    messages = [
        message
        if isinstance(message["content"], str)
        else {**message, "content": [block for block in message["content"] if not _is_transition(block)]}
        for message in body["messages"]
    ]
    return {**body, "messages": messages}


def _is_transition(block: Mapping[str, Any]) -> bool:
    return block["type"] == "text" and block["text"].startswith("This session was saved and restored.")


def _result(body: Mapping[str, Any]) -> tuple[str, bool]:
    block = body["messages"][-1]["content"][0]
    return block["content"], block.get("is_error", False)


@pytest.mark.parametrize("environ", ENVIRONMENTS, ids=["streaming", "everything"])
@pytest.mark.parametrize(
    ("point", "next_request", "told"),
    [
        ("request:1", 0, None),
        ("first_delta", 0, None),
        ("call_saved", 1, (CALL_NOT_RUN_MESSAGE, True)),
        ("tool_begun", 1, (INTERRUPTED_CALL_MESSAGE, True)),
        ("tool_running", 1, (INTERRUPTED_CALL_MESSAGE, True)),
        ("result_not_saved", 1, (INTERRUPTED_CALL_MESSAGE, True)),
        ("result_saved", 1, ("noted", False)),
        ("request:2", 1, ("noted", False)),
    ],
)
def test_the_successor_asks_what_the_unbroken_session_would_have(
    grave: Grave, environ: Mapping[str, str], point: str, next_request: int, told: tuple[str, bool] | None
) -> None:
    """The next request is that of the baseline run, byte for byte but for what the model must be told of the call."""
    expected = _baselines(grave, environ)[next_request]
    grave.begin(environ)
    assert -signal.SIGKILL == grave.run(environ, point)
    assert 0 == grave.run(environ)
    found = _strip_marks(_without_transition(grave.requests[0]))
    if told is not None:
        assert told == _result(found)
        found["messages"][-1]["content"][0] = expected["messages"][-1]["content"][0]
    assert _strip_marks(expected) == _strip_marks(found)
    assert [STEP] == grave.entries


def _strip_marks(body: dict[str, Any]) -> dict[str, Any]:
    """The body without cache marks, which stand on the last block, be it the transition prompt."""
    if isinstance(body, dict):
        return {key: _strip_marks(value) for key, value in body.items() if key != "cache_control"}
    return [_strip_marks(value) for value in body] if isinstance(body, list) else body  # type: ignore[return-value]


def test_no_kill_loses_a_context_or_repeats_a_side_effect(
    grave: Grave, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kills over all points, each followed by a successor, which brings the turn to its end."""
    kills = request.config.getoption("--kills", default=20)
    met: Counter[str] = Counter()
    lost: list[str] = []
    for number in range(kills):
        point, environ = POINTS[number % len(POINTS)], ENVIRONMENTS[number // len(POINTS) % 2]
        grave.begin(environ)
        assert -signal.SIGKILL == grave.run(environ, point), point
        met[point.partition(":")[0]] += 1
        if 0 != grave.run(environ) or [STEP] != grave.entries:
            lost.append(f"{point}: {grave.entries}")
        answered = load_context(grave.context).messages[-1]
        assert [_text("It is noted.")] == [block for block in answered["content"] if block["type"] == "text"], point
        for part in grave.directory.glob(".*.part"):
            part.unlink()
    with capsys.disabled():
        print(f"\n{kills} kills ({', '.join(f'{name} {count}' for name, count in met.items())}): {len(lost)} lost")
    assert [] == lost


def test_a_full_disk_keeps_the_old_context(tmp_path: Path) -> None:
    """No byte of the new one fits: the session says so, and the file is the one before."""
    path = tmp_path / "context.json"
    save_context(ConversationContext(model="claude-haiku-4-5"), path)
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from flag_harness.reference import ConversationContext, save_context\n"
        "from flag_harness.errors import ContextError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "try:\n"
        "    save_context(ConversationContext(model='claude-opus-5'), Path(sys.argv[1]))\n"
        "except ContextError as error:\n"
        "    print(str(error).replace(sys.argv[1], 'FILE'))\n"
    )
    environ = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}  # its file has no room
    command = [sys.executable, "-c", script, str(path)]
    run = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "FILE: the context was not saved: File too large; what was there before is untouched\n" == run.stdout
    assert "claude-haiku-4-5" == load_context(path).model
    assert [path] == list(tmp_path.iterdir())


needs_mount = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None, reason="only root can mount"
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.strip()}")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


@needs_mount
def test_a_file_system_that_is_full_keeps_the_old_context(small_disk: Path) -> None:
    """The bytes that did not fit leave nothing behind."""
    from flag_harness.errors import ContextError

    path = small_disk / "context.json"
    save_context(ConversationContext(model="claude-haiku-4-5"), path)
    long = ConversationContext(messages=({"role": "user", "content": "x" * 100_000},))
    with pytest.raises(ContextError, match="No space left on device; what was there before is untouched"):
        save_context(long, path)
    assert "claude-haiku-4-5" == load_context(path).model
    assert [path] == list(small_disk.iterdir())


@needs_mount
def test_a_file_system_that_became_read_only_keeps_the_old_context(small_disk: Path) -> None:
    """Not even root writes there."""
    from flag_harness.errors import ContextError

    path = small_disk / "context.json"
    save_context(ConversationContext(model="claude-haiku-4-5"), path)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(ContextError, match="Read-only file system; what was there before is untouched"):
        save_context(ConversationContext(model="claude-opus-5"), path)
    assert "claude-haiku-4-5" == load_context(path).model
