"""The bash tool: runs commands in processes of their own, with limited time and output, and without secrets."""

import asyncio
import codecs
import contextlib
import os
import shutil
import signal
import tempfile
import weakref
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from flag_harness.errors import CommandRefused

TIMEOUT = 30.0
"""Real seconds that a command can take."""

OUTPUT_LIMIT = 30_000
"""Bytes that are kept of stdout, and of stderr."""

PASSED_VARIABLES = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TERM", "TZ")
"""The only variables of the environment that commands get, so that no key, token or secret reaches them."""

_GRACE = 1.0
"""Seconds for the pipes to close after the process group was killed: a process that left the group may hold them open.
"""

_SESSION = r"""
__harness_save() {
    __harness_status=$?
    set +eu
    [ "${BASHPID-$$}" = $$ ] && {
        printf 'cd -- %q\n' "$PWD"
        compgen -v | while IFS= read -r __harness_name; do
            case $__harness_name in
                BASH*|COMP_*|DIRSTACK|EPOCH*|EUID|FUNCNAME|GROUPS|HARNESS_STATE|HISTCMD|LINENO|PIPESTATUS|PPID|PWD) ;;
                RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|UID|_|__harness_*) ;;
                *) declare -p "$__harness_name" ;;
            esac
        done
    } >"$HARNESS_STATE" 2>/dev/null
    return "$__harness_status"
}
trap() {
    builtin trap "$@" || return
    eval "set -- $(builtin trap -p EXIT)"
    case ${3-} in __harness_save*) ;; *) builtin trap -- "__harness_save; ${3-}" EXIT ;; esac
}
. "$HARNESS_STATE" 2>/dev/null
trap - EXIT
"""
"""Restores the directory and the variables of the last command, as in one shell session, and saves them at exit.

Variables that bash manages itself are not saved. A command can set its own EXIT trap, which runs after the save.
"""

_SCRIPT = 'eval "$2"; eval "$1"'
"""Runs the command after `_SESSION`, so that line numbers in bash's errors are those of the command."""


