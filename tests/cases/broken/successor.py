"""The cases' other process, with the agent broken: `python -m broken.successor WAY next|save ...`."""

import runpy
import sys

import pytest
from broken.plugin import find

if __name__ == "__main__":
    _, way, *sys.argv[1:] = sys.argv
    find(way)(pytest.MonkeyPatch())
    runpy.run_module("flag_harness.conformance.successor", run_name="__main__")
