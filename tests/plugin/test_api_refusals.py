"""What a failed test says about a request that the API would refuse."""

from pathlib import Path

import anthropic  # noqa: F401 - imported once, not anew by each run of pytest in this process
import pytest

TEST = """
import anthropic

def ask(**more):
    client = anthropic.Anthropic(api_key="x", max_retries=0)
    message = {"role": "user", "content": "Hello."}
    return client.messages.create(model="claude-haiku-4-5", max_tokens=10, messages=[message], **more)

def test_refused(cassette):
    ask(extra_body={"temperature": 3})

def test_wrong_type(cassette):
    ask(extra_body=object())
"""


def test_a_refusal_is_shown_at_the_line_that_sent_the_request(pytester: pytest.Pytester) -> None:
    """Without the SDK's frames, which any other error keeps."""
    pytester.makepyfile(test_it=TEST)
    options = ("--disable-recording", "--harness-upstream=simulator", "-p", "no:randomly", "--tb=short")
    refused, other = pytester.runpytest_inprocess(*options).stdout.str().split("test_wrong_type ___")
    assert "temperature: range: 0..1" in refused
    assert "test_it.py:6: in ask" in refused
    assert "_base_client.py" not in refused
    assert "_base_client.py" in other


def test_a_miss_says_that_the_api_would_refuse_the_request(pytester: pytest.Pytester) -> None:
    """With the message of the API."""
    pytester.makepyfile(test_it=TEST)
    run = pytester.runpytest_inprocess("-k", "refused")
    run.stdout.fnmatch_lines(["The API would refuse this request (as the simulator does): temperature: range: 0..1"])


MARKED = """
import os

import anthropic
import pytest

MARK = {"cache_control": {"type": "ephemeral"}}

@pytest.mark.flag_matrix
def test_ask(cassette):
    client = anthropic.Anthropic(api_key="x", max_retries=0)
    blocks = [{"type": "text", "text": str(n), **(MARK if os.environ.get("CACHED") else {})} for n in range(4)]
    if os.environ.get("GROUPED"):
        blocks.append({"type": "text", "text": "groups"})
    client.messages.create(
        model="claude-haiku-4-5", max_tokens=10, messages=[{"role": "user", "content": blocks}]
    )
"""


def test_a_miss_that_the_api_would_refuse_is_never_folded_into_another(pytester: pytest.Pytester) -> None:
    """Another miss has the same differences. The flags that the refusal needs are named, too."""
    pytester.makepyprojecttoml('[tool.flag-harness.flags]\ngrouped = "GROUPED"\ncached = "CACHED"\n')
    pytester.makepyfile(test_it=MARKED)
    options = ("-p", "no:randomly", "-p", "no:asyncio")
    pytester.runpytest_inprocess("--record-mode=once", "--harness-upstream=simulator", *options)
    pytester.makepyfile(test_it=MARKED.replace('"groups"}', '"groups", **MARK}'))
    run = pytester.runpytest_inprocess("--harness-report=report.md", *options)
    run.assert_outcomes(passed=2, failed=2)
    lines = run.outlines
    refused = "The API would refuse this request (as the simulator does): A maximum of 4 blocks"
    assert 2 == len([line for line in lines if line.strip().startswith(refused)])
    assert 2 == len([line for line in lines if line.startswith("1 test: `messages[0].content[4].cache_control`")])
    run.stdout.no_fnmatch_line("*(as in *")
    assert [
        "fails when grouped: 1 test (test_it.py::test_ask[*])",
        "  To reproduce: pytest 'test_it.py::test_ask[grouped]'",
        "the API would refuse a request when grouped and cached: 1 test (test_it.py::test_ask[*])",
        "  To reproduce: pytest 'test_it.py::test_ask[grouped+cached]'",
    ] == lines[next(n for n, line in enumerate(lines) if "which flags broke it" in line) + 1 :][:4]
    assert 1 == sum(line.startswith("To record it: ") for line in lines)
    assert (
        "- **The API would refuse a request when grouped and cached are both on** (as the simulator does): "
        "`test_it.py::test_ask[grouped+cached]`"
    ) in Path("report.md").read_text("utf-8").splitlines()


REPEATED = """
import pytest

@pytest.fixture
def broken(harness_cassette):
    raise ValueError("the setup is broken")

@pytest.mark.flag_matrix
@pytest.mark.harness_no_request
def test_call(flags, cassette):
    assert "a" not in flags, f"{object()} is broken" if "b" not in flags else "the call is broken"

@pytest.mark.flag_matrix
def test_setup(broken, cassette):
    pass

def test_without_flags():
    raise AssertionError("no combinations")
"""


def test_an_error_that_combinations_share_is_printed_once(pytester: pytest.Pytester) -> None:
    """The others are named after it, and stay in the short summary; `-v` prints each."""
    pytester.makepyprojecttoml('[tool.flag-harness.flags]\na = "A"\nb = "B"\nc = "C"\nd = "D"\n')
    pytester.makepyfile(test_it=REPEATED)
    run = pytester.runpytest_inprocess("-p", "no:randomly")
    run.assert_outcomes(passed=8, failed=9, errors=16)
    run.stdout.fnmatch_lines(
        [
            "E *ValueError: the setup is broken",
            "-* the same error in 15 other tests -*",
            "test_it.py::test_setup[[]a], test_it.py::test_setup[[]b], *[[]d], * and 10 more; pytest -v prints each*",
            "the same error as in test_it.py::test_setup[[]off]",
            "E *AssertionError: <object object at *> is broken",
            "-* the same error in 3 other tests -*",
            "test_it.py::test_call[[]a+c], *",
            "E *AssertionError: the call is broken",
            "-* the same error in 3 other tests -*",
            "E *AssertionError: no combinations",
            "FAILED test_it.py::test_call[[]a+b+c[]]*",
        ]
    )
    shown = run.stdout.str()
    assert [1, 3] == [shown.count(f"E       {error}: ") for error in ("ValueError", "AssertionError")]
    verbose = pytester.runpytest_inprocess("-p", "no:randomly", "-v").stdout.str()
    assert [16, 9] == [verbose.count(f"E       {error}: ") for error in ("ValueError", "AssertionError")]
