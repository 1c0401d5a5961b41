"""A project that does not use the harness runs on the functions of Python, as if the harness were not installed."""

import sys
from types import SimpleNamespace

import pytest
from pluggy import PluginManager

from flag_harness.plugin.deferred_parts import CHECKS_PLUGIN_NAME, DeferredPluginParts

TEST = """
import _socket, os, socket, subprocess, sys, time

def check_functions():
    for name in ("connect", "connect_ex", "sendto", "send", "sendall", "sendmsg"):
        assert getattr(socket.socket, name) is getattr(_socket.socket, name), name
    for name in ("gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo"):
        assert getattr(socket, name) is getattr(_socket, name), name
    functions = socket.getaddrinfo, socket.create_connection, subprocess.Popen.__init__, os.putenv, time.sleep
    assert ["socket", "socket", "subprocess", "posix", "time"] == [one.__module__ for one in functions]

def test_functions():
    check_functions()

def test_no_audit_hook_is_installed():
    module = sys.modules.get("flag_harness.audit_hook")  # which does nothing when it is imported
    assert module is None or 0 == module.audit_hook.cache_info().currsize
"""
USING = """
import pytest

@pytest.mark.harness_no_request
def test_a_cassette(cassette):
    pass
"""


def test_the_plugin_starts_without_what_only_async_tests_need(pytester: pytest.Pytester) -> None:
    """Importing asyncio takes as long as a seventh of the plugin."""
    code = "import sys, pytest, flag_harness.plugin; print(sorted({'asyncio', 'unittest'} & set(sys.modules)))"
    assert ["[]"] == pytester.run(sys.executable, "-c", code).outlines


def test_a_run_that_uses_no_cassette_reads_no_module_for_them(pytester: pytest.Pytester) -> None:
    """Though the project declares flags: those modules take longer to import than such a test to run."""
    pytester.makepyprojecttoml('[tool.flag-harness.flags]\nplanner = "PLANNER"\n')
    pytester.makepyfile("def test_it():\n    pass\n")
    code = """
import sys, pytest
pytest.main(["-q", "-p", "no:cacheprovider"])
rooms = ("flag_harness.cassette", "flag_harness.report.run_report", "flag_harness.simulator")
print([name for name in sys.modules if name.startswith(rooms)])
"""
    run = pytester.run(sys.executable, "-c", code)
    run.stdout.fnmatch_lines(["1 passed*"])
    assert "[]" == run.outlines[-1]


def test_without_the_harness_nothing_is_patched(pytester: pytest.Pytester) -> None:
    """No function is replaced, and no audit hook is installed."""
    pytester.makepyfile(TEST)
    run = pytester.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider")  # a process without a past
    run.assert_outcomes(passed=2)
    assert "flag harness" not in run.stdout.str().replace("flag-harness", "")


def test_after_a_test_that_uses_the_harness_the_functions_are_those_of_python(pytester: pytest.Pytester) -> None:
    """The audit hook stays, since Python cannot remove it; it does nothing."""
    pytester.makepyfile(test_a=USING, test_b=TEST)
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-k", "not audit").assert_outcomes(passed=2, deselected=1)


def test_a_second_collection_of_tests_that_do_not_use_the_harness_changes_nothing() -> None:
    """The first one has taken the harness out."""
    manager = PluginManager("pytest")
    manager.register(object(), CHECKS_PLUGIN_NAME)
    session = SimpleNamespace(items=[], config=SimpleNamespace(stash=pytest.Stash(), pluginmanager=manager))
    for _ in range(2):
        DeferredPluginParts().pytest_collection_finish(session)  # type: ignore[arg-type]
        assert not manager.has_plugin(CHECKS_PLUGIN_NAME)
