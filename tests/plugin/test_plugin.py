"""The plugin in a stranger's repository: flags, the matrix, recording, replay, and what fails at the end of a test."""

import json
from pathlib import Path

import pytest

ASK = """
import anthropic

def ask(text="Hello."):
    client = anthropic.Anthropic(max_retries=0)
    message = client.messages.create(
        model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": text}]
    )
    return message.content[0].text
"""
TEST = ASK + "\ndef test_ask(cassette):\n    assert ask()\n"
RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")


@pytest.fixture
def repository(pytester: pytest.Pytester) -> pytest.Pytester:
    """A repository that holds nothing but its tests."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = '--strict-markers -p no:cacheprovider'\n")
    return pytester


def _recorded(repository: pytest.Pytester, source: str = TEST) -> Path:
    repository.makepyfile(test_ask=source)
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=1)
    return repository.path / "recordings" / "test_ask" / "test_ask.json"


def test_what_is_recorded_is_played(repository: pytest.Pytester) -> None:
    """Recorded from the simulator once, a client that the test makes itself is answered from the file."""
    path = _recorded(repository)
    assert "simulator" == json.loads(path.read_bytes())["envelope"]["upstream"]
    played = repository.runpytest_subprocess()
    played.assert_outcomes(passed=1)
    played.stdout.fnmatch_lines(["answered: 1 run by recordings of the simulator; the oldest recording is 0 days old"])


def test_without_a_cassette_nothing_is_sent(repository: pytest.Pytester) -> None:
    """The default plays only; the failure says what to type."""
    repository.makepyfile(test_ask=TEST)
    run = repository.runpytest_subprocess()
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "POST /v1/messages is not in recordings/test_ask/test_ask.json (0 interactions).",
            "To record it: pytest test_ask.py::test_ask --record-mode=rewrite --harness-upstream=live",
        ]
    )


def test_a_test_with_a_scenario_is_told_to_record_from_the_simulator(repository: pytest.Pytester) -> None:
    """It needs no key, and the scenario is there for it."""
    marked = TEST.replace("def test_ask", "@pytest.mark.scenario('x')\ndef test_ask")
    repository.makepyfile(test_ask=f"import pytest\n{marked}")
    run = repository.runpytest_subprocess()
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        ["To record it: pytest test_ask.py::test_ask --record-mode=rewrite --harness-upstream=simulator"]
    )


def test_a_miss_explains_no_flag_that_the_project_does_not_have(repository: pytest.Pytester) -> None:
    """What changed may have to do with anything."""
    path = _recorded(repository)
    path.write_text(path.read_text().replace('"max_tokens": 100', '"max_tokens": 101'))
    repository.makepyprojecttoml('[tool.flag-harness.flags]\nnew_planner = "PLANNER_V2"\n')
    repository.runpytest_subprocess().stdout.fnmatch_lines(["  max_tokens: recorded 101, sent 100"])


def test_a_miss_names_the_nearest_request_and_what_differs(repository: pytest.Pytester) -> None:
    """Also when the code under test swallows every exception."""
    path = _recorded(repository)
    path.write_text(path.read_text().replace('"max_tokens": 100', '"max_tokens": 101'))
    swallowing = TEST.replace("assert ask()", "\n    try:\n        ask()\n    except Exception:\n        pass")
    for source in (TEST, swallowing):
        repository.makepyfile(test_ask=source)
        run = repository.runpytest_subprocess()
        run.assert_outcomes(failed=1)
        run.stdout.fnmatch_lines(
            [
                "POST /v1/messages is not in */test_ask.json (1 interaction).",
                "The nearest is interaction 0; it differs in:",
                "  max_tokens: recorded 101, sent 100",
                "If nobody meant this change, it is a bug: test_ask.py:* sends the request",
                "To record it: pytest test_ask.py::test_ask --record-mode=rewrite --harness-upstream=simulator",
            ]
        )


def test_an_unplayed_interaction_fails(repository: pytest.Pytester) -> None:
    """A test that asks for less than was recorded is stale."""
    _recorded(repository, TEST.replace("assert ask()", "assert ask() and ask('More.')"))
    repository.makepyfile(test_ask=TEST)
    run = repository.runpytest_subprocess()
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["1 of 2 recorded interactions of */test_ask.json were not played: 1."])
    repository.makepyfile(
        test_ask="import pytest\n" + TEST.replace("def test", "@pytest.mark.harness_unplayed\ndef test")
    )
    repository.runpytest_subprocess().assert_outcomes(passed=1)


def test_no_request_at_all_fails(repository: pytest.Pytester) -> None:
    """Unless that is what the test is marked for."""
    repository.makepyfile("def test_idle(cassette): pass")
    run = repository.runpytest_subprocess()
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        ["The test sent no request. If that is its point, mark it @pytest.mark.harness_no_request;*"]
    )
    repository.makepyfile("import pytest\n@pytest.mark.harness_no_request\ndef test_idle(cassette): pass")
    repository.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_network_is_refused_while_a_cassette_plays(repository: pytest.Pytester) -> None:
    """Also when the attempt is swallowed."""
    repository.makepyfile(
        """
        import socket

        def test_reach(cassette):
            try:
                socket.create_connection(("192.0.2.1", 80), timeout=1)
            except BaseException:
                pass
        """
    )
    run = repository.runpytest_subprocess()
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["this test plays recordings, but tried to reach 192.0.2.1:80; it is no host of the API*"])


def test_a_failed_test_leaves_no_cassette(repository: pytest.Pytester) -> None:
    """A cassette is written once its test has passed."""
    repository.makepyfile(test_ask=TEST.replace("assert ask()", "assert not ask()"))
    repository.runpytest_subprocess(*RECORD).assert_outcomes(failed=1)
    assert not (repository.path / "recordings").exists()


def test_a_rewrite_in_which_only_times_differ_changes_no_file(repository: pytest.Pytester) -> None:
    """Not even its moment of modification."""
    path = _recorded(repository)
    before = path.read_bytes(), path.stat().st_mtime_ns
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=1)
    assert before == (path.read_bytes(), path.stat().st_mtime_ns)


@pytest.mark.parametrize(
    ("mode", "asked", "interactions"), [("once", "", 1), ("new_episodes", "and ask('More.')", 2), ("all", "", 2)]
)
def test_record_modes_mean_what_they_mean_elsewhere(
    repository: pytest.Pytester, mode: str, asked: str, interactions: int
) -> None:
    """On top of a cassette with one interaction."""
    path = _recorded(repository)
    repository.makepyfile(test_ask=TEST.replace("assert ask()", f"assert ask() {asked}"))
    repository.runpytest_subprocess(f"--record-mode={mode}", "--harness-upstream=simulator").assert_outcomes(passed=1)
    assert interactions == len(json.loads(path.read_bytes())["interactions"])


def test_a_session_tells_the_bodies_and_makes_clients(repository: pytest.Pytester) -> None:
    """A body that is no JSON is told as bytes, none as nothing; clients are the same, recorded and played."""
    repository.makepyfile(
        test_ask=ASK
        + """
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}

