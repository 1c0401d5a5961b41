"""`flag-harness cassette rebase`: reviewed first, then exactly that."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.file.lock import lock_parent_folder
from flag_harness.cli import main
from flag_harness.wire.timeline import End, Head, Request

FROM_RUN = "From the pytest run that ended 0 minutes ago:\n"
RESPONSE = (Head(0.0, 200, ()), End(0.0))


def _cassette(path: Path, *bodies: Any) -> bytes:
    requests = (
        Request("POST", "/v1/messages", (), json.dumps(body, separators=(",", ":")).encode()) for body in bodies
    )
    Cassette(
        CassetteMetadata("live", "2026-01-02T03:04:05Z"), tuple(Interaction(one, RESPONSE) for one in requests)
    ).save(path)
    return path.read_bytes()


def _miss(cassette: str, old: str = "old", new: str = "new", **fields: Any) -> dict[str, Any]:
    change = {"path": "system", "at": ["system"], "to": ["system"], "old": old, "new": new}
    what = [f"`system`, 1 word: {old!r} → {new!r}"]
    row = {
        "test": "test_x.py::test_x",
        "cassette": cassette,
        "index": 0,
        "differences": what,
        "changes": [change],
        "played": [],
    }
    return {**row, **fields}


@pytest.fixture
def misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes the misses of a run; the working directory is the repository's."""
    monkeypatch.chdir(tmp_path)

    def write(*rows: dict[str, Any]) -> Path:
        path = tmp_path / ".pytest_cache" / "v" / "flag-harness" / "misses"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"root": str(tmp_path), "misses": rows}))
        return path

    return write


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["cassette", "rebase", *arguments])
    return code, capsys.readouterr().out.removeprefix(FROM_RUN)


