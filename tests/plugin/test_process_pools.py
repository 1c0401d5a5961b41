"""Requests of the processes of a pool: a refused one comes back to the test."""

import pickle

import pytest

from flag_harness.plugin.refusals import CostLimitFailure, LateNetworkFailure, MissFailure, NetworkFailure

TEST = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress

import httpx2
import pytest

FORK = multiprocessing.get_context("fork")

def ask(question):
    return httpx2.post("https://api.anthropic.com/v1/messages", json={"question": question}).text

def test_pool(cassette):
    with FORK.Pool(1) as pool:
        pool.map(ask, ["a"])

def test_pool_that_nobody_asks(cassette):
    with FORK.Pool(1) as pool, suppress(Exception):
        pool.map(ask, ["a"])

def test_executor(cassette):
    with ProcessPoolExecutor(1, mp_context=FORK) as pool, suppress(Exception):
        list(pool.map(ask, ["a"]))
"""


def test_a_miss_in_a_process_of_a_pool_fails_the_test(pytester: pytest.Pytester) -> None:
    """Even if its code catches every `Exception`; and no pool waits forever."""
    pytester.makepyfile(TEST)
    run = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rf")  # processes inherit what earlier runs left
    assert 3 == run.parseoutcomes()["failed"]
    run.stdout.fnmatch_lines(
        [
            "*RuntimeError: POST /v1/messages is not in recordings/*test_pool.json*",
            "*tried to reach api.anthropic.com:443 in a child process*write def test_it(cassette, cassette_server)*",
            "*POST /v1/messages is not in recordings/*test_executor.json*",
        ]
    )


@pytest.mark.parametrize("kind", [MissFailure, NetworkFailure, CostLimitFailure, LateNetworkFailure])
def test_a_failure_can_be_sent_to_another_process(kind: type[BaseException]) -> None:
    """It has the bare name of a built-in exception, which is not in the module of those."""
    sent = pickle.loads(pickle.dumps(kind("POST /v1/messages is not in the cassette")))
    assert (kind, "POST /v1/messages is not in the cassette") == (type(sent), str(sent))
