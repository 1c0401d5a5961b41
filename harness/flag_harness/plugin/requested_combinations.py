"""Find the combinations that node ids on the command line name, even outside the matrix of their test."""

import os
from collections.abc import Iterator, Sequence

import pytest

from flag_harness.flag import Flag
from flag_harness.matrix import Combination, flag_space, parse_combination


def combinations_in_node_ids(config: pytest.Config, nodeid: str, flags: Sequence[Flag]) -> Iterator[Combination]:
    """Yield the combinations in node ids on the command line, such as `test_a.py::test_x[streaming]`, that name this
    test function.

    A combination that the flags allow can be run by its id even if the test's matrix leaves it out.
    """
    named = [argument for argument in config.args if "[" in argument]
    if not named:
        return
    file, _, function = nodeid.partition("[")[0].partition("::")
    path = config.rootpath / file
    for argument in named:
        requested_file, _, name = argument.partition("::")
        requested, bracket, parameters = name.partition("[")
        requested_path = os.path.abspath(config.invocation_params.dir / requested_file)
        if bracket and requested == function and requested_path == os.path.abspath(path):
            yield from _combinations_in_parameters(parameters.removesuffix("]"), flags)


def _combinations_in_parameters(parameters: str, flags: Sequence[Flag]) -> Iterator[Combination]:
    """Yield every combination whose id is a part of `parameters`, the text in the brackets of a node id."""
    parts = parameters.split("-")
    for first in range(len(parts)):
        for end in range(len(parts), first, -1):
            combination = parse_combination(flags, "-".join(parts[first:end]))
            if combination is not None and flag_space(combination.flags).is_allowed(combination.row):
                yield combination
