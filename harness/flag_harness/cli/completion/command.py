"""The command `flag-harness completion`, which prints a script that completes commands and options in a shell."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from flag_harness.errors import require_extra

SHELLS = ("bash", "zsh", "fish")

_EXAMPLES = """examples:
  flag-harness completion bash > ~/.local/share/bash-completion/completions/flag-harness
  flag-harness completion zsh > ~/.zfunc/_flag-harness      # a directory of $fpath
  flag-harness completion fish > ~/.config/fish/completions/flag-harness.fish

Open a new shell then, and press Tab after `flag-harness `. Print the script again after an upgrade.
It needs the extra `completion`: pip install 'flag-harness[completion]'"""


def add_completion_command(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", main_parser: argparse.ArgumentParser
) -> None:
    """Add the command `completion` to the parser. Its script completes the commands and options of `main_parser`."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script that completes commands and options in your shell",
        description="Print a script that completes the commands and options of flag-harness in your shell.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads the script")
    parser.set_defaults(run=lambda arguments: _print_script(arguments.shell, main_parser))


def _print_script(shell: str, main_parser: argparse.ArgumentParser) -> int:
    with require_extra("completion"):
        import shtab
    for action in _parser_arguments(main_parser):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined] # the library reads this attribute
    print(shtab.complete(main_parser, shell=shell))
    return 0


def _parser_arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _parser_arguments(command)
