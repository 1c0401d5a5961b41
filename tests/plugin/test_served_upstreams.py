"""Who answered, if a server of the harness stands for the live API at `ANTHROPIC_BASE_URL`."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest

from flag_harness.cassette import Cassette
from flag_harness.simulator import simulate
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.layers import faulty
from flag_harness.wire.origin import ORIGIN_HEADER

TEST = """
import anthropic

def test_ask(cassette):
    message = {"role": "user", "content": "Where is my refund?"}
    with anthropic.Anthropic() as client:
        client.messages.create(model="claude-haiku-4-5", max_tokens=100, messages=[message])
"""

CATCHING_TEST = """
import anthropic, pytest

def test_ask(cassette):
    error = pytest.raises(anthropic.APIStatusError, match="Overloaded")
    with anthropic.Anthropic(max_retries=0) as client, error:
        client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
"""


@pytest.fixture
def serve(warm_python: Callable[[], str], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Serve an upstream with `flag-harness serve`, in a process of its own, as the API of the tests."""
    program = "from flag_harness.cli import main; raise SystemExit(main())"

    @contextmanager
    def serving(*words: str) -> Iterator[None]:
        command = [warm_python(), "-c", program, "serve", *words, "--json"]
        process = Popen(command, stdout=PIPE, stderr=PIPE, text=True, cwd=pytester.path)
        assert process.stdout is not None
        try:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", json.loads(process.stdout.readline())["url"])
            monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
            yield
        finally:
            process.terminate()
            process.communicate(timeout=20)

    return serving


def _answered_by(record: Path) -> str | None:
    rows = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    return next(row["answered_by"] for row in rows if "answered_by" in row)


def test_a_recording_of_a_served_simulator_is_stamped_simulator(pytester: pytest.Pytester, serve: Any) -> None:
    """The cassette and the run record tell of the simulator, though the run asked for the live API."""
    pytester.makepyfile(test_it=TEST)
    with serve("simulator"):
        pytester.runpytest_inprocess("--record-mode=once", "--harness-record=run.jsonl").assert_outcomes(passed=1)
    cassette = Cassette.load(pytester.path / "recordings/test_it/test_ask.json")
    assert "simulator" == cassette.metadata.upstream
    assert ORIGIN_HEADER not in (pytester.path / "recordings/test_it/test_ask.json").read_text(encoding="utf-8")
    assert "simulator" == _answered_by(pytester.path / "run.jsonl")


def test_a_run_without_recording_names_the_served_simulator(pytester: pytest.Pytester, serve: Any) -> None:
    """With `--disable-recording` nothing is written, and the run record still tells of the simulator."""
    pytester.makepyfile(test_it=TEST)
    with serve("simulator"):
        result = pytester.runpytest_inprocess("--disable-recording", "--harness-record=run.jsonl")
    result.assert_outcomes(passed=1)
    assert "simulator" == _answered_by(pytester.path / "run.jsonl")
    assert "simulated: " in result.stdout.str()


@pytest.mark.parametrize("upstream", ["live", "imported", "simulator"])
def test_a_recording_of_a_served_cassette_is_stamped_as_that_cassette(
    pytester: pytest.Pytester, serve: Any, upstream: str
) -> None:
    """`serve replay` passes on which upstream its cassettes were recorded from."""
    pytester.makepyfile(test_it=TEST)
    path = pytester.path / "recordings/test_it/test_ask.json"
    pytester.runpytest_inprocess("--record-mode=once", "--harness-upstream=simulator").assert_outcomes(passed=1)
    served = pytester.path / "served.json"
    served.write_text(path.read_text(encoding="utf-8").replace('"simulator"', f'"{upstream}"', 1), encoding="utf-8")
    path.unlink()
    with serve("replay", "served.json", "--repeat"):
        pytester.runpytest_inprocess("--record-mode=once").assert_outcomes(passed=1)
    assert upstream == Cassette.load(path).metadata.upstream


def test_a_fault_of_the_server_is_stamped_as_its_upstream(pytester: pytest.Pytester, serve: Any) -> None:
    """An error that `--fault` puts before the simulator is no answer of the live API either."""
    pytester.makepyfile(test_it=CATCHING_TEST)
    with serve("simulator", "--fault", "overloaded:on=1"):
        pytester.runpytest_inprocess("--record-mode=once").assert_outcomes(passed=1)
    assert "simulator" == Cassette.load(pytester.path / "recordings/test_it/test_ask.json").metadata.upstream


def test_a_server_that_a_script_starts_names_its_simulator(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`LoopbackServer` finds the origin of a simulator by itself, and takes that of other upstreams as an argument."""
    pytester.makepyfile(test_it=TEST)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    path = pytester.path / "recordings/test_it/test_ask.json"
    for server in (LoopbackServer(simulate()), LoopbackServer(faulty(simulate()), origin="simulator")):
        with server:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
            pytester.runpytest_inprocess("--record-mode=rewrite").assert_outcomes(passed=1)
        assert "simulator" == Cassette.load(path).metadata.upstream
        path.unlink()
