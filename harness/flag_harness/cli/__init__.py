"""The `flag-harness` command. Each subcommand is a module, and is registered in `main.py`."""

from flag_harness.cli.main import main

__all__ = ["main"]