def test_ask(cassette):
    url = f"{anthropic.Anthropic().base_url}".rstrip("/")
    with cassette.http_client() as client:
        settings = (client.timeout.connect, client.timeout.read, client.follow_redirects)
        assert (5.0, 600.0, True) == settings
        client.get(f"{url}/v1/models", headers=HEADERS)
        client.post(f"{url}/v1/files", content=b"--no json", headers=HEADERS)
        client.post(f"{url}/v1/messages", json={"a": 1}, headers=HEADERS)
    assert (None, b"--no json", {"a": 1}) == cassette.bodies
"""
    )
    repository.runpytest_subprocess(*RECORD).assert_outcomes(passed=1)
    repository.runpytest_subprocess().assert_outcomes(passed=1)


def test_recording_disabled_goes_straight_to_the_upstream(repository: pytest.Pytester) -> None:
    """No cassette is read or written."""
    repository.makepyfile(test_ask=TEST)
    run = repository.runpytest_subprocess("--disable-recording", "--harness-upstream=simulator")
    run.assert_outcomes(passed=1)
    assert not (repository.path / "recordings").exists()
    run.stdout.fnmatch_lines(["answered: 1 run by the simulator"])


def test_the_matrix_is_one_item_a_combination(repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flags of the project, in stable ids; requirements are held; the variables of flags that are off are unset.

    A variable that the project does not declare stays, though the reference agent reads it.
    """
    monkeypatch.setenv("MAX_TOKENS", "9")
    monkeypatch.setenv("ENABLE_PROMPT_CACHE", "1")
    repository.makepyprojecttoml(
        """
        [tool.flag-harness.flags]
        streaming = "ENABLE_STREAMING"
        planner = { env = "PLANNER_V2", requires = ["streaming"] }
        """
    )
    repository.makepyfile(
        """
        import os
        import pytest

        @pytest.mark.flag_matrix("planner", "streaming")
        def test_flags(flags):
            expected = ["true" if name in flags else None for name in ("streaming", "planner")]
            assert expected == [os.environ.get("ENABLE_STREAMING"), os.environ.get("PLANNER_V2")]
            assert ("9", "1") == (os.environ["MAX_TOKENS"], os.environ["ENABLE_PROMPT_CACHE"])

        @pytest.mark.flags(streaming=True)
        def test_without_the_fixture():
            assert os.environ["ENABLE_STREAMING"] == "true"

        @pytest.mark.flags(planner=True, streaming=True)
        def test_pinned(flags):
            assert (os.environ["PLANNER_V2"], os.environ["ENABLE_STREAMING"]) == ("true", "true")
        """
    )
    run = repository.runpytest_subprocess("-v")
    run.assert_outcomes(passed=5)
    run.stdout.fnmatch_lines(
        ["*test_flags[[]off[]]*", "*test_flags[[]streaming[]]*", "*test_flags[[]streaming+planner[]]*"]
    )


