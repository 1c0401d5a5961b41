"""Makes the pictures of the documentation anew: what commands really print on a terminal, as SVG.

python docs/pictures.py                 all of them
python docs/pictures.py show.svg        one
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import sys
import termios
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
PICTURES = {
    "show.svg": ("flag-harness cassette show recordings/matrix/streaming+prompt_cache+extended_output.json", 116),
    "demo.svg": ("flag-harness demo", 116),
    "run.svg": ("pytest --feature=all", 122),
}
"""Each picture's command, run in the checkout, and the columns of its terminal."""

THEME = TerminalTheme(
    (17, 21, 28),
    (215, 218, 224),
    [
        (40, 44, 52),
        (240, 113, 120),
        (145, 201, 120),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 182, 194),
        (171, 178, 191),
    ],
    [
        (92, 99, 112),
        (240, 113, 120),
        (145, 201, 120),
        (229, 192, 123),
        (97, 175, 239),
        (198, 120, 221),
        (86, 182, 194),
        (255, 255, 255),
    ],
)
"""Background, foreground, and the eight colours, plain and bright."""

_WEB_FONT = re.compile(r"\s*@font-face \{.*?\n    \}", re.DOTALL)
"""A picture loads nothing from elsewhere: it is drawn in a font that the viewer has."""
_ID = re.compile(r"terminal-\d+")


def main(names: list[str]) -> int:
    """Make the pictures named, or all."""
    for name in names or PICTURES:
        command, columns = PICTURES[name]
        status, output = on_a_terminal(command.split(), columns)
        if status:
            print(f"{output}\n{name}: `{command}` ended with exit code {status}; no picture was made", file=sys.stderr)
            return 1
        (HERE / name).write_text(picture(command, output, columns), encoding="utf-8")
        print(f"docs/{name}: {len(output.splitlines())} lines")
    return 0


def on_a_terminal(command: list[str], columns: int) -> tuple[int, str]:
    """The exit code of a command whose output is a terminal of its own, and what it printed there.

    Where the checkout lies on this machine is left out.
    """
    program = shutil.which(command[0]) or command[0]
    process, terminal = pty.fork()
    if not process:
        os.chdir(HERE.parent)
        plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        os.execve(program, command, {**plain, "TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    printed = b""
    try:
        while data := os.read(terminal, 65536):
            printed += data
    except OSError:
        pass  # Linux says so when nobody holds the other end any more
    _, status = os.waitpid(process, 0)
    shown = printed.decode().replace("\r\n", "\n").replace(str(HERE.parent), "flag-harness")
    return os.waitstatus_to_exitcode(status), shown.rstrip("\n")


def picture(command: str, output: str, columns: int) -> str:
    """A drawing of a terminal in which a command was typed."""
    console = Console(record=True, width=columns, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    console.print(Text.from_ansi(output))
    drawn = console.export_svg(title="", theme=THEME, font_aspect_ratio=0.61)
    return _ID.sub("terminal", _WEB_FONT.sub("", drawn))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
