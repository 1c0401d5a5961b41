"""A program: `watched.py PROD COMMANDS` runs commands of `flag-harness`, and prints each write below PROD.

COMMANDS is a JSON list of lists of arguments. The output ends with a JSON object: the writes, and each exit code.
"""

import json
import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

SECONDS = 3
"""A command that has not ended after so many seconds, such as a server, gets Ctrl-C."""
_PATHS = {"os.rename": (0, 1), "os.link": (0, 1), "os.symlink": (1,), "shutil.copyfile": (1,), "shutil.move": (0, 1)}
_WRITES = ("remove", "mkdir", "rmdir", "chmod", "chown", "truncate", "utime", "setxattr", "removexattr")
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def written_paths(event: str, arguments: tuple[Any, ...]) -> list[Any]:
    """Return the paths that an audit event writes to, removes or creates."""
    if event == "open":
        return [arguments[0]] if arguments[2] & _WRITE_FLAGS else []
    return [arguments[index] for index in _PATHS.get(event, (0,) if event in {f"os.{one}" for one in _WRITES} else ())]


def main() -> int:
    """Run the commands, and print what they wrote."""
    from flag_harness.cli import main as run

    prod, writes, codes = Path(sys.argv[1]).resolve(), list[str](), dict[str, str]()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        for path in written_paths(event, arguments):
            if (
                isinstance(path, str | bytes | os.PathLike)
                and prod in (full := Path(os.fsdecode(path)).absolute()).parents
            ):
                writes.append(f"{event} {full}")

    sys.addaudithook(hook)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    for command in json.loads(sys.argv[2]):
        output = StringIO()
        signal.alarm(SECONDS)
        try:
            with redirect_stdout(output), redirect_stderr(output):
                code = str(run(command))
        except SystemExit as error:
            code = str(error.code)
        except KeyboardInterrupt:
            code = "interrupted"
        signal.alarm(0)
        codes[" ".join(command)] = f"{code}: {output.getvalue().strip()[-300:]}"
    print(json.dumps({"writes": writes, "codes": codes}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
