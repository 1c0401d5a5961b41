"""The `flag-harness` command.

Each subcommand is a module, or a folder if it has several modules, and is registered in `main.py`. `files.py` and
`terminal.py` are helpers of all commands.
"""

from flag_harness.cli.main import main

__all__ = ["main"]
