"""The bash tool, with real processes."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from flag_harness.clock import VirtualClock
from flag_harness.errors import CommandRefused
from flag_harness.reference.tools.bash import MAX_COMMAND_BYTES, BashTool
from flag_harness.reference.tools.tool import Toolbox, ToolCall, ToolOutcome

ENVIRON = {
    "PATH": os.environ["PATH"],
    "LANG": "C.UTF-8",
    "ANTHROPIC_API_KEY": "sk-ant-0",
    "GITHUB_TOKEN": "ghp_0",
    "DB_SECRET": "s3cret",
    "HOME": "/home/somebody",
}


@pytest_asyncio.fixture
async def bash() -> AsyncIterator[BashTool]:
    """A bash in a temporary directory of its own."""
    tool = BashTool(environ=ENVIRON)
    yield tool
    await tool.aclose()


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> bool:
    """Whether a process ends within two seconds: a killed one is still there for a moment."""
    for _ in range(200):
        if not alive(pid):
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("echo one; echo two >&2", "one\ntwo\n"),
        ("echo two >&2; echo one", "one\ntwo\n"),
        ("printf one; printf two >&2", "one\ntwo"),
        ("echo lost >&2; exit 3", "lost\n[exit code 3]"),
        ("printf x; false", "x\n[exit code 1]"),
        ("exit 7", "[exit code 7]"),
        ("kill -9 $$", "[killed by signal 9]"),
        ("true", "(no output)"),
        ("printf 'a\\xffb\\n'", "a\ufffdb\n"),
        ("cat", "(no output)"),
        ("no_such_command", "bash: line 1: no_such_command: command not found\n[exit code 127]"),
    ],
)
async def test_the_text_is_stdout_then_stderr_then_how_it_ended(bash: BashTool, command: str, text: str) -> None:
    """The same on every run, since recordings hold it; nothing waits for input."""
    assert text == await bash.run({"command": command})


@pytest.mark.asyncio
async def test_directory_and_variables_last_from_call_to_call_until_a_restart(bash: BashTool) -> None:
    """As in one session of bash."""
    await bash.run({"command": "mkdir 'a b'; cd 'a b'; X=5; export Y='two\nlines'"})
    assert f"{bash.directory}/a b\n5 two\nlines\n" == await bash.run({"command": 'pwd; echo "$X $Y"; exit 0'})
    assert "bash has been restarted" == await bash.run({"restart": True})
    assert f"{bash.directory}\n[]\n" == await bash.run({"command": 'pwd; echo "[$X$Y]"'})
    assert "bash has been restarted" == await bash.run({"restart": True})


@pytest.mark.asyncio
async def test_variables_come_back_as_they_were(bash: BashTool) -> None:
    """Arrays, integers and readonly ones; what was not exported reaches no process."""
    await bash.run({"command": "a=(1 'b c'); declare -A m=([k]=v); declare -i n=3; readonly R=9; X=1; cd /; cd ~"})
    assert "b c v 7 9 /\n" == await bash.run({"command": 'n=n+4; echo "${a[1]} ${m[k]} $n $R $OLDPWD"'})
    assert "[exit code 1]" == await bash.run({"command": "env | grep ^[XnR]="})


@pytest.mark.asyncio
async def test_a_large_variable_harms_no_later_command(bash: BashTool) -> None:
    """An exported one of that size would leave no room for any process's arguments."""
    assert "200000\n" == await bash.run({"command": 'data=$(seq 200000); echo "$data" | wc -l'})
    assert "1\n1288894\n" == await bash.run({"command": 'echo hi | wc -l; echo "${#data}"'})


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["exit 0", "set -e; false; echo no", "true", "exec 2>/dev/null; set -u; echo $nope"])
@pytest.mark.parametrize(
    ("trap", "shown"),
    [
        ("trap 'echo bye; exit 6' EXIT", "bye\n[exit code 6]"),
        ("trap 'echo no' EXIT; trap 'exit 6' 0", "[exit code 6]"),
    ],
)
async def test_a_trap_of_the_commands_own_runs_and_loses_nothing(
    bash: BashTool, trap: str, end: str, shown: str
) -> None:
    """However the command ends; the last of its traps is the one that runs."""
    outcome = await bash.run({"command": f"{trap}; mkdir -p a; cd a; X=5; {end}"})
    assert outcome.startswith(shown)
    assert f"{bash.directory}/a 5\n" == await bash.run({"command": 'echo "$PWD $X"'})


