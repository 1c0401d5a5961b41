"""Format output for people: in colour on a terminal, and plain elsewhere."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import islice
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, Any

from flag_harness.cli.files import escape_to_one_line
from flag_harness.errors import require_extra

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLUMNS_WITHOUT_TERMINAL = 110
"""The width of the output, in columns, if it is not a terminal."""
SECONDS_OF_SILENCE = 2.0
"""How long a command may take before it says what it is doing."""
_MAX_LINES_PER_WRITE = 1000


def add_subcommand_group(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """Add a group of subcommands to a parser, and return the group. Without a subcommand, the help is printed."""

    def print_help(arguments: argparse.Namespace) -> int:
        parser.print_help(sys.stderr)
        return 2

    parser.set_defaults(run=print_help)
    return parser.add_subparsers(title="commands", metavar="COMMAND")


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add the options `--json` and `--no-color` to a command's parser."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.add_argument("--no-color", action="store_true", help="print without colours, as with NO_COLOR set")


def make_console(*, no_color: bool = False) -> "Console":
    """Return a rich console on standard output that does not interpret markup in texts."""
    with require_extra("report"):
        from rich.console import Console

    plain = no_color or bool(os.environ.get("NO_COLOR"))
    result = Console(color_system=None if plain else "auto", highlight=False, markup=False, emoji=False)
    if not result.is_terminal and "COLUMNS" not in os.environ:
        result.width = COLUMNS_WITHOUT_TERMINAL
    result.size = result.size  # measured once: the library would measure it for each line
    return result


@contextmanager
def show_progress(task: str) -> Iterator[None]:
    """Print a line on standard error if the code inside takes longer than `SECONDS_OF_SILENCE`.

    Print another one whenever the time since the start has doubled.
    """
    done = Event()

    def print_elapsed_time() -> None:
        wait = elapsed = SECONDS_OF_SILENCE
        while not done.wait(wait):
            print(f"  {task}: {elapsed:.0f} s so far ...", file=sys.stderr, flush=True)
            wait, elapsed = elapsed, 2 * elapsed

    thread = Thread(target=print_elapsed_time, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def print_json(report: Mapping[str, Any]) -> None:
    """Print a report as indented JSON, without escapes if the encoding of the output is UTF-8."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    _write_in_batches(json.JSONEncoder(indent=2, ensure_ascii=not is_utf8).iterencode(report), sys.stdout)
    print()


def print_lines(screen: "Console", lines: Iterable["Text"], *, soft_wrap: bool = False) -> None:
    """Print lines. If the output is no terminal, lines that need no wrapping are written to the file directly, which is
    much faster.
    """
    if screen.is_terminal:
        for line in lines:
            screen.print(line, soft_wrap=soft_wrap)
    else:
        _write_in_batches(_wrap_plain_lines(screen, lines, soft_wrap=soft_wrap), screen.file)


def _wrap_plain_lines(screen: "Console", lines: Iterable["Text"], *, soft_wrap: bool) -> Iterator[str]:
    width = screen.width
    for line in lines:
        wrapped = [line] if soft_wrap or line.cell_len <= width else line.wrap(screen, width)
        yield from (f"{part.plain}\n" for part in wrapped)


def _write_in_batches(pieces: Iterable[str], file: IO[str]) -> None:
    """Write the pieces of a text to a file, many at once, but without holding all of them in memory."""
    iterator = iter(pieces)
    while some := list(islice(iterator, _MAX_LINES_PER_WRITE)):
        file.write("".join(some))


def make_styled_text(text: str, style: str = "") -> "Text":
    """Return the text on one line and in a style, with control characters escaped."""
    return _import_rich_text()(escape_to_one_line(text), style)


def join_styled_texts(*texts: "Text") -> "Text":
    """Join several styled texts; each keeps its style."""
    joined = _import_rich_text()()
    for text in texts:
        joined.append_text(text)
    return joined


@cache
def _import_rich_text() -> "type[Text]":
    with require_extra("report"):
        from rich.text import Text

    return Text


def wrap_text(text: str, style: str, *, width: int, max_lines: int | None, console: "Console") -> list["Text"]:
    """Wrap a text at `width` columns and keep its line breaks.

    With `max_lines`, ignore its line breaks and, if the text does not fit, cut it and append its full length.
    """
    if max_lines is None:
        parts = text.rstrip("\n").split("\n")
        return [
            _strip_trailing_space(line)
            for part in parts
            for line in make_styled_text(part, style).wrap(console, max(width, 1)) or [make_styled_text("")]
        ]
    whole = make_styled_text(_shorten_to_width(text, cells=width * (max_lines + 1)), style)
    if 0 < whole.cell_len <= width:
        return [whole]
    lines = list(whole.wrap(console, max(width, 1)))
    if len(lines) > max_lines:
        more = f" … {len(text):,} characters"
        last = _strip_trailing_space(lines[max_lines - 1])
        last.truncate(max(width - len(more), 1))
        lines[max_lines - 1 :] = [_strip_trailing_space(last).append(more, "dim")]
    return [_strip_trailing_space(line) for line in lines]


def _shorten_to_width(text: str, cells: int) -> str:
    """Return a text on one line. If it is long, return only its beginning, which is still wider than `cells`
    columns.
    """
    characters = max(4 * cells, 1)
    while characters < len(text):
        beginning = " ".join(text[:characters].split())
        if make_styled_text(beginning).cell_len > cells:
            return beginning
        characters *= 4
    return " ".join(text.split())


def _strip_trailing_space(line: "Text") -> "Text":
    line.rstrip()
    return line
