"""`--harness-resume`: an interrupted run goes on from its record, and pays for no completed request twice."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flag_harness.plugin.resume.resume import reason_not_to_resume
from flag_harness.record import GateFiles, RunHeader, load_record
from flag_harness.transports.serve.server import LoopbackServer
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

SUITE = """
import os
from pathlib import Path
import httpx2, pytest

def ask(text):
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    answer = httpx2.post(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", json=body).json()
    return answer["content"][0]["text"]

def stop_at(place):
    if place == Path("stop").read_text():
        raise KeyboardInterrupt

@pytest.mark.flag_matrix("streaming")
def test_agent(cassette, request):
    first = ask(request.node.nodeid)
    stop_at(request.node.name)
    assert "fails" not in ask(f"{request.node.nodeid} {first}")
"""
SUITE_OF_ANY_UPSTREAM = SUITE.replace(
    'os.environ["ANTHROPIC_BASE_URL"]', 'os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com")'
)
OPTIONS = ("--harness-upstream=live", "--harness-repeat=3")


class Api:
    """Stands for the live API: keeps the text of each request, and answers with its number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.answer = "{number}"

    def __call__(self, request: Request) -> Response:
        self.texts.append(json.loads(request.body)["messages"][0]["content"])
        content = [{"type": "text", "text": self.answer.format(number=len(self.texts))}]
        usage = {"input_tokens": 0, "output_tokens": 100_000}
        message = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
        head = Head(0.0, 200, (("content-type", "application/json"),))
        return head, Chunk(0.0, json.dumps(message).encode()), End(0.0)


@pytest.fixture
def api(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A project with a test of two requests, and a live API on loopback."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    monkeypatch.delenv("CI", raising=False)
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile(test_it=SUITE)
    (pytester.path / "stop").write_text("test_agent[off-repeat2]")
    api = Api()
    with LoopbackServer(api, origin="live") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield api


def _header(pytester: pytest.Pytester) -> dict[str, Any]:
    header: dict[str, Any] = json.loads((pytester.path / "run.jsonl").read_text().splitlines()[0])
    return header


def _interrupt(pytester: pytest.Pytester, *options: str) -> None:
    """Interrupt a run between the two requests of a test, and leave its record as a killed process does."""
    run = pytester.runpytest_inprocess(*OPTIONS, *options, "--harness-record=run.jsonl", no_reraise_ctrlc=True)
    assert pytest.ExitCode.INTERRUPTED == run.ret
    for name in ("run.jsonl", "run.answers.jsonl"):
        with (pytester.path / name).open("ab") as file:
            file.write(b'{"case": "test_it.py::te')
    (pytester.path / "stop").write_text("")


KILL = """
import signal
from contextlib import suppress

def stop_at(place):
    if place == Path("stop").read_text():
        others = {int(path.name) for path in Path(__file__).with_name("pids").iterdir()} - {os.getpid()}
        for pid in (*others, os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
"""


NOTE_PROCESS = """
import os
from pathlib import Path

def pytest_sessionstart():
    Path(__file__).with_name("pids").joinpath(str(os.getpid())).touch()
"""


def test_a_killed_run_of_two_workers_pays_for_no_completed_request_twice(pytester: pytest.Pytester, api: Api) -> None:
    """All processes are killed between two requests of a test. The other worker may have had one in flight."""
    pytester.makepyfile(test_it=f"{SUITE.partition('def stop_at')[0]}{KILL}\n@pytest{SUITE.partition('@pytest')[2]}")
    pytester.makeconftest(NOTE_PROCESS)
    pytester.mkdir("pids")
    options = (*OPTIONS, "-n2", "--harness-verdict=streaming", "--disable-recording")
    pytester.runpytest_subprocess(*options, "--harness-record=run.jsonl")
    completed = [text for text in api.texts if text.endswith("test_agent[off-repeat2]")]
    assert 1 == len(completed)
    (pytester.path / "stop").write_text("")
    pytester.runpytest_subprocess(*options, "--harness-resume=run.jsonl").stdout.fnmatch_lines(["*INCONCLUSIVE*"])
    assert 6 == len((pytester.path / "run.jsonl").read_text().splitlines()[1:])
    assert completed == [text for text in api.texts if text in completed]
    assert 12 == len({*api.texts}) >= len(api.texts) - 1


@pytest.mark.parametrize(
    ("options", "finished"), [(("--disable-recording",), 2), ((), 2), (("--harness-verdict=streaming",), 3)]
)
def test_no_completed_request_is_sent_twice(
    pytester: pytest.Pytester, api: Api, options: tuple[str, ...], finished: int
) -> None:
    """Finished runs are taken from the record, and a test that was interrupted gets back the answers that arrived.

    A verdict runs the arms of the second round in the opposite order.
    """
    options = (*options, "--record-mode=once")
    _interrupt(pytester, *options)
    begun = _header(pytester)["started_at"]
    run = pytester.runpytest_inprocess(*OPTIONS, *options, "--harness-resume=run.jsonl")
    assert begun == _header(pytester)["started_at"]  # rows must not look younger than they are
    run.stdout.fnmatch_lines(
        [f"resumed: {finished} runs of run.jsonl*", f"*{6 - finished} passed, {finished} resumed*"]
    )
    assert sorted(set(api.texts)) == sorted(api.texts)
    assert 12 == len(api.texts)
    lines = (pytester.path / "run.jsonl").read_text().splitlines()[1:]
    assert [2] * 6 == [len(json.loads(line)["requests"]) for line in lines]
    assert not (pytester.path / "run.answers.jsonl").exists()
    recorded = 0 if "--disable-recording" in options else 6
    assert recorded == len(list((pytester.path / "recordings").rglob("test_agent*.json")))


def test_failures_and_kept_evidence_of_the_interrupted_run_stay(pytester: pytest.Pytester, api: Api) -> None:
    """A failed run fails the resumed one, with its reason, and its conversation can still be opened."""
    api.answer = "fails"
    _interrupt(pytester, "--disable-recording")
    api.answer = "{number}"
    run = pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", "--harness-resume=run.jsonl")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["test_it.py:*: *assert*", "Taken from run.jsonl.", "*2 failed, 4 passed*"])
    kept = (pytester.path / "run.conversations.jsonl").read_text().splitlines()
    assert {"test_it.py::test_agent[off]", "test_it.py::test_agent[streaming]"} <= {json.loads(x)["case"] for x in kept}
    assert 2 == len(list((pytester.path / "run.cassettes").glob("*.json")))


def test_more_rounds_may_be_added_to_a_finished_run(pytester: pytest.Pytester, api: Api) -> None:
    """Such as after an inconclusive verdict. What was spent before counts towards the limit.

    A request that the limit refuses is not sent again as if the provider had broken it.
    """
    (pytester.path / "stop").write_text("")
    pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", "--harness-record=run.jsonl")
    assert 12 == len(api.texts)
    options = ("--disable-recording", "--harness-upstream=live", "--harness-repeat=4", "--harness-resume=run.jsonl")
    run = pytester.runpytest_inprocess(*options, "--harness-max-cost=7.4")
    run.stdout.fnmatch_lines(["*1 failed, 1 passed, 6 resumed*"])
    assert 15 == len(api.texts)
    lines = (pytester.path / "run.jsonl").read_text().splitlines()[1:]
    assert 8 * [0] == [json.loads(line)["provider_failures"] for line in lines]
    run = pytester.runpytest_inprocess(*options)
    run.stdout.fnmatch_lines(["*1 passed, 7 resumed*"])
    assert 16 == len(api.texts)


def test_skips_and_failed_trials_are_resumed_as_they_were(pytester: pytest.Pytester, api: Api) -> None:
    """A failure under `--harness-verdict` is a trial, and stays one."""
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.harness_no_request
        @pytest.mark.flag_matrix("streaming")
        def test_agent(cassette, flags):
            if "streaming" not in flags:
                pytest.skip("not now")
            raise AssertionError
        """
    )
    options = (*OPTIONS, "--harness-verdict=streaming", "--disable-recording")
    pytester.runpytest_inprocess(*options, "--harness-record=run.jsonl")
    before = (pytester.path / "run.jsonl").read_text().splitlines()[1:]
    run = pytester.runpytest_inprocess(*options, "--harness-resume=run.jsonl")
    run.stdout.fnmatch_lines(["streaming: INCONCLUSIVE*", "*6 resumed*"])
    assert before == (pytester.path / "run.jsonl").read_text().splitlines()[1:]


def test_another_run_is_not_resumed(pytester: pytest.Pytester, api: Api) -> None:
    """Other options or changed files would mix two runs in one record. Each message says what differs."""
    _interrupt(pytester, "--disable-recording")
    resume = "--harness-resume=run.jsonl"
    run = pytester.runpytest_inprocess(*OPTIONS, "--record-mode", "once", resume)
    run.stderr.fnmatch_lines(["*not the run that was interrupted: its options were *--disable-recording*, and now*"])
    pytester.makepyfile(test_it=SUITE + "\n# changed\n")
    run = pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", resume)
    run.stderr.fnmatch_lines(["*not the run that was interrupted: test_it.py changed since then*"])
    (pytester.path / "test_it.py").unlink()
    run = pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", resume)
    run.stderr.fnmatch_lines(["*not the run that was interrupted: test_it.py changed since then*"])
    pytester.makepyprojecttoml('[tool.flag-harness.flags]\nnew = "NEW"\n')
    run = pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", resume)
    run.stderr.fnmatch_lines(["*not the run that was interrupted: flags was *"])
    run = pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", "--harness-resume=other.jsonl")
    run.stderr.fnmatch_lines(["*other.jsonl: there is no such record; to begin a run: --harness-record=other.jsonl"])
    run = pytester.runpytest_inprocess("--disable-recording", resume)
    run.stderr.fnmatch_lines(["*needs the options of the interrupted run, --harness-repeat among them"])
    run = pytester.runpytest_inprocess(*OPTIONS, resume, "--harness-record=other.jsonl")
    run.stderr.fnmatch_lines(["*goes on with that record; leave out --harness-record=other.jsonl"])
    run = pytester.runpytest_inprocess(*OPTIONS, resume, "--harness-fail-on=inert-flag")
    run.stderr.fnmatch_lines(
        ["*--harness-fail-on=inert-flag needs all tests in one run; remove it or --harness-resume"]
    )


def test_a_module_that_only_workers_import_is_compared_too(pytester: pytest.Pytester, api: Api) -> None:
    """The process that writes the record knows the modules of the tests when the first worker has collected them."""

    class Controller:
        @pytest.hookimpl(tryfirst=True)
        def pytest_collection(self, session: pytest.Session) -> bool:
            for _ in range(2):
                session.config.hook.pytest_xdist_node_collection_finished(
                    node=None, ids=["test_it.py::test_agent[off]"]
                )
            return True

    options = (*OPTIONS, "--disable-recording", "--harness-record=run.jsonl")
    pytester.runpytest_inprocess(*options, plugins=[Controller()])
    assert {"pyproject.toml", "test_it.py"} == {*_header(pytester)["files"]}


def test_incomplete_lines_of_killed_workers_cost_no_other_answer(pytester: pytest.Pytester, api: Api) -> None:
    """An answer in such a line is paid for again, and the lines after it are used."""
    _interrupt(pytester, "--disable-recording")
    path = pytester.path / "run.answers.jsonl"
    first, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b'["test_it.py::te\n' + b"[1]\n" + b"".join(others))
    pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", "--harness-resume=run.jsonl")
    assert 12 == len(api.texts)


def test_an_option_whose_name_starts_like_a_free_one_must_stay(tmp_path: Path) -> None:
    """The path of the report may change, but not how much content is kept."""
    old = RunHeader(options=("--harness-report", "a.html", "--harness-report-content=full"))
    new = RunHeader(options=("--harness-report=b.html", "--harness-report-content=none"))
    assert reason_not_to_resume(old, new, tmp_path).startswith(
        "its options were --harness-report-content=full, and now they are"
    )
    assert "" == reason_not_to_resume(old, RunHeader(options=("--harness-report-content=full",)), tmp_path)


def test_what_may_not_be_kept_is_paid_for_again(pytester: pytest.Pytester, api: Api) -> None:
    """An answer with a key in it is not written to the disk, and a test never gets a masked answer."""
    api.answer = "sk-ant-" + "api03-9f8e7d6c5b4a39281706" + " {number}"
    _interrupt(pytester, "--disable-recording")
    assert "api03" not in (pytester.path / "run.answers.jsonl").read_text()
    pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", "--harness-resume=run.jsonl")
    assert 13 == len(api.texts)


def test_a_test_that_is_skipped_keeps_no_answers_of_a_run_that_ended(pytester: pytest.Pytester, api: Api) -> None:
    """It would be skipped again, so nothing is left to resume."""
    (pytester.path / "stop").write_text("")
    skipped = "\n\nimport pytest\n\n@pytest.mark.skip\ndef test_later(cassette): pass\n"
    pytester.makepyfile(test_it=SUITE + skipped)
    run = pytester.runpytest_inprocess(*OPTIONS, "--disable-recording", "--harness-record=run.jsonl")
    run.stdout.fnmatch_lines(["*6 passed*skipped*"])
    assert not (pytester.path / "run.answers.jsonl").exists()


def test_a_changed_file_of_the_gate_is_another_run(tmp_path: Path) -> None:
    """Its prompts are no modules, but evidence is about these files too."""
    old, same, new = (RunHeader(gate_files=GateFiles({"prompt.md": digest})) for digest in ("a", "a", "b"))
    assert "" == reason_not_to_resume(old, same, tmp_path)
    assert "prompt.md changed since then" == reason_not_to_resume(old, new, tmp_path)


def test_a_run_that_keeps_no_content_is_resumed_by_its_rows_alone(pytester: pytest.Pytester, api: Api) -> None:
    """No answer is written to the disk, so an interrupted test is paid for again."""
    options = (*OPTIONS, "--disable-recording", "--harness-report-content=none")
    pytester.runpytest_inprocess(*options, "--harness-record=run.jsonl", no_reraise_ctrlc=True)
    assert not (pytester.path / "run.answers.jsonl").exists()
    (pytester.path / "stop").write_text("")
    run = pytester.runpytest_inprocess(*options, "--harness-resume=run.jsonl")
    run.stdout.fnmatch_lines(["*4 passed, 2 resumed*"])
    assert 13 == len(api.texts)


def test_a_changed_scenario_or_recording_is_another_run(pytester: pytest.Pytester, api: Api) -> None:
    """The record holds the hash of the file that answered each test: of the scenario, or of the recording."""
    scenario = pytester.path / "fixtures" / "scenarios" / "refund.toml"
    scenario.parent.mkdir(parents=True)
    scenario.write_text('[[turn]]\ntext = "good"\n', encoding="utf-8")
    suite = SUITE_OF_ANY_UPSTREAM.replace("@pytest", '@pytest.mark.scenario("refund")\n@pytest', 1)
    pytester.makepyfile(test_it=suite)
    options = ("--harness-upstream=simulator", "--harness-repeat=3", "--disable-recording")
    pytester.runpytest_inprocess(*options, "--harness-record=run.jsonl")
    path = pytester.path / "run.jsonl"
    digest = hashlib.sha256(scenario.read_bytes()).hexdigest()
    rows = load_record(path).rows
    assert rows
    assert all({"fixtures/scenarios/refund.toml": digest} == row.digest_by_input for row in rows)
    scenario.write_text('[[turn]]\ntext = "better"\n', encoding="utf-8")
    run = pytester.runpytest_inprocess(*options, "--harness-resume=run.jsonl")
    run.stderr.fnmatch_lines(["*not the run that was interrupted: fixtures/scenarios/refund.toml changed since then*"])


def test_the_record_holds_the_hash_of_each_played_recording(pytester: pytest.Pytester, api: Api) -> None:
    """And of no file that the live API or another upstream made unnecessary, or that the run itself has written."""
    (pytester.path / "stop").write_text("")
    pytester.makepyfile(test_it=SUITE_OF_ANY_UPSTREAM)
    pytester.runpytest_inprocess("--record-mode=once", "--harness-upstream=live", "--harness-record=run.jsonl")
    assert [{}, {}] == [row.digest_by_input for row in load_record(pytester.path / "run.jsonl").rows]
    pytester.runpytest_inprocess("--harness-record=run.jsonl")
    for row in load_record(pytester.path / "run.jsonl").rows:
        assert row.cassette
        digest = hashlib.sha256((pytester.path / row.cassette).read_bytes()).hexdigest()
        assert {row.cassette: digest} == row.digest_by_input
