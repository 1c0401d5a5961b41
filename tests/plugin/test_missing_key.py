"""A live recording without a key: one line that says what to set, before anything is sent."""

import os
from types import SimpleNamespace

import pytest

from flag_harness.plugin.border.missing_key import missing_api_key_message
from flag_harness.plugin.border.offline import OFFLINE_ENVIRONMENT, offline_environment

ASK = """
import asyncio, contextlib, os
import anthropic, pytest

CALL = dict(model="claude-haiku-4-5", max_tokens=5, messages=[{"role": "user", "content": "Hello."}])

def ask(**arguments):
    return anthropic.Anthropic(max_retries=0, **arguments).messages.create(**CALL)
"""
WAYS = {
    "sync": "    ask()\n",
    "async": "    asyncio.run(anthropic.AsyncAnthropic(max_retries=0).messages.create(**CALL))\n",
    "read by the code itself": "    ask(api_key=os.environ['ANTHROPIC_API_KEY'])\n",
    "wrapped": "    try: ask()\n    except Exception as error: raise RuntimeError('no answer') from error\n",
    "returned as text": (
        "    try: text = ask().content[0].text\n    except Exception as error: text = str(error)\n"
        "    assert text == 'Hello.'\n"
    ),
    "in a group": (
        "    async def tasks():\n        async with asyncio.TaskGroup() as group:\n"
        "            group.create_task(anthropic.AsyncAnthropic(max_retries=0).messages.create(**CALL))\n"
        "    asyncio.run(tasks())\n"
    ),
}
SAID = "There is no key for the live API, and nothing was sent. Set ANTHROPIC_API_KEY"


@pytest.fixture(autouse=True)
def _without_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(variable, raising=False)


def _failure(run: pytest.RunResult) -> list[str]:
    """Return the lines of the only failure."""
    lines = run.outlines
    start = next(index for index, line in enumerate(lines) if " test_ask " in line and line.startswith("__")) + 1
    rest = lines[start:]
    return rest[: next(index for index, line in enumerate(rest) if line.startswith("===") or "vcr_marks:" in line)]


@pytest.mark.parametrize("way", WAYS)
def test_a_live_recording_without_a_key_is_one_line(pytester: pytest.Pytester, way: str) -> None:
    """However the code under test makes its client, and whatever it does with the SDK's error."""
    pytester.makepyfile(test_ask=f"{ASK}\ndef test_ask(cassette):\n{WAYS[way]}")
    run = pytester.runpytest_subprocess("--record-mode=rewrite")
    run.assert_outcomes(failed=1)
    command = "pytest test_ask.py::test_ask --record-mode=rewrite --harness-upstream=simulator"
    assert [f"{SAID}, or ask the simulator, which needs none: {command}"] == _failure(run)


def test_a_swallowed_error_is_explained_by_the_missing_key(pytester: pytest.Pytester) -> None:
    """The test has sent nothing, and the key is the likeliest reason."""
    pytester.makepyfile(test_ask=f"{ASK}\ndef test_ask(cassette):\n    with contextlib.suppress(Exception): ask()\n")
    run = pytester.runpytest_subprocess("--record-mode=rewrite")
    run.assert_outcomes(failed=1)
    first, *_, last = _failure(run)
    assert first.startswith("The test sent no request.")
    assert last.startswith(f"{SAID}, or ask the simulator")


def test_other_failures_keep_their_traceback(pytester: pytest.Pytester) -> None:
    """The key has nothing to do with them."""
    pytester.makepyfile(test_ask=f"{ASK}\ndef test_ask(cassette):\n    assert 1 == len(CALL)\n")
    run = pytester.runpytest_subprocess("--record-mode=rewrite")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines([">       assert 1 == len(CALL)"])
    run.stdout.no_fnmatch_line("*There is no key*")


def test_a_key_from_elsewhere_is_enough(pytester: pytest.Pytester) -> None:
    """Only what sends nothing is said to need a key; what is sent is recorded."""
    pytester.makepyfile(
        test_ask=f"{ASK}\ndef test_ask(cassette):\n    with pytest.raises(anthropic.APIConnectionError):\n"
        "        ask(api_key='own', base_url='http://127.0.0.1:9')\n"
    )
    run = pytester.runpytest_subprocess("--record-mode=rewrite")
    run.stdout.no_fnmatch_line("*There is no key*")


def test_recording_for_vcr_without_a_key_is_one_line(pytester: pytest.Pytester) -> None:
    """The same under `vcr_marks`; there, the simulator records nothing."""
    pytester.makepyprojecttoml("[tool.flag-harness]\nvcr_marks = true\n")
    pytester.makepyfile(test_ask=f"{ASK}\n@pytest.mark.vcr\ndef test_ask():\n    ask()\n")
    run = pytester.runpytest_subprocess("--record-mode=new_episodes")
    run.assert_outcomes(failed=1)
    assert [f"{SAID}, and run the test again."] == _failure(run)


MODULE_CLIENT = """
import os
import anthropic

CLIENT = anthropic.Anthropic()
KEY = os.environ.get("ANTHROPIC_API_KEY")

def test_it(cassette):
    body = dict(model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "Hello."}])
    assert CLIENT.messages.create(**body).content

def test_key():
    assert KEY == EXPECTED
"""


@pytest.mark.parametrize(("key", "expected"), [(None, "offline"), ("sk-mine", "sk-mine")])
def test_a_client_that_is_made_at_import_needs_no_key_offline(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, key: str | None, expected: str
) -> None:
    """Recorded from the simulator and played; a key of the developer stays as it is, and none is left behind."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    if key:
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    pytester.makepyprojecttoml("[tool.flag-harness.flags]\nfast = 'FAST'\n")
    pytester.makepyfile(test_it=MODULE_CLIENT.replace("EXPECTED", repr(expected)))
    for options in (("--record-mode=once", "--harness-upstream=simulator"), ()):
        pytester.runpytest_subprocess("-p", "no:asyncio", *options).assert_outcomes(passed=2)
    pytester.runpytest_inprocess("-p", "no:asyncio", "--collect-only")
    assert key == os.environ.get("ANTHROPIC_API_KEY")


def test_a_request_of_an_earlier_fixture_is_explained_too(pytester: pytest.Pytester) -> None:
    """The cassette of the test is not open yet."""
    pytester.makepyfile(
        test_ask=f"{ASK}\n@pytest.fixture\ndef early(): ask()\n\ndef test_ask(early, cassette):\n    pass\n"
    )
    run = pytester.runpytest_inprocess("-p", "no:asyncio", "--record-mode=rewrite")
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines([f"{SAID}, or ask the simulator*"])


def test_a_test_without_a_cassette_keeps_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client is none of the harness's business."""
    item = SimpleNamespace(fixturenames=("flags",), stash=pytest.Stash())
    assert "" == missing_api_key_message(item)  # type: ignore[arg-type]


def test_a_key_that_the_code_sets_while_it_runs_offline_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the harness has set is taken back."""
    for name in OFFLINE_ENVIRONMENT:
        monkeypatch.setenv(name, "before")
    with offline_environment(True):
        assert OFFLINE_ENVIRONMENT == {name: os.environ.get(name) for name in OFFLINE_ENVIRONMENT}
        os.environ["ANTHROPIC_API_KEY"] = "mine"
    assert {"before", "mine"} == {os.environ[name] for name in OFFLINE_ENVIRONMENT}
