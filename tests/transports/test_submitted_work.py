"""Threads and jobs of pools belong to the test whose code submits them."""

import importlib
import sys

import pytest

from flag_harness.owner import CodeOwner, attribute_code_to_owner, current_code_owner
from flag_harness.transports.interception.submitted_work import follow_submitted_work


def test_jobs_of_a_pool_are_followed_although_its_module_is_imported_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a test that imports multiprocessing in its own body."""
    monkeypatch.delitem(sys.modules, "multiprocessing.pool", raising=False)
    owner = CodeOwner("test_a")
    with follow_submitted_work(), attribute_code_to_owner(owner):
        pools = importlib.import_module("multiprocessing.pool")
        with pools.ThreadPool(1) as pool:
            assert owner is pool.apply_async(current_code_owner).get(20)
