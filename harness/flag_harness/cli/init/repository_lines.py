"""What `flag-harness init` says of a repository: its flags, its agent, and what its settings lack."""

from collections.abc import Iterator
from pathlib import Path

from flag_harness.analysis.code.unread_variables import CODE_SUFFIXES, find_unread_variables
from flag_harness.cli.init.first_test import agent_name_and_location
from flag_harness.cli.init.repository import Repository
from flag_harness.config import read_config
from flag_harness.config.root import PYPROJECT
from flag_harness.source_files import read_code_files

_MAX_LISTED_READS = 5
"""The most reads of unknown flags that are listed."""


def repository_lines(repository: Repository) -> Iterator[str]:
    flags = repository.tested_flags
    width = max((len(flag.name) for flag in flags), default=0)
    yield f"Flags that the code reads: {len(flags)}"
    yield from (f"  {flag.name:<{width}}  {flag.key}  ({flag.location})" for flag in flags)
    yield from _dynamic_read_lines(repository)
    if repository.agents:
        best, *others = repository.agents
        yield f"Agent: {agent_name_and_location(best)}{f', and {len(others)} more' if others else ''}"
    if repository.vcr_plugin:
        yield f"Tests with vcr marks: they run as they are ({repository.vcr_plugin})"
    for path, reason in repository.reason_by_unreadable_file.items():
        yield f"Left out, because it {reason}: {path}"
    yield ""


def _dynamic_read_lines(repository: Repository) -> Iterator[str]:
    """Yield lines about reads of flags whose names are unknown, except reads that may belong to a declared flag."""
    unclear = [one for one in repository.dynamic_reads if not any(map(one.may_read, repository.declared_keys))]
    if unclear:
        yield "Unclear, as the name is made when the code runs: declare it by hand, unless a flag above is meant"
    for read in unclear[:_MAX_LISTED_READS]:
        yield f"  {read.location}  {read.code}"
        yield f"    below [tool.flag-harness.flags]: {read.toml_line}"
    if more := len(unclear[_MAX_LISTED_READS:]):
        yield f"  and {more} more"


def already_configured_lines(repository: Repository, source: Path) -> Iterator[str]:
    yield f"{source.relative_to(repository.root)} has settings of the harness already, so nothing was written."
    yield from undeclared_flag_lines(repository)
    if repository.outer_root is not None:
        place = repository.outer_root
        yield f"pytest takes its settings from {place}: add [tool.pytest.ini_options] to pyproject.toml."
    yield "To run the tests: pytest"


def undeclared_flag_lines(repository: Repository) -> Iterator[str]:
    """Yield lines about flags that the settings do not declare, and about declared flags whose variables no code
    reads.
    """
    assert repository.harness_settings is not None
    missing, source = repository.undeclared_flags, repository.harness_settings[1]
    if missing and source.name == PYPROJECT:
        yield "Flags that it does not declare; add them below [tool.flag-harness.flags]:"
        yield from (f"  {flag.name} = {flag.toml_declaration}" for flag in missing)
    elif missing:
        yield f"Flags that {source.name} does not declare; add these lines to its setting flag_harness:"
        yield from (f"    flags.{flag.name} = {flag.toml_declaration}" for flag in missing)
        if not repository.has_matrix_tests:
            yield "Then flag-harness init writes a first test."
    flags = read_config(repository.root / PYPROJECT).flags if repository.declared_keys else ()
    unread = find_unread_variables(flags, read_code_files(repository.root, CODE_SUFFIXES), flags)
    yield from (f"Declared flag {name}: {reason}" for name, reason in unread.items())
