"""A Python that has imported everything once; each program that it is given runs in a fork of it.

A child of pytest imports the SDK and a dozen plugins in three seconds; a fork of this process has them at once. It is
a process of its own because it must have one thread only, and because no test may have run in it.
"""

import atexit
import contextlib
import gc
import marshal
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

COLD = sys.executable

SETTINGS = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
"""What the interpreter read from the environment when it started; a program with others needs another interpreter."""

READ_LATER = {"PYTHONPATH", "PYTHONUNBUFFERED"}
"""Settings that a fork can still take."""


KEPT: list[Any] = []
"""What a fork drops but does not free, since it would copy each page of the server's that it changes."""


class Server:
    """Forks for each client; tells it how its fork ended, and kills the fork if the client goes away."""

    def __init__(self, path: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.awake, wakes = socket.socketpair()
        self.open: list[Any] = [self.selector, self.listener, self.awake, wakes]
        self.clients: dict[int, socket.socket] = {}
        for one in (self.awake, wakes):
            one.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        for one, react in ((self.listener, self.accept), (self.awake, self.reap), (sys.stdin, self.end)):
            self.selector.register(one, selectors.EVENT_READ, react)

    def serve(self) -> list[str]:
        """Serve until standard input ends. In each fork, return the arguments of its program."""
        while True:
            for key, _ in self.selector.select():
                arguments = key.data(key.fileobj)
                if arguments is not None:
                    return arguments

    def end(self, _: Any) -> None:
        """Kill whatever still runs, and exit."""
        for pid in self.clients:
            os.kill(pid, signal.SIGKILL)
        raise SystemExit

    def accept(self, listener: socket.socket) -> list[str] | None:
        """Fork for a client."""
        client, _ = listener.accept()
        size, streams, _, _ = socket.recv_fds(client, 4, 3)
        wanted, start = int.from_bytes(size, "big"), b""
        while len(start) < wanted:
            start += client.recv(wanted - len(start))
        pid = os.fork()
        if pid == 0:
            client.close()
            self.leave()
            return begin(streams, *marshal.loads(start))
        for stream in streams:
            os.close(stream)
        self.clients[pid] = client
        self.selector.register(client, selectors.EVENT_READ, lambda _: self.kill(pid))
        client.sendall(pid.to_bytes(4, "big", signed=True))
        return None

    def leave(self) -> None:
        """Close, in a fork, what belongs to the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in (*self.open, *self.clients.values()):
            one.close()

    def kill(self, pid: int) -> None:
        """Kill the fork of a client that has gone away."""
        self.selector.unregister(self.clients[pid])
        os.kill(pid, signal.SIGKILL)

    def reap(self, awake: socket.socket) -> None:
        """Tell each client whose fork has ended how it ended."""
        with contextlib.suppress(BlockingIOError):
            awake.recv(4096)
        for pid in list(self.clients):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                client = self.clients.pop(pid)
                with contextlib.suppress(KeyError):
                    self.selector.unregister(client)
                with contextlib.suppress(OSError):
                    client.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
                client.close()


def begin(streams: list[int], arguments: list[str], folder: str, environ: dict[str, str]) -> list[str]:
    """Take over what a process starts with."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    if "COVERAGE_PROCESS_CONFIG" not in environ:
        stop_coverage()
    settings = {name: value for name, value in environ.items() if name.startswith("PYTHON")}
    if any(settings.get(name) != SETTINGS.get(name) for name in {*settings, *SETTINGS} - READ_LATER):
        os.execv(COLD, [COLD, *arguments])
    sys.dont_write_bytecode = True  # a file that a test edits twice in a second may keep its size
    sys.path[:0] = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    KEPT.append({**sys.path_importer_cache})
    sys.path_importer_cache.clear()
    at_once = "-u" in arguments[:1] or "PYTHONUNBUFFERED" in environ
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _out(1, "strict", at_once)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _out(2, "backslashreplace", True)  # type: ignore[misc]
    return arguments


def _out(number: int, errors: str, at_once: bool) -> Any:
    stream = open(number, "w", encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
    stream.reconfigure(write_through=at_once, line_buffering=os.isatty(number))
    return stream


def run(arguments: list[str]) -> None:
    """Run a program as `python ARGUMENTS` would; raise what it raises."""
    if arguments[0] == "-u":
        arguments = arguments[1:]
    main = sys.modules["__main__"] = ModuleType("__main__")
    if arguments[0] in ("-c", "-m"):
        option, program, *rest = arguments
    elif arguments[0].startswith(("-c", "-m")):
        option, program, rest = arguments[0][:2], arguments[0][2:], arguments[1:]
    elif arguments[0].startswith("-"):
        os.execv(COLD, [COLD, *arguments])
    else:
        option, program, rest = "", arguments[0], arguments[1:]
    sys.argv = [option or program, *rest]
    sys.path.insert(0, {"-c": "", "-m": os.getcwd()}.get(option, os.path.dirname(os.path.abspath(program))))
    if option == "-m":
        runpy._run_module_as_main(program)  # type: ignore[attr-defined]
    elif option == "-c":
        exec(compile(program, "<string>", "exec"), main.__dict__)
    else:
        main.__file__ = program
        exec(compile(Path(program).read_bytes(), program, "exec"), main.__dict__)


def finish(arguments: list[str]) -> None:
    """Run a program, and end this process as an interpreter does, but for taking the modules apart."""
    status: Any = 0
    try:
        run(arguments)
    except SystemExit as exit:
        status = 0 if exit.code is None else exit.code
        if not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except KeyboardInterrupt:
        traceback.print_exc()
        status = 130
    except BaseException:
        traceback.print_exc()
        status = 1
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status & 0xFF)


def save_coverage() -> None:
    """Save which lines the warm-up ran, if they are measured, so that each fork writes its own lines only.

    Coverage also lists the files that never ran, for which it walks through the package; one list is enough.
    """
    measured = find_coverage()
    if measured:
        measured.save()
        measured._post_save_work = lambda: None


def stop_coverage() -> None:
    """Stop measuring, and save nothing: the test that started this fork is not measured."""
    measured = find_coverage()
    if measured:
        measured.stop()
        measured._auto_save = False


def find_coverage() -> Any:
    """Return what measures the coverage of this process, or None."""
    coverage = sys.modules.get("coverage")
    return coverage.Coverage.current() if coverage else None


def main() -> None:
    """Warm up, then serve on the socket that the command line names."""
    path, project, python = sys.argv[1:]
    runpy.run_path(str(Path(__file__).with_name("warm_up.py")))["warm_up"](Path(project))
    assert 1 == threading.active_count(), threading.enumerate()
    server = Server(path)
    sys.executable = python
    save_coverage()
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    finish(server.serve())


if __name__ == "__main__":
    main()
