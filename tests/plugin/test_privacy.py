"""Personal data in recordings that tests make: masked, refused or warned of; and shown nowhere."""

from typing import Any

import pytest

from tests.plugin.test_secrets import RECORD, SECRET, TEST, _stream, _traces, serve

__all__ = ["serve"]

PRIVACY = "[tool.flag-harness.privacy]\nperson = {{ function = 'own_privacy:find_people', action = '{}' }}\n"
FINDER = "import re\n\ndef find_people(text):\n    return re.findall('hunter2-[a-z]+-[0-9a-f]+', text)\n"
NOTE = "privacy: no detectors of personal data are declared, *"


def _run(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    *options: str,
    extra: str = "",
    source: str = TEST,
) -> pytest.RunResult:
    monkeypatch.setenv("PLANTED", SECRET)
    monkeypatch.setenv("PLANTED_IN", "body")
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n{table}")
    pytester.makepyfile(own_privacy=FINDER, test_ask=source + extra)
    return pytester.runpytest_inprocess(*options)


def test_masked_data_reaches_nothing_but_the_api_and_replays(
    serve: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the request, and in the answer, split over two deltas; the test sees it while it records."""
    server = serve([_stream(f"It is {SECRET[:9]}", f"{SECRET[9:]}.")], {})
    source = TEST.replace("(secret in text) ==", "(secret in text) or")
    table = PRIVACY.format("mask")
    run = _run(pytester, monkeypatch, table, *RECORD, extra="    print(text)\n", source=source)
    run.assert_outcomes(passed=1)
    assert SECRET in server.received[0]
    assert set() == _traces(pytester.path, "\n".join([*run.outlines, *run.errlines]))
    monkeypatch.setenv("PLAYED", "1")
    played = _run(pytester, monkeypatch, table, "-rA", source=source)
    played.assert_outcomes(passed=1)
    assert 1 == len(server.received)


def test_refused_data_is_not_written_and_not_shown(
    serve: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test fails and says where the data is, which detector found it, and what to type."""
    serve([_stream("Hi.")], {})
    run = _run(pytester, monkeypatch, PRIVACY.format("refuse"), *RECORD, extra="    print(secret)\n")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "*test_ask.json was not written, because it would hold personal data:",
            "  interaction 0, request metadata.user_id: found by the detector 'person'",
            "Have the test send invented data; or have it masked, in pyproject.toml:",
        ]
    )
    assert set() == _traces(pytester.path, "\n".join([*run.outlines, *run.errlines]))


def test_data_that_is_warned_of_is_written(
    serve: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning says where it is."""
    serve([_stream("Hi.")], {})
    run = _run(pytester, monkeypatch, PRIVACY.format("warn"), "--record-mode=rewrite", "-Wdefault")
    run.assert_outcomes(passed=1, warnings=1)
    run.stdout.fnmatch_lines(
        ["*test_ask.json holds personal data:", "*request metadata.user_id: found by the detector 'person'"]
    )
    assert "test_ask.json" in _traces(pytester.path, "")


@pytest.mark.parametrize(
    ("table", "notes"), [("", 1), ("[tool.flag-harness.privacy]\n", 0), (PRIVACY.format("mask"), 0)]
)
def test_a_live_recording_says_once_that_no_detectors_are_declared(
    table: str, notes: int, serve: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the table exists, be it empty; and never when recordings are played."""
    serve([_stream("Hi.")], {})
    extra = "\n" + TEST.split("import anthropic\n")[1].replace("test_ask", "test_again")
    run = _run(pytester, monkeypatch, table, "--record-mode=rewrite", extra=extra)
    run.assert_outcomes(passed=2)
    assert notes == sum("privacy: no detectors" in line for line in run.outlines)
    monkeypatch.setenv("PLAYED", "1")
    pytester.runpytest_inprocess().stdout.no_fnmatch_line(NOTE)


def test_a_function_that_does_not_exist_stops_the_run(pytester: pytest.Pytester) -> None:
    """Before anything is recorded."""
    pytester.makepyprojecttoml(PRIVACY.format("mask"))
    run = pytester.runpytest_inprocess()
    assert 0 != run.ret
    run.stderr.fnmatch_lines(["*[[]tool.flag-harness.privacy] person: function 'own_privacy:find_people' cannot be *"])