@pytest.mark.asyncio
async def test_a_subshell_leaves_the_session_alone(bash: BashTool) -> None:
    """Also where it sets a trap for its end."""
    assert "bye\n" == await bash.run({"command": "X=1; (trap 'echo bye' EXIT; X=2; cd /)"})
    assert f"{bash.directory} 1\n" == await bash.run({"command": 'echo "$PWD $X"'})


@pytest.mark.asyncio
async def test_a_trap_that_bash_refuses_is_told_with_its_status(bash: BashTool) -> None:
    """And one that is taken back is gone."""
    refused = await bash.run({"command": "trap x NOPE; echo $?"})
    assert "1\n" == refused[:2]
    assert "trap: NOPE: invalid signal specification" in refused
    assert "(no output)" == await bash.run({"command": "trap 'echo bye' EXIT; trap - EXIT"})


@pytest.mark.asyncio
async def test_directories_that_a_command_removed_are_there_again(bash: BashTool) -> None:
    """Where commands start, and for temporary files: before the next command, and at a restart."""
    remove = 'rm -rf "$HOME" "$TMPDIR"'
    await bash.run({"command": remove})
    assert f"{bash.directory}\n" == await bash.run({"command": "pwd; rm $(mktemp)"})
    await bash.run({"command": remove})
    await bash.run({"restart": True})
    assert bash.directory.is_dir()


@pytest.mark.asyncio
async def test_a_closed_bash_runs_nothing(bash: BashTool) -> None:
    """What it had is gone for good."""
    bash.close()
    with pytest.raises(FileNotFoundError):
        await bash.run({"command": "true"})
    assert not bash.directory.exists()


@pytest.mark.asyncio
async def test_no_secret_reaches_a_command(bash: BashTool) -> None:
    """The variables that do are on a short list; home is the working directory."""
    lines = (await bash.run({"command": "env"})).splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    own = {"HARNESS_STATE", "HOME", "LANG", "PATH", "PWD", "SHLVL", "TERM", "TMPDIR", "_"}
    assert own == set(variables) | {"_"}
    assert str(bash.directory) == variables["HOME"]
    assert "C.UTF-8" == variables["LANG"]