def test_the_matrix_sets_the_environment_of_tests_that_ask_for_no_fixture(repository: pytest.Pytester) -> None:
    """A mark is enough."""
    repository.makepyfile(
        """
        import os
        import pytest

        seen = []

        @pytest.mark.flag_matrix("streaming")
        def test_it():
            seen.append(os.environ.get("ENABLE_STREAMING"))

        def test_both_were_run():
            assert seen == [None, "true"]
        """
    )
    repository.runpytest_subprocess().assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (
            'flag_matrix("streeming")',
            "test_it.py::test_it: @pytest.mark.flag_matrix: no flag is called 'streeming'; "
            "the nearest is 'streaming'; known: planner, streaming",
        ),
        (
            "flags(streeming=True)",
            "test_it.py::test_it: @pytest.mark.flags: no flag is called 'streeming'; "
            "the nearest is 'streaming'; known: planner, streaming",
        ),
        (
            'flags("streaming")',
            "test_it.py::test_it: @pytest.mark.flags: 'streaming' is neither on nor off; "
            "pin by name: flags(streaming=True)",
        ),
        (
            'flags(streaming="false")',
            "test_it.py::test_it: @pytest.mark.flags: streaming='false' must be True or False",
        ),
        (
            "flags(planner=True)",
            "test_it.py::test_it: @pytest.mark.flags: planner=True requires streaming=True; pin it too",
        ),
        (
            'flag_matrix("planner")',
            "test_it.py::test_it: @pytest.mark.flag_matrix: flag 'planner' requires 'streaming', which is not among "
            "these flags (planner); add 'streaming' to them",
        ),
    ],
)
def test_a_mistake_in_a_mark_is_told(repository: pytest.Pytester, mark: str, message: str) -> None:
    """With what is declared, or what to write instead."""
    repository.makepyprojecttoml(
        """
        [tool.flag-harness.flags]
        planner = { env = "PLANNER", requires = ["streaming"] }
        streaming = "ENABLE_STREAMING"
        """
    )
    repository.makepyfile(test_it=f"import pytest\n@pytest.mark.{mark}\ndef test_it(flags): pass\n")
    run = repository.runpytest_subprocess()
    assert message in run.stdout.str() + run.stderr.str()
    assert 0 != run.ret


