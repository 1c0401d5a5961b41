"""Keys that a test handles itself: no report, log or file of pytest shows them, and no filter is needed."""

import pytest

KEY = "sk-ant-api03-" + "Zm9vYmFyMTIz" * 4
TOKEN = "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8" * 3
TEST = f"""
import logging
import sys
import warnings

import pytest

KEY = {KEY!r}
BEARER = "Bearer " + {TOKEN!r}
pytestmark = pytest.mark.harness_no_request
"""
TESTS = {
    "a diff of dictionaries, in which pprint breaks the line behind Bearer": (
        'def test(cassette):\n    headers = {"authorization": BEARER, "accept": "x" * 40}\n    assert headers == {}\n'
    ),
    "a diff of lists": 'def test(cassette):\n    assert [BEARER, "a" * 70] == ["no", "a" * 70]\n',
    "a log record": 'def test(cassette):\n    logging.getLogger("x").error("sent %s as %r", KEY, {"a": BEARER})\n',
    "a reason of xfail": '@pytest.mark.xfail(reason="see " + KEY)\ndef test(cassette):\n    assert False\n',
    "a call of xfail": 'def test(cassette):\n    pytest.xfail("see " + KEY)\n',
    "a strict xfail that passes": (
        '@pytest.mark.xfail(strict=True, reason="see " + KEY)\ndef test(cassette):\n    pass\n'
    ),
    "a reason of skip": 'def test(cassette):\n    pytest.skip("see " + KEY)\n',
    "a warning": 'def test(cassette):\n    warnings.warn("key " + KEY)\n',
    "output": "def test(cassette):\n    print(KEY)\n    print(BEARER, file=sys.stderr)\n",
    "an exception": 'def test(cassette):\n    raise ValueError({"a": BEARER, "k": KEY})\n',
    "an exception group": 'def test(cassette):\n    raise ExceptionGroup("g", [ValueError(KEY), KeyError(BEARER)])\n',
    "a property": 'def test(cassette, record_property):\n    record_property("k", KEY)\n',
    "a fixture that fails": (
        "@pytest.fixture\ndef bad(cassette):\n    yield\n    raise RuntimeError(KEY)\n\ndef test(bad):\n    pass\n"
    ),
}


@pytest.mark.parametrize("verbosity", ["-q", "-vv"])
def test_a_key_is_shown_nowhere(verbosity: str, pytester: pytest.Pytester) -> None:
    """Not in the terminal with live logs and local variables, nor in the JUnit file and the log file."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\nlog_cli = true\n")
    bodies = [code.replace("def test(", f"def test_{index}(") for index, code in enumerate(TESTS.values())]
    pytester.makepyfile(TEST + "\n" + "\n".join(bodies))
    options = ("-rA", "--showlocals", "--junitxml=j.xml", "-o", "log_file=run.log", "-Wdefault", verbosity)
    run = pytester.runpytest_inprocess(*options)
    shown = "\n".join([*run.outlines, *run.errlines])
    run.assert_outcomes(passed=5, failed=5, skipped=1, xfailed=2, errors=1, warnings=2)
    assert 13 == len(TESTS)
    for text in (shown, (pytester.path / "j.xml").read_text(), (pytester.path / "run.log").read_text()):
        assert KEY[13:] not in text.replace("\n", "")
        assert TOKEN not in text.replace("\n", "")
    assert "see REDACTED" in shown