_ENVIRONMENT_OF_A_PARENT = {
    "its own entry in /proc": "cat /proc/$PPID/environ",
    "an entry reached through another": "cat /proc/self/../$PPID/environ",
    "its threads": "for i in $(seq 200); do cat /proc/$PPID/task/*/environ; done",
    "every process": "cat /proc/[0-9]*/environ /proc/[0-9]*/task/*/environ",
    "ps": "ps eww -e",
    "its memory": "head -c 1 /proc/$PPID/mem; grep -a . /proc/$PPID/maps; ls -l /proc/$PPID/fd",
    "a new user namespace": "unshare --user --map-root-user cat /proc/$PPID/environ",
    "a setuid program": "sudo -n cat /proc/$PPID/environ",
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
@pytest.mark.parametrize("has_landlock", [True, False], ids=["landlock", "no landlock"])
def test_no_command_reads_the_environment_of_its_parent(has_landlock: bool) -> None:
    """Neither through /proc, nor ps, nor a new namespace; a kernel without Landlock protects at least the parent."""
    commands = {
        name: f"{{ {command}; }} | grep -ac 'sk-p[l]anted'" for name, command in _ENVIRONMENT_OF_A_PARENT.items()
    }
    program = f"""
import asyncio, os
from flag_harness.reference.tools import confinement
from flag_harness.reference.tools.bash import BashTool
if not {has_landlock}:
    confinement._restrict_by_landlock = lambda libc: False
async def run():
    bash = BashTool(environ=os.environ)
    for name, command in {commands!r}.items():
        found = await bash.run({{"command": command}})
        print(name, ":", *(line for line in found.splitlines() if line.isdecimal()))
    bash.close()
asyncio.run(run())
"""
    environ = {**os.environ, "SOME_SECRET": "sk-planted"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert "".join(f"{name} : 0\n" for name in _ENVIRONMENT_OF_A_PARENT) == done.stdout


@pytest.mark.asyncio
async def test_a_confined_command_moves_files_and_sees_its_own_processes(bash: BashTool) -> None:
    """Confinement takes nothing from ordinary work: no file right, no process of the command's own."""
    await bash.run({"command": "mkdir a b; touch a/f; mv a/f b/g; ln b/g a/h"})
    assert "a/h\nb/g\n" == await bash.run({"command": "ls a/* b/*"})
    started = """X=1 sleep 9 & until [ "$(tr '\\0' ' ' </proc/$!/cmdline)" = 'sleep 9 ' ]; do sleep 0.01; done"""
    assert "X=1\n" == await bash.run({"command": f"{started}; tr '\\0' '\\n' </proc/$!/environ | grep ^X="})


@pytest.mark.asyncio
@pytest.mark.parametrize("command", ["echo one; exit 3", "kill -9 $$"])
async def test_a_command_ends_also_where_processes_have_no_descriptors(
    bash: BashTool, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 5.3 and on macOS a thread waits for it: output and exit code are the same."""
    expected = await Toolbox([bash], clock=VirtualClock()).run(ToolCall("t", "bash", {"command": command}))
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    assert expected == await Toolbox([bash], clock=VirtualClock()).run(ToolCall("t", "bash", {"command": command}))


@pytest.mark.asyncio
async def test_a_command_that_is_too_long_says_how_long_it_may_be(bash: BashTool) -> None:
    """In bytes, and with what to do instead; the longest one that Linux passes on runs."""
    box, characters = Toolbox([bash], clock=VirtualClock()), MAX_COMMAND_BYTES - len("# ")
    assert ToolOutcome("t", "(no output)") == await box.run(ToolCall("t", "bash", {"command": "# " + characters * "x"}))
    outcome = await box.run(ToolCall("t", "bash", {"command": "# " + characters * "é"}))
    assert outcome.is_error
    assert (
        "ValueError: the command has 262,140 bytes, and bash takes at most 131,071: "
        "write it to a file in several commands, and run that file"
    ) == outcome.content


@pytest.mark.asyncio
async def test_long_output_is_bounded_while_it_is_read() -> None:
    """Head and tail are kept, characters whole, the rest is counted."""
    bash = BashTool(environ=ENVIRON, output_limit=9)
    assert "€\n[16 bytes left out]\n€" == await bash.run({"command": "printf '€€€€€€xé€'"})
    text = await bash.run({"command": "head -c 50000000 /dev/zero | tr '\\0' a; printf end; echo no >&2"})
    assert "aaaa\n[49999995 bytes left out]\naend\nno\n" == text
    bash.close()


@pytest.mark.asyncio
async def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started() -> None:
    """The output so far is in the error."""
    bash = BashTool(environ=ENVIRON, timeout=2)
    with pytest.raises(TimeoutError) as caught:
        await bash.run({"command": "sleep 60 & echo $!; sleep 60"})
    first, pid = str(caught.value).split("\n")[:2]
    assert "killed after 2 s. Output until then:" == first
    assert await gone(int(pid))
    bash.close()


@pytest.mark.asyncio
async def test_a_cancelled_command_is_killed_with_all_that_it_started(bash: BashTool) -> None:
    """Cancelling the turn leaves no process behind."""
    task = asyncio.create_task(bash.run({"command": "sleep 60 & echo $! >pid; sleep 60"}))
    pid = bash.directory / "pid"
    while not (pid.exists() and pid.read_text().endswith("\n")):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(int(pid.read_text()))


@pytest.mark.asyncio
async def test_a_command_cancelled_while_it_starts_is_killed_with_all_that_it_started(
    bash: BashTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it may have run for a while before the loop has its pipes."""
    loop, pid, running = asyncio.get_running_loop(), bash.directory / "pid", asyncio.Event()
    connect = loop.connect_read_pipe

    async def connect_slowly(*arguments: Any) -> Any:
        pipe = await connect(*arguments)
        while not (pid.exists() and pid.read_text().endswith("\n")):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
        running.set()
        await asyncio.sleep(0.05)
        return pipe

    monkeypatch.setattr(loop, "connect_read_pipe", connect_slowly)
    task = asyncio.create_task(bash.run({"command": "sleep 60 & echo $! >pid; sleep 60"}))
    await running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(int(pid.read_text()))


@pytest.mark.asyncio
async def test_what_a_command_leaves_in_the_background_ends_with_it(bash: BashTool) -> None:
    """The answer does not wait for it."""
    start = time.monotonic()
    pid = int(await bash.run({"command": "sleep 60 & echo $!"}))
    assert time.monotonic() - start < 50
    assert await gone(pid)


@pytest.mark.asyncio
async def test_a_process_that_left_the_group_cannot_hold_up_the_answer(bash: BashTool) -> None:
    """It keeps the pipes open; they are closed on it."""
    start = time.monotonic()
    pid = int(await bash.run({"command": "setsid sleep 60 & echo $!"}))
    assert time.monotonic() - start < 50
    if alive(pid):
        os.kill(pid, 9)


@pytest.mark.asyncio
async def test_a_command_that_is_not_declared_is_refused_and_kept(bash: BashTool, tmp_path: Path) -> None:
    """It does not run, and no `except Exception` swallows it."""
    bash = BashTool(environ=ENVIRON, directory=tmp_path / "work", allowed_commands=("echo b", "echo a"))
    box = Toolbox([bash], clock=VirtualClock())
    assert ToolOutcome("t", "a\n") == await box.run(ToolCall("t", "bash", {"command": "echo a"}))
    assert bash.refusal is None
    with pytest.raises(CommandRefused) as caught:
        await box.run(ToolCall("t", "bash", {"command": "touch x"}))
    assert str(caught.value) == (
        "the command 'touch x' is not declared, so it was not run. Declared are:\n  echo a\n  echo b\n"
        "Declare it with the others, or record again so that the model calls one of those."
    )
    assert bash.refusal is caught.value
    assert [] == list((tmp_path / "work").iterdir())
    bash.close()


class Nothing:
    """A container that cannot list what it holds."""

    def __contains__(self, item: object) -> bool:
        return False


@pytest.mark.asyncio
@pytest.mark.parametrize("allowed", [(), Nothing()])
async def test_a_refusal_says_so_where_nothing_is_declared(allowed: Any) -> None:
    """Or where what is declared cannot be listed."""
    bash = BashTool(environ={}, allowed_commands=allowed)
    with pytest.raises(CommandRefused, match=r"Declared are:\n  \(none\)\n"):
        await bash.run({"command": "ls"})
    bash.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        ({}, "the input must be an object with command or an object with restart, not {}"),
        ({"command": ["ls"]}, 'command must be a string, not ["ls"]'),
        (
            {"restart": False},
            'the input must be an object with command or an object with restart, not {"restart": false}',
        ),
    ],
)
async def test_a_call_without_a_command_names_it(bash: BashTool, arguments: Mapping[str, Any], content: str) -> None:
    """No command is ever made up."""
    outcome = await Toolbox([bash], clock=VirtualClock()).run(ToolCall("t", "bash", arguments))
    assert ToolOutcome("t", f"bash was not run: its input does not fit its schema.\n- {content}", True) == outcome


@pytest.mark.asyncio
async def test_a_command_that_no_process_can_be_given_is_an_error(bash: BashTool) -> None:
    """A NUL in it, for example."""
    outcome = await Toolbox([bash], clock=VirtualClock()).run(ToolCall("t", "bash", {"command": "echo \0"}))
    assert ToolOutcome("t", "ValueError: embedded null byte", True) == outcome


def test_closing_removes_what_was_temporary_and_nothing_else(tmp_path: Path) -> None:
    """A directory that was given stays, with what is in it."""
    own, given = BashTool(environ=ENVIRON), BashTool(environ=ENVIRON, directory=tmp_path)
    temporary = Path(asyncio.run(given.run({"command": "touch kept; echo $TMPDIR"})).strip())
    assert own.directory.is_dir()
    assert temporary.is_dir()
    asyncio.run(own.aclose())
    given.close()
    assert not own.directory.exists()
    assert not temporary.exists()
    assert ["kept"] == [path.name for path in tmp_path.iterdir()]
