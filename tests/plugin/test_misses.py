"""Misses of a whole run: one message a cause, and a rebase that mends them."""

import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.match.difference import describe_difference, find_differences
from flag_harness.flag import Flag
from flag_harness.plugin.run.misses import MissCollector
from flag_harness.plugin.run.recorded_effects import FlagEffectsInRecordings
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

TESTS = 12
SYSTEM = "You are a careful assistant for commands. " + "Say what you did. " * 20
ASK = """
import httpx2
import pytest

PROMPT = {prompt!r}
TOOL = {tool!r}

@pytest.mark.parametrize("number", range({tests}))
def test_ask(cassette, number):
    with cassette.http_client() as client:
        body = dict(
            model="claude-haiku-4-5",
            max_tokens=100,
            system=[dict(type="text", text=PROMPT)],
            tools=[dict(name=TOOL, input_schema=dict(type="object"))],
            messages=[dict(role="user", content=f"question {{number}}")],
        )
        answer = client.post("https://api.anthropic.com/v1/messages", json=body)
        assert str(number) == answer.json()["content"][0]["text"]
"""


def _body(number: int) -> dict[str, Any]:
    return {
        "model": "claude-haiku-4-5",
        "max_tokens": 100,
        "system": [{"type": "text", "text": SYSTEM}],
        "tools": [{"name": "bash", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": f"question {number}"}],
    }


def _answer(number: int) -> Response:
    usage = {"input_tokens": 1000, "output_tokens": 200}
    data = {"id": f"msg_{number}", "content": [{"type": "text", "text": str(number)}], "usage": usage}
    head = Head(0.1, 200, (("content-type", "application/json"),))
    return head, Chunk(0.2, json.dumps(data, separators=(",", ":")).encode()), End(0.3)


def _record(path: Path, tests: int, upstream: Any = "live") -> list[Path]:
    """One cassette a test, as it is recorded."""
    folder, made = path / "recordings" / "test_prompt", []
    for number in range(tests):
        data = json.dumps(_body(number), separators=(",", ":")).encode()
        request = Request("POST", "/v1/messages", (("content-type", "application/json"),), data)
        cassette = Cassette(
            CassetteMetadata(upstream, "2026-01-02T03:04:05Z"), (Interaction(request, _answer(number)),)
        )
        made.append(folder / f"test_ask[number={number}].json")
        cassette.save(made[-1])
    return made


def _asking(pytester: pytest.Pytester, prompt: str, tool: str = "bash", tests: int = TESTS) -> None:
    pytester.makepyfile(test_prompt=ASK.format(prompt=prompt, tool=tool, tests=tests))


def _rebase(pytester: pytest.Pytester, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [
        pytester._getpytestargs()[0],
        "-c",
        "from flag_harness.cli import main; raise SystemExit(main())",
        "cassette",
        "rebase",
    ]
    return subprocess.run([*command, *arguments], cwd=pytester.path, capture_output=True, text=True, check=False)


def _summary(run: pytest.RunResult) -> list[str]:
    """The lines of the section on missed requests."""
    lines = run.stdout.lines
    start = next(place for place, line in enumerate(lines) if "missed requests" in line)
    rest = lines[start + 1 :]
    return rest[: next(place for place, line in enumerate(rest) if line.startswith("==="))]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_a_changed_word_in_a_shared_prompt_is_one_message_and_one_rebase(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """It names the path, the words, the tests and the price; rebased, all pass, with one changed line a cassette."""
    paths = _record(pytester.path, TESTS)
    before = [path.read_text().splitlines() for path in paths]
    _asking(pytester, SYSTEM.replace("careful", "helpful"))
    run = pytester.runpytest_subprocess("-q", *workers)
    run.assert_outcomes(failed=TESTS)
    mend, first, hit, price, record, advice = _summary(run)
    assert "If you did not mean a change below, mend the code. Else record it anew, or keep its answers:" == mend
    assert f"{TESTS} tests: `system[0].text`, 1 word: 'careful' → 'helpful'" == first
    assert re.fullmatch(r"  (test_prompt\.py::test_ask\[\d+\](, )?){3} and 9 more", hit)
    assert "  recording anew: 12 cassettes, about $0.0240 at list prices" == price
    assert "To record all 12 anew: pytest --lf --record-mode=rewrite --harness-upstream=live" == record
    assert "If the answers still hold: flag-harness cassette rebase --dry-run" == advice
    output = run.stdout.str()
    assert 1 == output.count("The nearest is interaction 0; it differs in:")
    assert TESTS - 1 == output.count("`system[0].text`, 1 word: 'careful' → 'helpful' (as in test_prompt.py::test_ask[")

    assert 0 == _rebase(pytester, "--dry-run").returncode
    assert before == [path.read_text().splitlines() for path in paths]
    done = _rebase(pytester)
    assert (0, "") == (done.returncode, done.stderr)
    assert "12 requests rewritten. The answers are as they were: rebased, not verified." in done.stdout
    for old, path in zip(before, paths, strict=True):
        new = path.read_text().splitlines()
        stamp = [line for line in new if line.strip().startswith('"rebased"')]
        assert 1 == len(stamp)
        new.remove(stamp[0])
        changed = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
        assert [(changed[0][1].replace("helpful", "careful"), changed[0][1])] == changed
    green = pytester.runpytest_subprocess(*workers)
    green.assert_outcomes(passed=TESTS)
    green.stdout.fnmatch_lines(["rebased, not verified: 12 cassettes, until they are recorded again"])
    assert ["There is nothing to rebase."] == _rebase(pytester).stdout.splitlines()[1:]


def test_a_renamed_tool_is_refused(pytester: pytest.Pytester) -> None:
    """Nothing is written, whatever else was missed; the reason is given by the run and by the command."""
    paths = _record(pytester.path, 3)
    before = [path.read_bytes() for path in paths]
    _asking(pytester, SYSTEM.replace("careful", "helpful"), tool="shell", tests=3)
    run = pytester.runpytest_subprocess("-q")
    run.assert_outcomes(failed=3)
    assert [
        "3 tests: `system[0].text`, 1 word: 'careful' → 'helpful'; `tools[0].name`, 1 word: 'bash' → 'shell'",
        "  test_prompt.py::test_ask[0], test_prompt.py::test_ask[1], test_prompt.py::test_ask[2]",
        "  recording anew: 3 cassettes, about $0.0060 at list prices",
        "  no rebase: tools[0].name changed, and with it what the model can answer",
    ] == _summary(run)[1:5]
    for arguments in ((), ("--yes",), ("--dry-run",)):
        refused = _rebase(pytester, *arguments)
        assert 1 == refused.returncode
        assert (
            "Nothing is written, because an answer would no longer belong to its request:\n"
            + "".join(
                f"  recordings/test_prompt/test_ask[number={number}].json: interaction 0: tools[0].name changed, "
                "and with it what the model can answer: record it again\n"
                for number in range(3)
            )
            + "Record them anew, or name the PATHs of the others.\n"
            == refused.stdout.partition("\n")[2]
        )
    assert before == [path.read_bytes() for path in paths]


def test_without_a_cache_the_summary_says_how_to_get_to_a_rebase(pytester: pytest.Pytester) -> None:
    """A rebase reads the misses of the run before from pytest's cache."""
    _record(pytester.path, 1)
    _asking(pytester, SYSTEM.replace("careful", "helpful"), tests=1)
    run = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    run.stdout.fnmatch_lines(["To keep the answers and rewrite the requests, run without `-p no:cacheprovider` first."])


def test_a_key_in_what_differs_is_masked(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches neither the terminal nor the file that a rebase reads; such a miss cannot be rebased."""
    key = "sk-ant-api03-" + "a1B2" * 20
    monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    _record(pytester.path, 1)
    _asking(pytester, SYSTEM.replace("careful", key), tests=1)
    run = pytester.runpytest_subprocess("-q")
    run.assert_outcomes(failed=1)
    kept = (pytester.path / ".pytest_cache/v/flag-harness/misses").read_text()
    assert key not in run.stdout.str() + kept
    assert "system[0].text" in kept


def test_a_request_that_was_sent_once_more_than_recorded_is_in_the_summary(pytester: pytest.Pytester) -> None:
    """It differs from no recorded request, so there is no nearest one to change."""
    _record(pytester.path, 1)
    _asking(pytester, SYSTEM, tests=1)
    test = pytester.path / "test_prompt.py"
    again = '        client.post("https://api.anthropic.com/v1/messages", json=body)\n'
    test.write_text(test.read_text().rstrip() + "\n" + again)
    run = pytester.runpytest_inprocess()
    run.assert_outcomes(failed=1)
    assert [
        "1 test: sent more often than it was recorded",
        "  test_prompt.py::test_ask[0]",
        "  recording anew: 1 cassette, about $0.0020 at list prices",
        "  no rebase: another request of the test can only be recorded",
    ] == _summary(run)


def test_what_was_never_recorded_can_be_recorded_with_one_command(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named once for all tests; a price is only known of what was recorded before."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    _asking(pytester, SYSTEM, tests=3)
    run = pytester.runpytest_inprocess("-q")
    run.assert_outcomes(failed=3)
    assert [
        "3 tests: nothing is recorded",
        "  test_prompt.py::test_ask[0], test_prompt.py::test_ask[1], test_prompt.py::test_ask[2]",
        "  To record them: pytest --record-mode=once --harness-upstream=live",
        "  Without a key: pytest --record-mode=once --harness-upstream=simulator",
        "    It answers by the scenario that the test's mark names, and repeats the prompt if there is none; "
        "to write one from a recording: flag-harness scenario from CASSETTE -o fixtures/scenarios/NAME.toml",
    ] == _summary(run)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
    assert "Without a key" not in pytester.runpytest_inprocess("-q").stdout.str()


def test_a_change_of_white_space_is_shown() -> None:
    """No word differs."""
    (difference,) = find_differences({"text": "Sure:"}, {"text": "Sure: "}, lambda one, other: False)
    assert "`text`, white space: 'Sure:' → 'Sure: '" == describe_difference(difference)


def test_a_part_that_only_moved_is_called_reordered() -> None:
    """Both orders would be too long."""
    tools = [{"name": "a"}, {"name": "b"}]
    (difference,) = find_differences({"tools": tools}, {"tools": tools[::-1]}, lambda one, other: False)
    assert "`tools`, reordered" == describe_difference(difference)


def test_a_cache_elsewhere_is_named_in_the_advice() -> None:
    """As `--from` of the command, which is typed in the folder in which pytest was started."""
    root = Path("/repository/package")
    for folder, start in ((root, ""), (root.parent, "cd package && ")):
        config = SimpleNamespace(
            cache=object(),
            getini=lambda name: "elsewhere",
            rootpath=root,
            invocation_params=SimpleNamespace(dir=folder),
        )
        command = f"{start}flag-harness cassette rebase --dry-run --from elsewhere/v/flag-harness/misses"
        assert f"If the answers still hold: {command}" == MissCollector(config, SimpleNamespace())._rebase_advice()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("combination", "flag"),
    [("", "concise"), ("off", None), ("streaming", None), ("streaming+concise", "concise"), ("model=b", None)],
)
def test_a_flag_at_its_default_explains_no_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, combination: str, flag: str | None
) -> None:
    """Only a combination in which the flag has another value can owe a change to it."""
    monkeypatch.setattr(FlagEffectsInRecordings, "flag_that_changes_path", lambda effects, path: "concise")
    effects = FlagEffectsInRecordings(
        tmp_path, [Flag("concise"), Flag("streaming"), Flag("model", values=("a", "b"), default="a")]
    )
    assert flag == effects.make_explainer(combination)("max_tokens")
    assert effects.depends_on_flag("max_tokens")


def test_a_broken_recording_explains_no_miss(tmp_path: Path) -> None:
    """It is reported by the test that plays it."""
    (tmp_path / "broken.json").write_text("{")
    assert None is FlagEffectsInRecordings(tmp_path, []).flag_that_changes_path("tools")


CONVERSATION = """
import httpx2
import pytest

PROMPT = {prompt!r}

@pytest.mark.parametrize("number", [1, 2])
def test_ask(cassette, number):
    with cassette.http_client() as client:
        said = []
        for turn in range(2):
            said.append(dict(role="user", content=f"{{PROMPT}} {{turn}}"))
            body = dict(model="claude-haiku-4-5", max_tokens=100, messages=MESSAGES)
            client.post("https://api.anthropic.com/v1/messages", json=body)
            said.append(dict(role="assistant", content="Fine."))
"""
SIMULATED = ("--record-mode=once", "--harness-upstream=simulator")


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ("[*said, dict(role='user', content='More.')]", "the test sends more messages than the one that was answered"),
        ("[dict(one, content=one['content'].replace('Turn', 'Step')) for one in said]", ""),
    ],
)
def test_a_rebase_is_offered_only_if_the_whole_cassette_can_be_rewritten(
    pytester: pytest.Pytester, messages: str, problem: str
) -> None:
    """The reason is given by the run and by the command, and nothing is written."""
    text = CONVERSATION.format(prompt="Turn")
    pytester.makepyfile(test_prompt=text.replace("MESSAGES", "said"))
    pytester.runpytest_subprocess(*SIMULATED).assert_outcomes(passed=2)
    paths = sorted(pytester.path.glob("recordings/**/*.json"))
    before = [path.read_bytes() for path in paths]
    pytester.makepyfile(test_prompt=text.replace("MESSAGES", messages))
    lines = _summary(pytester.runpytest_subprocess())
    assert (not problem) is any("flag-harness cassette rebase" in line for line in lines)
    if problem:
        assert [line for line in lines if line.startswith("  no rebase: ") and problem in line], lines
        refused = _rebase(pytester, "--yes")
        assert 1 == refused.returncode
        assert problem in refused.stdout
        assert before == [path.read_bytes() for path in paths]


def test_misses_of_tests_that_do_not_run_again_are_kept(pytester: pytest.Pytester) -> None:
    """A rebase says that they are older, and forgets what it has mended."""
    _record(pytester.path, 3)
    _asking(pytester, SYSTEM.replace("careful", "helpful"), tests=3)
    pytester.runpytest_subprocess()
    pytester.runpytest_subprocess("test_prompt.py::test_ask[0]")
    (pytester.path / "recordings/test_prompt/test_ask[number=2].json").unlink()
    pytester.runpytest_subprocess("test_prompt.py::test_ask[0]")
    done = _rebase(pytester, "--yes")
    assert (
        "From the pytest run that ended 0 minutes ago, and for 1 test that did not run in it, from runs before:"
    ) == done.stdout.splitlines()[0]
    assert "2 requests rewritten. The answers are as they were: rebased, not verified." in done.stdout
    assert ["There is nothing to rebase."] == _rebase(pytester).stdout.splitlines()[1:]


def test_a_few_stale_cassettes_are_named_in_the_command_that_records_them(pytester: pytest.Pytester) -> None:
    """Without a cache, any number is."""
    _record(pytester.path, 2)
    _asking(pytester, SYSTEM.replace("careful", "helpful"), tests=2)
    tests = "'test_prompt.py::test_ask[0]' 'test_prompt.py::test_ask[1]'"
    assert f"To record all 2 anew: pytest {tests} --record-mode=rewrite --harness-upstream=live" in _summary(
        pytester.runpytest_subprocess()
    )
