"""Format output for people: in colour on a terminal, and plain elsewhere."""

import argparse
import os
import sys
from typing import TYPE_CHECKING

from flag_harness.cli.files import one_line
from flag_harness.errors import require_extra

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLUMNS_WITHOUT_TERMINAL = 110
"""The width of the output, in columns, if it is not a terminal."""


def add_commands(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """Return the group for the commands of a parser, which prints its help if none of them is named."""

    def print_help(arguments: argparse.Namespace) -> int:
        parser.print_help(sys.stderr)
        return 2

    parser.set_defaults(run=print_help)
    return parser.add_subparsers(title="commands", metavar="COMMAND")


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add the options `--json` and `--no-color` to a command's parser."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.add_argument("--no-color", action="store_true", help="print without colours, as with NO_COLOR set")


def console(*, no_color: bool = False) -> "Console":
    """Return a rich console on standard output that does not interpret markup in texts."""
    with require_extra("report"):
        from rich.console import Console

    plain = no_color or bool(os.environ.get("NO_COLOR"))
    result = Console(color_system=None if plain else "auto", highlight=False, markup=False, emoji=False)
    if not result.is_terminal and "COLUMNS" not in os.environ:
        result.width = COLUMNS_WITHOUT_TERMINAL
    result.size = result.size  # measured once: the library would measure it for each line
    return result


def print_line(screen: "Console", line: "Text") -> None:
    """Print a line. Without colours it goes straight to the file, which is much faster."""
    if screen.is_terminal or line.cell_len > screen.width:
        screen.print(line, soft_wrap=False)
    else:
        screen.file.write(f"{line.plain}\n")


def styled_text(text: str, style: str = "") -> "Text":
    """Return the text on one line and in a style, with control characters escaped."""
    with require_extra("report"):
        from rich.text import Text

    return Text(one_line(text), style)


def join_texts(*texts: "Text") -> "Text":
    """Join several styled texts; each keeps its style."""
    from rich.text import Text

    return Text().join(texts)


def wrap_text(text: str, style: str, *, width: int, max_lines: int | None, console: "Console") -> list["Text"]:
    """Wrap a text at `width` columns and keep its line breaks.

    With `max_lines`, ignore its line breaks and, if the text does not fit, cut it and append its full length.
    """
    if max_lines is None:
        parts = text.rstrip("\n").split("\n")
        return [
            _strip_trailing_space(line)
            for part in parts
            for line in styled_text(part, style).wrap(console, max(width, 1)) or [styled_text("")]
        ]
    whole = styled_text(" ".join(text.split()), style)
    if 0 < whole.cell_len <= width:
        return [whole]
    lines = list(whole.wrap(console, max(width, 1)))
    if len(lines) > max_lines:
        more = f" … {len(text):,} characters"
        last = _strip_trailing_space(lines[max_lines - 1])
        last.truncate(max(width - len(more), 1))
        lines[max_lines - 1 :] = [_strip_trailing_space(last).append(more, "dim")]
    return [_strip_trailing_space(line) for line in lines]


def _strip_trailing_space(line: "Text") -> "Text":
    line.rstrip()
    return line
