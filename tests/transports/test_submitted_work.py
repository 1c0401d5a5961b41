"""Threads and jobs of pools belong to the test whose code submits them."""

import importlib
import multiprocessing
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


def _send_refused_request(number: int) -> None:
    raise CassetteMiss(f"POST /v1/messages of {number} is not in the cassette")


@pytest.mark.parametrize("method", ["map", "apply", "imap", "starmap"])
def test_a_refused_job_of_another_process_comes_back(method: str) -> None:
    """Like one of a thread: the process would end, and the pool would wait for the job forever."""
    arguments = {"apply": ((1,),), "starmap": ([(1,)],)}.get(method, ([1],))
    with follow_submitted_work(), attribute_code_to_owner(CodeOwner("test_a")):
        pools = importlib.import_module("multiprocessing.pool")
        with pools.Pool(1, context=multiprocessing.get_context("fork")) as pool:
            with pytest.raises(RuntimeError, match="POST /v1/messages of 1 is not in the cassette"):
                list(getattr(pool, method)(_send_refused_request, *arguments))
            assert 3 == pool.apply(abs, (-3,))


def test_a_job_that_no_test_owns_is_left_alone() -> None:
    """The pool gets the function itself."""
    with follow_submitted_work():
        pools = importlib.import_module("multiprocessing.pool")
        with pools.Pool(1, context=multiprocessing.get_context("fork")) as pool:
            assert [3] == pool.map(abs, [-3])
