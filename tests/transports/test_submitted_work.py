"""Threads and jobs of pools belong to the test whose code submits them."""

import importlib
import sys

import pytest

from flag_harness.errors import CassetteMiss
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


def test_a_refused_job_of_a_thread_pool_comes_back() -> None:
    """An error that is no `Exception` would end the pool's thread, and `map` would wait for the job forever."""

    def send_request() -> None:
        raise CassetteMiss("POST /v1/messages is not in the cassette")

    with follow_submitted_work(), attribute_code_to_owner(CodeOwner("test_a")):
        pools = importlib.import_module("multiprocessing.pool")
        with pools.ThreadPool(1) as pool:
            for _ in range(2):
                with pytest.raises(RuntimeError, match="POST /v1/messages is not in the cassette"):
                    pool.apply_async(send_request).get(20)
