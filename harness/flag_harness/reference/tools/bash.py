"""The bash tool: it runs commands in separate processes, with limited time and output, and without secrets."""

import asyncio
import os
import shutil
import tempfile
import weakref
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from flag_harness.errors import CommandRefused
from flag_harness.reference.tools.process import ConfinedProcess

COMMAND_TIMEOUT_SECONDS = 30.0
"""Real seconds that a command can take."""

MAX_OUTPUT_BYTES = 30_000
"""The most bytes of stdout, and of stderr, that a result keeps. Of longer output, the middle is left out."""

VARIABLES_VISIBLE_TO_COMMANDS = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TERM", "TZ")
"""The only variables of the environment that commands get, so that no key, token or secret reaches them."""

MAX_COMMAND_BYTES = (128 << 10) - 1
"""The most bytes that a command can have, which is the limit of Linux for one argument."""

_SHELL_SESSION_SCRIPT = r"""
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
"""The part of each command that makes all commands seem to run in one shell session.

It restores the directory and the variables of the previous command, and saves them at exit. Variables that bash manages
itself are not saved. A command can set its own EXIT trap, which runs after the variables are saved.
"""

_RUN_COMMAND_SCRIPT = 'read -r _; exec </dev/null; eval "$2"; eval "$1"'
"""The script that waits until the process is confined (see `confinement`), then runs `_SHELL_SESSION_SCRIPT` and the
command.

The command is evaluated by itself, so that line numbers in bash's errors are those of the command.
"""


class BashTool:
    """The API's `bash_20250124` tool.

    `directory` is the commands' working directory and HOME, by default a temporary one; `timeout` is in seconds,
    `output_limit` in bytes of each stream. If `allowed_commands` is given, a command that is not in it raises
    `CommandRefused`, and `refusal` keeps the error. Commands have no standard input. When a command ends, the
    processes that it started in the background are killed, unless they left its process group (`setsid`). No command
    can read the environment or the memory of this process or its parents, as far as `confinement` says. `close` removes
    the temporary files; garbage collection calls it too.
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
        timeout: float = COMMAND_TIMEOUT_SECONDS,
        output_limit: int = MAX_OUTPUT_BYTES,
        allowed_commands: Container[str] | None = None,
        environ: Mapping[str, str],
    ) -> None:
        self.refusal: CommandRefused | None = None
        self._timeout, self._output_limit, self._allowed = timeout, output_limit, allowed_commands
        self._private_folder = Path(tempfile.mkdtemp(prefix="flag-harness-bash-"))
        self.close = weakref.finalize(self, shutil.rmtree, self._private_folder, ignore_errors=True)
        self.directory = (directory or self._private_folder / "work").absolute()
        self._state_file = self._private_folder / "state"
        self._temporary_folder = self._private_folder / "tmp"
        if directory is None:
            self._make_directories()
        self._environ = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            **{name: environ[name] for name in VARIABLES_VISIBLE_TO_COMMANDS if name in environ},
            "HOME": str(self.directory),
            "TMPDIR": str(self._temporary_folder),
            "HARNESS_STATE": str(self._state_file),
        }

    async def aclose(self) -> None:
        """Close the tool, like `close`, for callers that await it."""
        self.close()

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Run the command and return stdout, then stderr, then the exit code unless it is 0.

        Raise `TimeoutError` with the output so far if the command takes too long, and `CommandRefused` if it is not
        allowed.
        """
        self._make_directories()
        if arguments.get("restart"):
            self._state_file.unlink(missing_ok=True)
            return "bash has been restarted"
        command = arguments["command"]
        if self._allowed is not None and command not in self._allowed:
            self.refusal = CommandRefused(_refusal_message(command, self._allowed))
            raise self.refusal
        return await self._run_command(command)

    def _make_directories(self) -> None:
        """Make the working and temporary directories, unless they exist. A command may have removed them."""
        if self.close.alive:
            for directory in (self.directory, self._temporary_folder):
                directory.mkdir(parents=True, exist_ok=True)

    async def _run_command(self, command: str) -> str:
        starting = asyncio.ensure_future(self._start_process(command))
        try:
            await asyncio.wait({starting})  # not cancelled with this task: a process may run before it is known here
            process = starting.result()
            finished, _ = await asyncio.wait({process.exit_future}, timeout=self._timeout)
        finally:
            await _kill_once_started(starting)
        if not finished:
            raise TimeoutError(f"killed after {self._timeout:g} s. Output until then:\n{process.output_text()}")
        return _format_result(process.output_text(), process.returncode)

    async def _start_process(self, command: str) -> ConfinedProcess:
        if (length := len(command.encode("utf-8", "replace"))) > MAX_COMMAND_BYTES:
            raise ValueError(
                f"the command has {length:,} bytes, and bash takes at most {MAX_COMMAND_BYTES:,}: "
                "write it to a file in several commands, and run that file"
            )
        arguments = ("bash", "-c", _RUN_COMMAND_SCRIPT, "bash", command, _SHELL_SESSION_SCRIPT)
        return await ConfinedProcess.start(
            arguments, directory=self.directory, environ=self._environ, output_limit=self._output_limit
        )


async def _kill_once_started(starting: "asyncio.Future[ConfinedProcess]") -> None:
    """Await the start of a process that nobody waits for any more, then kill the process."""
    await asyncio.wait({starting})
    if not starting.exception():
        await starting.result().kill()


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
