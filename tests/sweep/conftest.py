"""`--kills`: how often `test_kill.py` kills, where that file or folder is named on the command line."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--kills", type=int, default=20, help="how many processes to kill, over all points (20)")
