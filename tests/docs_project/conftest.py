"""Each test of the docs has a scenario, unless it names another."""

import inspect

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if "cassette" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("scenario"):
            item.add_marker(pytest.mark.scenario("words" if inspect.iscoroutinefunction(item.obj) else "refund"))
