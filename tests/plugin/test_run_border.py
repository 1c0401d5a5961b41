"""The border around a whole run: `border = "run"`, or an explicit `--record-mode=none`."""

from collections.abc import Callable

import pytest

LOOKUP = """
import os, socket

def look_up():
    try:
        socket.getaddrinfo("example.com", 443)
    except BaseException as error:
        return str(error)
    return "reached"
"""
MODULE = """
from lookup import look_up

{at_import}

def test_without_the_harness():
    {in_test}
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Return a function that runs a module which looks up a host while it is imported, or in its test."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a key of the developer")
    monkeypatch.syspath_prepend(pytester.path)
    pytester.makepyfile(lookup=LOOKUP)

    def run(*arguments: str, at_import: str = "", in_test: str = "pass", border: str = "") -> pytest.RunResult:
        pytester.makepyprojecttoml(f"[tool.flag-harness]\n{border}\n")
        pytester.makepyfile(test_it=MODULE.format(at_import=at_import, in_test=in_test))
        return pytester.runpytest_subprocess(*arguments)

    return run


@pytest.mark.parametrize("how", [{"border": 'border = "run"'}, {"mode": "--record-mode=none"}], ids=["setting", "mode"])
def test_a_module_that_looks_up_a_host_is_an_error_even_if_it_catches_it(
    suite: Callable[..., pytest.RunResult], how: dict[str, str]
) -> None:
    """The message names the host, and what to do."""
    run = suite(*filter(None, [how.get("mode")]), at_import="look_up()", border=how.get("border", ""))
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(["*tried to reach example.com*leave out --record-mode=none, or border*"])


def test_a_test_without_the_harness_fails_for_a_lookup_that_it_catches(suite: Callable[..., pytest.RunResult]) -> None:
    """Setup and teardown count as well."""
    run = suite(in_test="assert 'reached' != look_up()", border='border = "run"')
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["*this test runs offline, but tried to reach example.com*"])


def test_no_key_exists_from_the_imports_on(suite: Callable[..., pytest.RunResult]) -> None:
    """The key of the developer is hidden, and is there again without the border."""
    read = "import os; KEY = os.environ['ANTHROPIC_API_KEY']"
    suite("--record-mode=none", at_import=read, in_test="assert 'offline' == KEY").assert_outcomes(passed=1)
    suite(at_import=read, in_test="assert 'a key of the developer' == KEY").assert_outcomes(passed=1)


def test_a_marked_test_may_reach_the_network(suite: Callable[..., pytest.RunResult]) -> None:
    """Whether the lookup succeeds or not, it is not refused."""
    module = "import pytest\npytestmark = pytest.mark.harness_network"
    run = suite(at_import=module, in_test="assert 'tried to reach' not in look_up()", border='border = "run"')
    run.assert_outcomes(passed=1)


def test_a_run_that_records_has_no_border(suite: Callable[..., pytest.RunResult]) -> None:
    """It needs the key and the network."""
    read = "import os; KEY = os.environ['ANTHROPIC_API_KEY']"
    run = suite("--record-mode=once", at_import=read, in_test="assert 'offline' != KEY", border='border = "run"')
    run.assert_outcomes(passed=1)


def test_an_attempt_outside_of_the_tests_fails_the_run(
    suite: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    """Such as that of another plugin when the session starts."""
    pytester.makeconftest("from lookup import look_up\ndef pytest_sessionstart(): look_up()")
    run = suite(border='border = "run"')
    run.assert_outcomes(passed=1)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(["outside of the tests: *tried to reach example.com*"])


def test_another_border_is_refused(suite: Callable[..., pytest.RunResult]) -> None:
    """The error lists what can be chosen."""
    run = suite(border='border = "session"')
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(['*border*"test" or "run"*'])


@pytest.mark.parametrize(
    ("arguments", "outcome"), [("early, cassette", {"passed": 1}), ("cassette, early", {"errors": 1})]
)
def test_the_border_of_a_test_opens_with_its_cassette(
    pytester: pytest.Pytester, arguments: str, outcome: dict[str, int]
) -> None:
    """A function fixture that is set up before it is not seen; one that is set up after it is refused."""
    pytester.makepyfile(
        f"""
        import socket
        import pytest

        @pytest.fixture
        def early():
            socket.getaddrinfo("192.0.2.1", 80)

        @pytest.mark.harness_no_request
        def test_it({arguments}):
            pass
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(**outcome)
