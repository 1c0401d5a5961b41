"""What commands print for people: in colour on a terminal, plain anywhere else."""

import argparse
import os
from typing import TYPE_CHECKING

from flag_harness.cli.files import one_line
from flag_harness.errors import require_extra

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PLAIN_WIDTH = 110
"""Columns where there is no terminal to ask."""


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add `--json` and `--no-color`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.add_argument("--no-color", action="store_true", help="print no colours, as with NO_COLOR set")


def console(*, no_color: bool = False) -> "Console":
    """A console on standard output. Neither its text nor what a cassette holds is taken for markup."""
    with require_extra("report"):
        from rich.console import Console

    plain = no_color or bool(os.environ.get("NO_COLOR"))
    made = Console(color_system=None if plain else "auto", highlight=False, markup=False, emoji=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = PLAIN_WIDTH
    return made


def styled(text: str, style: str = "") -> "Text":
    """A text in a style, on one line: whatever it holds, a terminal only shows it."""
    with require_extra("report"):
        from rich.text import Text

    return Text(one_line(text), style)


def joined_texts(*texts: "Text") -> "Text":
    """Texts one after the other, each in its own style."""
    from rich.text import Text

    return Text().join(texts)


def wrapped(text: str, style: str, *, width: int, most: int | None, console: "Console") -> list["Text"]:
    """A text in lines of `width` columns: all of it with its own lines, or `most` at most, with what it is long."""
    if most is None:
        parts = text.rstrip("\n").split("\n")
        return [
            _trimmed(line)
            for part in parts
            for line in styled(part, style).wrap(console, max(width, 1)) or [styled("")]
        ]
    lines = list(styled(" ".join(text.split()), style).wrap(console, max(width, 1)))
    if len(lines) > most:
        more = f" … {len(text):,} characters"
        last = _trimmed(lines[most - 1])
        last.truncate(max(width - len(more), 1))
        lines[most - 1 :] = [_trimmed(last).append(more, "dim")]
    return [_trimmed(line) for line in lines]


def _trimmed(line: "Text") -> "Text":
    line.rstrip()
    return line