class Bash:
    """The API's `bash_20250124` tool.

    `directory` is the commands' working directory and HOME, by default a temporary one; `timeout` is in seconds,
    `output_limit` in bytes of each stream. If `allowed` is given, a command that is not in it raises `CommandRefused`,
    and `refused` keeps the error. Commands have no standard input. When a command ends, the processes that it started
    in the background are killed, unless they left its process group (`setsid`). `close` removes the temporary files;
    garbage collection calls it too.
    """

    name: ClassVar[str] = "bash"
    beta: ClassVar[str | None] = None
    definition: ClassVar[Mapping[str, Any]] = {"type": "bash_20250124", "name": "bash"}
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {"command": {"type": "string"}, "restart": {"type": "boolean"}},
        "anyOf": [{"required": ["command"]}, {"required": ["restart"], "properties": {"restart": {"const": True}}}],
        "additionalProperties": False,
    }

    def __init__(
        self,
        *,
        directory: Path | None = None,
        timeout: float = TIMEOUT,
        output_limit: int = OUTPUT_LIMIT,
        allowed: Container[str] | None = None,
        environ: Mapping[str, str],
    ) -> None:
        self.refused: CommandRefused | None = None
        self._timeout, self._output_limit, self._allowed = timeout, output_limit, allowed
        self._own = Path(tempfile.mkdtemp(prefix="flag-harness-bash-"))
        self.close = weakref.finalize(self, shutil.rmtree, self._own, ignore_errors=True)
        self.directory = (directory or self._own / "work").absolute()
        self._state = self._own / "state"
        self._temporary = self._own / "tmp"
        self._make_directories()
        self._environ = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            **{name: environ[name] for name in PASSED_VARIABLES if name in environ},
            "HOME": str(self.directory),
            "TMPDIR": str(self._temporary),
            "HARNESS_STATE": str(self._state),
        }

    async def aclose(self) -> None:
        """Close the tool; for callers that await it."""
        self.close()

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Run the command and return stdout, then stderr, then the exit code unless it is 0.

        Raise `TimeoutError` with the output so far if the command takes too long, and `CommandRefused`.
        """
        self._make_directories()
        if arguments.get("restart"):
            self._state.unlink(missing_ok=True)
            return "bash has been restarted"
        command = arguments["command"]
        if self._allowed is not None and command not in self._allowed:
            self.refused = CommandRefused(_refusal_message(command, self._allowed))
            raise self.refused
        return await self._run(command)

    def _make_directories(self) -> None:
        """Make the directories, also after a command has removed them: a process cannot start without one."""
        if self.close.alive:
            for directory in (self.directory, self._temporary):
                directory.mkdir(parents=True, exist_ok=True)

    async def _run(self, command: str) -> str:
        starting = asyncio.ensure_future(self._start(command))
        try:
            await asyncio.wait({starting})  # not cancelled with this task: a process may run before it is known here
            transport, output = starting.result()
            finished, _ = await asyncio.wait({output.exited}, timeout=self._timeout)
        finally:
            await _kill(starting)
        if not finished:
            raise TimeoutError(f"killed after {self._timeout:g} s. Output until then:\n{output.text()}")
        return _format_result(output.text(), transport.get_returncode() or 0)

    async def _start(self, command: str) -> "_Process":
        return await asyncio.get_running_loop().subprocess_exec(
            lambda: _ProcessOutput(self._output_limit),
            *("bash", "-c", _SCRIPT, "bash", command, _SESSION),
            stdin=asyncio.subprocess.DEVNULL,
            cwd=self.directory,
            env=self._environ,
            start_new_session=True,
        )


async def _kill(starting: "asyncio.Future[_Process]") -> None:
    """Kill a process that was started or is about to be, with all that it started, and wait for its pipes to close."""
    await asyncio.wait({starting})
    if starting.exception():
        return
    transport, output = starting.result()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(transport.get_pid(), signal.SIGKILL)
    await asyncio.wait({output.exited})
    await asyncio.wait({output.closed}, timeout=_GRACE)
    transport.close()


class _ProcessOutput(asyncio.SubprocessProtocol):
    """A process's output, and futures for its exit and for the closing of its pipes, which may be much later."""

    def __init__(self, limit: int) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._captured = {1: _OutputBuffer(limit), 2: _OutputBuffer(limit)}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._captured[fd].append(data)

    def process_exited(self) -> None:
        self.exited.set_result(None)

    def connection_lost(self, exception: Exception | None) -> None:
        self.closed.set_result(None)

    def text(self) -> str:
        """Return stdout, then stderr on a new line."""
        stdout, stderr = self._captured[1].text(), self._captured[2].text()
        return stdout + ("\n" if stdout and stderr and not stdout.endswith("\n") else "") + stderr


_Process: TypeAlias = tuple[asyncio.SubprocessTransport, _ProcessOutput]


class _OutputBuffer:
    """The first and the last half of `limit` bytes of a stream; the middle is counted and dropped."""

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head, self._tail, self._left_out = bytearray(), bytearray(), 0

    def append(self, data: bytes) -> None:
        """Keep `data`, and drop bytes from the middle if the limit is exceeded."""
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if (excess := len(self._tail) - self._half) > 0:
            self._left_out += excess
            del self._tail[:excess]

    def text(self) -> str:
        """Return the bytes as UTF-8, with U+FFFD for invalid ones, and a note about the bytes left out."""
        if not self._left_out:
            return bytes(self._head + self._tail).decode("utf-8", "replace")
        head = codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(self._head))
        tail = bytes(self._tail[_character_start(self._tail) :]).decode("utf-8", "replace")
        return f"{head}\n[{self._left_out} bytes left out]\n{tail}"


def _character_start(data: bytes | bytearray) -> int:
    """Return the index of the first whole character, after at most three continuation bytes."""
    continuing = (index for index, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80)
    return next(continuing, 0)


def _format_result(text: str, returncode: int) -> str:
    """Return the output, with a last line for a signal or an exit code other than 0."""
    if not returncode:
        return text or "(no output)"
    how = f"killed by signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
    return text + ("\n" if text and not text.endswith("\n") else "") + f"[{how}]"


def _refusal_message(command: str, allowed: Container[str]) -> str:
    known = "\n".join(f"  {one}" for one in sorted(allowed)) if isinstance(allowed, Iterable) else ""
    return (
        f"the command {command!r} is not declared, so it was not run. Declared are:\n{known or '  (none)'}\n"
        "Declare it with the others, or record again so that the model calls one of those."
    )