def test_what_the_users_shell_says_of_the_api_is_not_played_with(
    repository: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its token, its host and its headers stay out of a test whose requests are answered."""
    names = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS")
    for name in names:
        monkeypatch.setenv(name, "x-team: blue")
    repository.makepyfile(
        f"""
        import os
        import pytest

        @pytest.mark.harness_no_request
        def test_it(cassette):
            assert [] == [name for name in {names!r} if name in os.environ]
        """
    )
    repository.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_shipped_flag_under_another_name_is_one_flag(repository: pytest.Pytester) -> None:
    """What the project calls its variable counts; no two flags of a combination share one."""
    repository.makeconftest('pytest_plugins = ["flag_harness.plugin.features"]')
    repository.makepyprojecttoml("[tool.flag-harness.flags]\nlive_text = 'ENABLE_STREAMING'\n")
    repository.makepyfile(
        """
        import os
        import pytest

        @pytest.mark.flags(live_text=True, prompt_cache=True)
        def test_it(flags):
            assert flags.id == "live_text+prompt_cache"
            assert os.environ["ENABLE_STREAMING"] == "true"
        """
    )
    repository.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "options"),
    [("flag_matrix('streaming')", ()), ("flags(streaming=True)", ()), ("flag_matrix", ("--harness-flags=streaming",))],
)
def test_the_flags_of_the_reference_agent_are_unknown_beside_flags_of_the_project(
    repository: pytest.Pytester, mark: str, options: tuple[str, ...]
) -> None:
    """A typo must not find a flag that nobody declared, and that the agent never reads."""
    repository.makepyprojecttoml("[tool.flag-harness.flags]\nstream_text = 'STREAM_TEXT'\n")
    repository.makepyfile(test_it=f"import pytest\n@pytest.mark.{mark}\ndef test_it(flags): pass\n")
    run = repository.runpytest_inprocess(*options)
    expected = "no flag is called 'streaming'; the nearest is 'stream_text'; known: stream_text"
    assert expected in run.stdout.str() + run.stderr.str()
    assert 0 != run.ret


def test_an_unknown_key_of_the_configuration_is_a_usage_error(repository: pytest.Pytester) -> None:
    """With the nearest key."""
    repository.makepyprojecttoml("[tool.flag-harness]\nmodell = 'x'\n")
    run = repository.runpytest_subprocess()
    assert 4 == run.ret
    run.stderr.fnmatch_lines(
        ["ERROR: *pyproject.toml:2: [[]tool.flag-harness[]] has no key 'modell'; the nearest is 'model' (all: agent, *"]
    )


@pytest.mark.usefixtures("cold")
def test_a_run_that_does_not_use_the_harness_is_unchanged(repository: pytest.Pytester) -> None:
    """No table, no import of an HTTP client, fixtures with any names."""
    repository.makepyfile(
        """
        import sys
        import pytest

        @pytest.fixture
        def agent():
            return "mine"

        def test_own(agent):
            assert agent == "mine"
            assert not {"anthropic", "httpx", "httpx2", "msgspec", "pydantic"} & set(sys.modules)
        """
    )
    run = repository.runpytest_subprocess("-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:respx")
    run.assert_outcomes(passed=1)
    run.stdout.no_fnmatch_line("*flag harness*")


def test_workers_hand_over_their_rows(repository: pytest.Pytester) -> None:
    """The table of a run on several workers is that of a run on one."""
    _recorded(repository)
    alone = repository.runpytest_subprocess().stdout.lines
    spread = repository.runpytest_subprocess("-n", "2").stdout.lines
    start = next(place for place, line in enumerate(alone) if "flag harness" in line)
    table = alone[start + 1 : -1]
    assert table == [line for line in spread if line in table]


def test_faults_come_before_the_cassette_and_must_fire(repository: pytest.Pytester) -> None:
    """A fault that answers uses up no interaction; one that never fired fails its test."""
    _recorded(repository)
    marked = "import pytest\nfrom flag_harness.faults import overloaded\n" + TEST.replace(
        "def test_ask(cassette):\n    assert ask()",
        "@pytest.mark.faults(overloaded(on=N))\ndef test_ask(cassette):\n"
        "    with pytest.raises(anthropic.APIStatusError) if N == 1 else open('test_ask.py'):\n        ask()\n"
        "    if N == 1: assert ask()",
    )
    repository.makepyfile(test_ask="N = 1\n" + marked)
    repository.runpytest_subprocess().assert_outcomes(passed=1)
    repository.makepyfile(test_ask="N = 2\n" + marked)
    run = repository.runpytest_subprocess()
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["fault overloaded:on=2 never fired: it saw 1 request, of which none was due"])


def test_a_request_that_no_turn_of_the_scenario_answers_fails_its_test(repository: pytest.Pytester) -> None:
    """Also if the code under test swallows the error."""
    scenarios = repository.mkdir("fixtures") / "scenarios"
    scenarios.mkdir()
    (scenarios / "only.toml").write_text('[[turn]]\nwhen = { user_contains = "refund" }\ntext = "Done."\n')
    test = (
        "import contextlib, pytest\n"
        + ASK
        + """
@pytest.mark.scenario("only")
def test_ask(cassette):
    with contextlib.suppress(Exception):
        ask()
"""
    )
    repository.makepyfile(test_ask=test)
    run = repository.runpytest_subprocess(*RECORD)
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "*only.toml: no turn answers: *",
            "-* to answer the request, add to fixtures/scenarios/only.toml -*",
            "[[][[]turn]]",
            'when = { user_contains = "*" }',
            'text = "..."',
        ]
    )
    run.stdout.no_fnmatch_line("*UnmatchedRequest(*")


KEEPS = """
import pytest

from flag_harness import CassetteTraffic

ALIVE = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    result = yield
    gc.collect()
    alive = [one for one in gc.get_objects() if isinstance(one, CassetteTraffic)]
    ALIVE.append(sum(one.plan.cassette_path.is_relative_to(item.config.rootpath) for one in alive))
    return result

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"alive after each test: {ALIVE}")
"""


@pytest.mark.parametrize("run", [(), ("--record-mode=rewrite",)], ids=["simulated", "recorded"])
def test_a_long_run_does_not_keep_the_traffic_of_its_tests(repository: pytest.Pytester, run: tuple[str, ...]) -> None:
    """Though pytest keeps the tests until the run ends. The traceback of a failure may hold on to its own."""
    repository.makeconftest(f"import gc\n{KEEPS}")
    tests = "\n".join(f"def test_{number}(cassette):\n    ask()\n    assert {number}\n" for number in range(5))
    repository.makepyfile(test_ask=f"{ASK}\n{tests}")
    options = run or ("--disable-recording",)
    done = repository.runpytest_inprocess(*options, "--harness-upstream=simulator")
    done.assert_outcomes(passed=4, failed=1)
    done.stdout.fnmatch_lines(["alive after each test: [[]1, 1, 1, 1, 1[]]"])
