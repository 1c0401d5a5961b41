"""`flag-harness context`, with real files, standard input and the environment."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli import main
from flag_harness.reference.context.context import ConversationContext
from flag_harness.reference.context.store import load_context, save_context

NEXT = "restore it from a copy, or start a new session"
CALL = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "ls"}}
SOUND = [{"role": "user", "content": "Grüße"}, {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}]
BROKEN = [{"role": "user", "content": "go"}, {"role": "assistant", "content": [CALL]}]
NOT_RUN = "the call toolu_1 of bash was not run"
PROMPT = (
    "This session was saved and restored.\nSwitched on since: streaming.\nMended in the conversation:\n- " + NOT_RUN
)


def harness(*words: str | Path) -> int:
    """The exit code of `flag-harness context ...`."""
    return main(["context", *map(str, words)])


@pytest.fixture(autouse=True)
def flags_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """No flag of whoever runs these tests takes part."""
    for name in ("ENABLE_STREAMING", "ENABLE_PROMPT_CACHE", "ENABLE_EXTENDED_OUTPUT", "MAX_TOKENS", "THINKING_BUDGET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts JSON on standard input."""

    def pipe(value: Any) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(value).encode())))

    return pipe


def test_messages_from_standard_input_are_saved_under_the_flags_of_the_environment(
    tmp_path: Path, piped: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The body of a request brings its model along."""
    path = tmp_path / "session.json"
    monkeypatch.setenv("ENABLE_STREAMING", "true")
    piped({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": SOUND})
    assert 0 == harness("save", path)
    assert ConversationContext(
        messages=tuple(SOUND), combination="streaming", model="claude-haiku-4-5"
    ) == load_context(path)
    assert f"{path}: 2 messages saved, flags: streaming\n" == capsys.readouterr().out


def test_messages_from_a_file_are_saved_with_the_names_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a restore would repair is said at once; for scripts as JSON."""
    path, messages = tmp_path / "session.json", tmp_path / "messages.json"
    messages.write_text(json.dumps(BROKEN))
    words = ("save", path, "--messages", messages, "--model", "m", "--combination", "prompt_cache")
    assert 0 == harness(*words)
    assert ConversationContext(messages=tuple(BROKEN), combination="prompt_cache", model="m") == load_context(path)
    assert (
        f"{path}: 2 messages saved, flags: prompt_cache\n  a restore will repair: {NOT_RUN}\n"
        == capsys.readouterr().out
    )
    assert 0 == harness(*words, "--json")
    report = {"path": str(path), "messages": 2, "combination": "prompt_cache", "would_repair": [NOT_RUN]}
    assert report == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("stated", "saved"),
    [("off", "off"), ("planner+prompt_cache+streaming", "streaming+planner+prompt_cache")],
)
def test_a_combination_is_saved_under_its_id(
    tmp_path: Path, piped: Any, monkeypatch: pytest.MonkeyPatch, stated: str, saved: str
) -> None:
    """In declared order; the flags are those that ship and those of the project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.flag-harness.flags]\nstreaming = 'MY_STREAMING'\nplanner = 'PLANNER'\n"
    )
    piped(SOUND)
    assert 0 == harness("save", "session.json", "--combination", stated)
    assert saved == load_context(tmp_path / "session.json").combination


@pytest.mark.parametrize(("stated", "name"), [("nonsense+blah", "nonsense"), ("streaming+off", "off"), ("", "")])
def test_a_combination_of_no_flags_that_there_are_is_refused(
    tmp_path: Path, piped: Any, capsys: pytest.CaptureFixture[str], stated: str, name: str
) -> None:
    """With those that there are; nothing is written."""
    piped(SOUND)
    assert 2 == harness("save", tmp_path / "session.json", "--combination", stated)
    assert capsys.readouterr().err == (
        f"--combination {stated}: no flag is called {name!r}; use 'off', or some of these joined by '+': "
        "streaming, prompt_cache, extended_output\n"
    )
    assert not (tmp_path / "session.json").exists()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("[", "is not JSON: Expecting value: line 1 column 2 (char 1); give an array of messages, or a request's body"),
        ("[" * 99_999, "its values are nested too deeply; give an array of messages"),
        ("5", f"messages must be an array, not 5; fix it, or {NEXT}"),
        ("{}", f"messages must be an array, not null; fix it, or {NEXT}"),
        ('[{"role": "user"}]', f"messages[0].content is required; fix it, or {NEXT}"),
        ('{"messages": [], "model": 5}', "model must be a string, not 5; name it with --model"),
    ],
)
def test_messages_that_are_none_are_refused_and_nothing_is_written(
    tmp_path: Path, data: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and the old file stays."""
    path, messages = tmp_path / "session.json", tmp_path / "messages.json"
    messages.write_text(data)
    assert 2 == harness("save", path, "--messages", messages)
    assert f"{messages}: {problem}\n" == capsys.readouterr().err
    assert not path.exists()