def test_it_asks_for_a_dry_run_and_then_does_what_that_showed(
    tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """And once more for another dry run where something else is to be done."""
    one = tmp_path / "recordings" / "one.json"
    before = _cassette(one, {"system": "old"})
    misses(_miss("recordings/one.json"))
    shown = "1 cassette: `system`, 1 word: 'old' → 'new'\n  recordings/one.json\n"
    would = "1 request would be rewritten, the answers kept and the files stamped: rebased, not verified.\n"
    asks = "Nothing is written yet: review this with --dry-run, or say --yes.\n"
    assert (1, shown + would + asks) == _run(capsys)
    assert (0, f"{shown}{would}To do it: flag-harness cassette rebase\n") == _run(capsys, "--dry-run")
    assert before == one.read_bytes()

    misses(_miss("recordings/one.json", new="newer"))
    assert (1, shown.replace("new", "newer") + would + asks) == _run(capsys)
    assert before == one.read_bytes()

    misses(_miss("recordings/one.json"))
    done = "1 request rewritten. The answers are as they were: rebased, not verified.\n"
    assert (0, shown + done) == _run(capsys)
    after = Cassette.load(one)
    assert (True, [{"system": "new"}]) == (after.metadata.is_rebased, [one.decoded_body for one in after.interactions])


def test_it_names_the_run_and_the_files_that_are_newer(
    tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The misses of an old run say nothing about code that has changed since."""
    agent, old = tmp_path / "agent.py", tmp_path / "old.py"
    agent.touch()
    old.touch()
    source = misses()
    run_end = agent.stat().st_mtime - 7 * 60 - 5
    os.utime(source, (run_end, run_end))
    os.utime(old, (run_end - 1, run_end - 1))
    assert [
        "From the pytest run that ended 7 minutes ago:",
        "Files have changed since, so run pytest again first: agent.py",
        "There is nothing to rebase.",
    ] == _run(capsys)[1].splitlines()


def test_scripts_say_yes_and_read_json(tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The document names the cassettes, the changes and the interactions."""
    _cassette(tmp_path / "one.json", {"system": "old"}, {"system": "old", "turn": 2})
    source = misses(_miss("one.json"))
    elsewhere = source.rename(tmp_path / "elsewhere.json")
    code, output = _run(capsys, "--yes", "--json", "--from", str(elsewhere))
    assert (
        0,
        {
            "written": True,
            "cassettes": [
                {"path": "one.json", "changes": ["`system`, 1 word: 'old' → 'new'"], "interactions": [0, 1]},
            ],
            "refusals": [],
            "to_record": [],
            "api_refusals": [],
        },
    ) == (code, json.loads(output))


def test_paths_choose_cassettes(tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused one that is left out holds nobody up."""
    tools = {"path": "tools", "at": ["tools"], "to": ["tools"], "old": [], "new": [1]}
    before = {
        name: _cassette(tmp_path / name, {"system": "old"}) for name in ("a/one.json", "a/two.json", "b/three.json")
    }
    misses(
        _miss("a/one.json"),
        _miss("a/two.json", changes=[tools], differences=["`tools`: [] → [1]"]),
        _miss("b/three.json"),
    )
    refusal = "a/two.json: interaction 0: tools changed, and with it what the model can answer: record it again"
    code, output = _run(capsys, "--yes", "a")
    assert 1 == code
    assert (
        f"Nothing is written, because an answer would no longer belong to its request:\n  {refusal}\n"
        "1 cassette: `system`, 1 word: 'old' → 'new'\n  a/one.json\n"
        "Record them anew, or name the PATHs of the others.\n" == output
    )
    assert before == {name: (tmp_path / name).read_bytes() for name in before}
    code, output = _run(capsys, "--dry-run", "a/one.json", "b")
    assert (0, "To do it: flag-harness cassette rebase a/one.json b") == (code, output.splitlines()[-1])
    assert 0 == _run(capsys, "a/one.json", "b")[0]
    assert [name for name in before if before[name] != (tmp_path / name).read_bytes()] == ["a/one.json", "b/three.json"]


def test_what_can_only_be_recorded_is_listed(tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten of them; the others are counted."""
    misses(*(_miss(f"{number}.json", changes=[], differences=["nothing is recorded"]) for number in range(12)))
    lines = ["  test_x.py::test_x: nothing is recorded"] * 10
    shown = "\n".join(["12 misses cannot be rebased, only recorded:", *lines, "  ... and 2 more"])
    assert (1, f"{shown}\nThere is nothing to rebase.\n") == _run(capsys, "--dry-run")
    misses()
    assert (0, "There is nothing to rebase.\n") == _run(capsys)


def test_a_miss_that_the_api_would_refuse_is_not_to_be_recorded(
    tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code must change; scripts find it apart from what can be recorded."""
    misses(_miss("a.json", changes=[], api_refusal="temperature: range: 0..1"))
    lines = [
        "1 miss that the API would refuse; change what the code sends:",
        "  test_x.py::test_x: temperature: range: 0..1",
        "There is nothing to rebase.",
    ]
    assert (1, "\n".join([*lines, ""])) == _run(capsys, "--dry-run")
    _, output = _run(capsys, "--dry-run", "--json")
    refusal = {"test": "test_x.py::test_x", "message": "temperature: range: 0..1"}
    assert ([], [refusal]) == (json.loads(output)["to_record"], json.loads(output)["api_refusals"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            ".pytest_cache/v/flag-harness/misses: there are no misses of a pytest run; run pytest first (not with "
            "-p no:cacheprovider), or name the file with --from",
        ),
        ("{", ".pytest_cache/v/flag-harness/misses: this is not a file of missed requests; run pytest again"),
        ("[]", ".pytest_cache/v/flag-harness/misses: this is not a file of missed requests; run pytest again"),
    ],
)
def test_without_a_run_it_says_what_to_do(
    misses: Any, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    """Wrong usage."""
    path: Path = misses()
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert 2 == main(["cassette", "rebase"])
    assert f"{message}\n" == capsys.readouterr().err


def test_a_cassette_that_is_gone_is_refused(misses: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """By its name."""
    misses(_miss("gone.json"))
    code, output = _run(capsys, "--yes")
    assert 1 == code
    assert "  gone.json: cannot be read as a cassette: no such file; " in output


def test_a_prompt_with_a_key_is_refused_before_anything_is_written(
    tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all cassettes, none is rewritten."""
    before = {name: _cassette(tmp_path / name, {"system": "old"}) for name in ("a.json", "b.json")}
    misses(_miss("a.json"), _miss("b.json", new=f"sk-ant-api03-{'Zm9v' * 5}"))
    code, output = _run(capsys, "--yes")
    assert (1, True) == (code, "  b.json was not written, because this still looks like a key:\n" in output)
    assert before == {name: (tmp_path / name).read_bytes() for name in before}


@pytest.mark.parametrize(("new", "code"), [("1h", 0), ("2h", 1)])
def test_a_request_that_the_api_refuses_is_not_rewritten(
    tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str], new: str, code: int
) -> None:
    """Its old answer would hide a fault of the code. One that the API accepts is rewritten."""
    mark = {"type": "ephemeral", "ttl": "5m"}
    system = [{"type": "text", "text": "Be brief.", "cache_control": mark}]
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "system": system}
    body["messages"] = [{"role": "user", "content": "Hello."}]
    one = tmp_path / "recordings" / "one.json"
    before = _cassette(one, body)
    at = ["system", 0, "cache_control", "ttl"]
    change = {"path": "system[0].cache_control.ttl", "at": at, "to": at, "old": "5m", "new": new}
    misses(_miss("recordings/one.json", changes=[change]))
    status, shown = _run(capsys, "--yes")
    assert code == status
    assert (code == 1) == (before == one.read_bytes())
    assert (code == 1) == ("interaction 0: the API would refuse the new request: " in shown)
    assert (code == 1) == ("ttl: Input should be '5m' or '1h'" in shown)
    assert (code == 1) == shown.endswith("\nName the PATHs of the others.\n")


@pytest.mark.parametrize("written", [0, 1])
def test_a_write_that_fails_tells_what_was_written(
    written: int, tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is as it was."""
    names = ("a.json", "b.json", "c.json")
    before = {name: _cassette(tmp_path / name, {"system": "old"}) for name in names}
    misses(*map(_miss, names))
    save = Cassette.save

    def full(self: Cassette, path: Path) -> bool:
        if path.name == names[written]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, path)

    monkeypatch.setattr(Cassette, "save", full)
    assert 2 == main(["cassette", "rebase", "--yes"])
    done = "1 cassette of 3 had been rewritten by then:\n  a.json\n" if written else ""
    assert (
        f"{names[written]}: cannot be written: No space left on device\n{done}"
        "The others are unchanged: fix the cause, run the tests again, and rebase what they miss.\n"
    ) == capsys.readouterr().err
    changed = {name for name in names if before[name] != (tmp_path / name).read_bytes()}
    assert set(names[:written]) == changed


def test_it_waits_for_whoever_records(tmp_path: Path, misses: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """And rewrites what that left; with cassettes in several folders it holds all their locks, one each."""
    names = ("a/one.json", "a/two.json", "b/three.json")
    for name in names:
        _cassette(tmp_path / name, {"system": "old"})
    misses(*map(_miss, names))
    with ThreadPoolExecutor() as threads, lock_parent_folder(tmp_path / "b" / "x.json"):
        running = threads.submit(main, ["cassette", "rebase", "--yes"])
        with pytest.raises(TimeoutError):
            running.result(0.2)
        assert [{"system": "old"}] == [one.decoded_body for one in Cassette.load(tmp_path / names[0]).interactions]
        _cassette(tmp_path / "b" / "three.json", {"system": "other"})
    assert 1 == running.result()
    assert "b/three.json: interaction 0 has changed since the run" in capsys.readouterr().out
