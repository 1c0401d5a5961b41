"""The `flag-harness` command."""

from flag_harness.cli.main import main

__all__ = ["main"]