def test_a_file_of_messages_that_is_not_there_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says which option to look at."""
    assert 2 == harness("save", tmp_path / "session.json", "--messages", tmp_path / "no")
    assert (
        f"{tmp_path / 'no'}: cannot be read: No such file or directory; check --messages\n" == capsys.readouterr().err
    )


def test_restore_prints_the_mended_session_and_what_the_model_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under the flags of the present environment; the file is as it was."""
    path = tmp_path / "session.json"
    save_context(ConversationContext(messages=tuple(BROKEN), model="m", combination="off"), path)
    before = path.read_bytes()
    monkeypatch.setenv("ENABLE_STREAMING", "true")
    assert 0 == harness("restore", path)
    words = "The session was interrupted before this tool ran; it was not run."
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": words, "is_error": True}
    lines = f"user: go\nassistant: {json.dumps(CALL)}\nuser: {json.dumps(result)}\n\n{PROMPT}\n"
    assert lines == capsys.readouterr().out
    assert 0 == harness("restore", path, "--json")
    assert {
        "path": str(path),
        "model": "m",
        "saved_under": "off",
        "restored_under": "streaming",
        "repaired": [NOT_RUN],
        "transition_prompt": PROMPT,
        "messages": [*BROKEN, {"role": "user", "content": [result]}],
    } == json.loads(capsys.readouterr().out)
    assert before == path.read_bytes()


def test_restore_of_a_sound_session_under_the_same_flags_prints_the_messages_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to tell the model."""
    save_context(ConversationContext(messages=tuple(SOUND)), tmp_path / "session.json")
    assert 0 == harness("restore", tmp_path / "session.json")
    assert "user: Grüße\nassistant: Hi\n" == capsys.readouterr().out


def test_a_flag_that_cannot_be_read_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words of the flag."""
    save_context(ConversationContext(messages=tuple(SOUND)), tmp_path / "session.json")
    monkeypatch.setenv("MAX_TOKENS", "many")
    assert 2 == harness("restore", tmp_path / "session.json")
    assert "MAX_TOKENS='many' is not a whole number; set it to one, or unset it for 16384\n" == capsys.readouterr().err


def test_verify_tells_sound_files_from_those_to_mend_and_those_to_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is that of the worst."""
    sound, broken, cut = (tmp_path / name for name in ("sound", "broken", "cut"))
    save_context(ConversationContext(messages=tuple(SOUND)), sound)
    save_context(ConversationContext(messages=tuple(BROKEN)), broken)
    cut.write_text("{")
    assert 0 == harness("verify", sound)
    assert f"{sound}: sound\n" == capsys.readouterr().out
    assert 1 == harness("verify", broken, sound)
    assert f"{broken}: a restore would repair:\n  {NOT_RUN}\n{sound}: sound\n" == capsys.readouterr().out
    assert 2 == harness("verify", cut, broken, "--json")
    error = f"{cut}: is cut off at line 1, column 2; {NEXT}"
    assert {
        "files": [
            {"path": str(cut), "would_repair": [], "error": error},
            {"path": str(broken), "would_repair": [NOT_RUN], "error": None},
        ]
    } == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("command", ["save", "restore", "verify"])
def test_help_holds_an_example_and_the_option_for_scripts(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command on its own."""
    with pytest.raises(SystemExit) as caught:
        harness(command, "--help")
    assert 0 == caught.value.code
    text = capsys.readouterr().out
    assert f"  flag-harness context {command} session.json" in text
    assert "--json" in text


def test_the_command_needs_neither_the_sdk_nor_pydantic_to_be_registered() -> None:
    """`flag-harness --help` stays quick."""
    script = (
        "import flag_harness.cli.context, sys; print({'anthropic', 'pydantic_core', 'pydantic'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "set()\n" == run.stdout
