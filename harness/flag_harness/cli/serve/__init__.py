"""The command `flag-harness serve`, which serves cassettes or the simulated API over HTTP."""

from flag_harness.cli.serve.command import CassettesUpstream, add_serve_command

__all__ = ["CassettesUpstream", "add_serve_command"]
