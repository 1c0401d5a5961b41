"""A suite written for pytest-vcr: the client's library, and a matcher that the fixture `vcr` gets."""

import importlib
import os

import pytest


@pytest.fixture(scope="session")
def http_library():
    """The library whose clients send: httpx unless the environment names another with the same interface."""
    return importlib.import_module(os.environ.get("SUITE_HTTP_LIBRARY", "httpx"))


@pytest.fixture(scope="module")
def vcr(vcr):
    """The settings, with a matcher that looks at the host only."""
    vcr.register_matcher("same_host", lambda sent, kept: sent.host == kept.host)
    return vcr
