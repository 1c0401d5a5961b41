"""Plugin tests run pytest as a person at a desk does, wherever they run."""

import sys

import pytest

collect_ignore = ["vcr_suite", "pytest_vcr_suite"]
"""What is no test of this project's own."""


@pytest.fixture(autouse=True)
def _at_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `CI`, pytest repeats whole messages in its short summary.

    Where the cases ran in this process before, a run of pytest in it would warn that they cannot be rewritten any more.
    """
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "cases"]:
        monkeypatch.delitem(sys.modules, name)
