"""A confined process with bounded output, awaited on the running event loop."""

import asyncio
import codecs
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flag_harness.reference.tools.confinement import call_in_confined_thread

_PIPE_CLOSING_SECONDS = 1.0
"""Seconds to wait for the pipes to close after the process group was killed. A process that left the group may keep
them open.
"""


class ConfinedProcess:
    """A process in a process group of its own. The future `exit_future` is done when the process has ended.

    Its standard input closes once the process is confined, so the program must wait for that before it starts work.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", output_limit: int) -> None:
        self._process = process
        self._output = (_OutputBuffer(output_limit), _OutputBuffer(output_limit))
        self._pipes: list[asyncio.ReadTransport] = []
        self.exit_future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_closed, self._open_pipes = asyncio.Event(), len(self._output)
        self._watch_exit()

    @classmethod
    async def start(
        cls, command: Sequence[str], *, directory: Path, environ: Mapping[str, str], output_limit: int
    ) -> "ConfinedProcess":
        """Start a command in a confined process. Raise `OSError` or `ValueError` if that is not possible."""

        def start_subprocess() -> "subprocess.Popen[bytes]":
            pipe = subprocess.PIPE
            return subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=directory, env=environ, start_new_session=True
            )

        process = call_in_confined_thread(start_subprocess)
        assert process.stdin
        process.stdin.close()
        self = cls(process, output_limit)
        loop = asyncio.get_running_loop()
        for pipe, buffer in zip((process.stdout, process.stderr), self._output, strict=True):
            reader = _PipeReader(buffer, self._note_pipe_end)
            transport, _ = await loop.connect_read_pipe(reader.make_protocol, pipe)
            self._pipes.append(transport)
        return self

    @property
    def returncode(self) -> int:
        """The exit code, or the negative number of the signal that ended the process."""
        return self._process.returncode or 0

    def output_text(self) -> str:
        """Return the output as text: stdout, then stderr on a new line."""
        stdout, stderr = (buffer.text() for buffer in self._output)
        return stdout + ("\n" if stdout and stderr and not stdout.endswith("\n") else "") + stderr

    async def kill(self) -> None:
        """Kill the process and its process group, and wait for its pipes to close."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await asyncio.wait({self.exit_future})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_closed.wait(), _PIPE_CLOSING_SECONDS)
        for pipe in self._pipes:
            pipe.close()

    def _watch_exit(self) -> None:
        """Mark `exit_future` as done when the process ends. If the system has no process descriptors, a thread waits
        for the end.
        """
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(self._process.pid)
        except (AttributeError, OSError):
            loop.run_in_executor(None, self._process.wait).add_done_callback(
                lambda _: self.exit_future.set_result(None)
            )
            return

        def note_exit() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._process.wait()
            self.exit_future.set_result(None)

        loop.add_reader(descriptor, note_exit)

    def _note_pipe_end(self) -> None:
        self._open_pipes -= 1
        if not self._open_pipes:
            self._is_closed.set()


class _PipeReader(asyncio.Protocol):
    """Reads a pipe of the process into a buffer."""

    def __init__(self, buffer: "_OutputBuffer", on_end: Callable[[], None]) -> None:
        self._buffer, self._note_pipe_end = buffer, on_end

    def make_protocol(self) -> "_PipeReader":
        """Return this object. The event loop calls this method to make the protocol of a pipe."""
        return self

    def data_received(self, data: bytes) -> None:
        self._buffer.append(data)

    def connection_lost(self, exception: Exception | None) -> None:
        self._note_pipe_end()


class _OutputBuffer:
    """Keeps at most `limit` bytes of a stream: its beginning and its end. Bytes in the middle are dropped."""

    def __init__(self, limit: int) -> None:
        self._half_limit = limit // 2
        self._head, self._tail, self._dropped_byte_count = bytearray(), bytearray(), 0

    def append(self, data: bytes) -> None:
        """Add `data`, and drop bytes from the middle if the buffer exceeds its limit."""
        room = self._half_limit - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if (excess := len(self._tail) - self._half_limit) > 0:
            self._dropped_byte_count += excess
            del self._tail[:excess]

    def text(self) -> str:
        """Return the kept bytes as text, with U+FFFD for invalid bytes, and a note about dropped bytes."""
        if not self._dropped_byte_count:
            return bytes(self._head + self._tail).decode("utf-8", "replace")
        head = codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(self._head))
        tail = bytes(self._tail[_first_character_start(self._tail) :]).decode("utf-8", "replace")
        return f"{head}\n[{self._dropped_byte_count} bytes left out]\n{tail}"


def _first_character_start(data: bytes | bytearray) -> int:
    """Return the index at which the first complete UTF-8 character starts."""
    continuing = (index for index, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80)
    return next(continuing, 0)
