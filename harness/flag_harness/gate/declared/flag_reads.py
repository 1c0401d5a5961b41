"""Find flags that the code in declared files (those that may go to PROD) reads, but that the project does
not declare.
"""

from collections.abc import Iterable
from pathlib import Path

from flag_harness.analysis.code.python_flags import find_flags, parse_code
from flag_harness.flag import Flag
from flag_harness.gate.declared.manifest import read_declared_file


def find_undeclared_flags(folder: Path, paths: Iterable[str], flags: Iterable[Flag]) -> dict[str, str]:
    """Return the environment variables and keys of undeclared flags that Python files read, each with the file and
    line.

    `paths` are the files, relative to `folder`, and `flags` the declared flags. The result may have a variable that
    only looks like a flag, and lacks flags whose names are computed.
    """
    declared = {flag.source for flag in flags}
    found = dict[str, str]()
    for path in sorted(path for path in paths if path.endswith(".py")):
        tree = parse_code(read_declared_file(folder, path).decode("utf-8", "replace"))
        for flag in find_flags(tree, path) if tree else ():
            if flag.key not in declared:
                found.setdefault(flag.key, flag.location)
    return found
