"""Flags that the command line pins, and production as the baseline of a run."""

import json

import pytest

CONFIGURATION = """
[tool.flag-harness.flags]
streaming = "STREAM"
new_planner = { env = "PLANNER", requires = ["streaming"] }
concise = { env = "CONCISE", default = true }
model = { env = "MODEL", values = ["haiku", "sonnet", "opus"] }
"""
TEST = """
import os
import pytest

@pytest.mark.flag_matrix({arguments})
def test_it(flags):
    pass

@pytest.mark.flags(concise=False)
def test_marked(flags):
    assert os.environ["CONCISE"] == "false"
    print("marked", flags.id)

def test_plain(flags):
    print("plain", flags.id)
"""


def _ids(pytester: pytest.Pytester, *options: str, arguments: str = "") -> list[str]:
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=TEST.format(arguments=arguments))
    run = pytester.runpytest_subprocess("--collect-only", "-q", "test_it.py::test_it", *options)
    assert 0 == run.ret, run.outlines
    return [line.partition("[")[2].removesuffix("]") for line in run.outlines if "[" in line]


def test_pinned_flags_have_their_values_in_every_combination(pytester: pytest.Pytester) -> None:
    """The others vary."""
    found = _ids(pytester, "--harness-flags=streaming,-concise,model=opus")
    assert ["streaming+no-concise+model=opus", "streaming+new_planner+no-concise+model=opus"] == found


def test_an_id_pins_what_it_names(pytester: pytest.Pytester) -> None:
    """So that it can be copied from a report."""
    found = _ids(pytester, "--harness-flags=streaming+no-concise+model=opus", "--harness-matrix=2")
    assert ["streaming+no-concise+model=opus", "streaming+new_planner+no-concise+model=opus"] == found


def test_a_pinned_flag_brings_what_it_requires(pytester: pytest.Pytester) -> None:
    """Also for a test that names other flags, in a covering array."""
    found = _ids(pytester, "--harness-flags=new_planner", "--harness-matrix=single", arguments="'model'")
    assert ["streaming+new_planner", "streaming+new_planner+model=sonnet", "streaming+new_planner+model=opus"] == found


def test_tests_without_a_matrix_run_with_the_pinned_flags_too(pytester: pytest.Pytester) -> None:
    """Unless their own mark says otherwise."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=TEST.format(arguments=""))
    run = pytester.runpytest_subprocess("-s", "-k", "marked or plain", "--harness-flags=concise,new_planner")
    run.assert_outcomes(passed=2, deselected=3)
    run.stdout.fnmatch_lines(["*marked streaming+new_planner+no-concise*", "*plain streaming+new_planner*"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--harness-flags=streeming", "no flag is called 'streeming'; the nearest is 'streaming'; known: streaming, *"),
        ("--harness-flags=model", "'model' does not say which value 'model' has; write model=opus"),
        ("--harness-flags=model=opsu", "flag 'model' has no value 'opsu'; the nearest is 'opus'; known: haiku, *"),
        ("--harness-flags=-model=opus", "'-model=opus' does not say which value 'model' has; write model=opus"),
        ("--harness-flags=concise,-concise", "'concise,-concise' names 'concise' twice; leave one of them out"),
        ("--harness-flags=concise,", "'concise,' has an empty part; write streaming,-prompt_cache,model=haiku"),
    ],
)
def test_a_wrong_pin_stops_the_run(pytester: pytest.Pytester, option: str, message: str) -> None:
    """One line with the nearest name."""
    pytester.makepyprojecttoml(CONFIGURATION)
    run = pytester.runpytest_subprocess(option)
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines([f"ERROR: {option}: {message}"])


def test_pins_that_no_combination_has_are_an_error(pytester: pytest.Pytester) -> None:
    """It names the constraint."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=TEST.format(arguments=""))
    run = pytester.runpytest_subprocess("--harness-flags=new_planner,-streaming")
    run.stdout.fnmatch_lines(
        ["*no combination has new_planner=true, streaming=false: new_planner requires streaming; leave one of them out"]
    )


FLAGD = {
    "$schema": "https://flagd.dev/schema/v0/flags.json",
    "flags": {
        "streaming": {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"},
        "model": {
            "state": "ENABLED",
            "variants": {"small": "haiku", "big": "opus"},
            "defaultVariant": "big",
            "targeting": {"if": [True, "small"]},
        },
        "concise": {"state": "DISABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"},
        "checkout": {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"},
    },
}
LAUNCHDARKLY = {
    "flags": {
        "streaming": {"on": True, "variations": [True, False], "fallthrough": {"variation": 0}, "offVariation": 1},
        "model": {
            "on": True,
            "variations": ["haiku", "opus"],
            "fallthrough": {"rollout": {"variations": [{"variation": 0, "weight": 1}, {"variation": 1, "weight": 9}]}},
            "rules": [{}],
        },
        "new-planner": {"on": False, "variations": [True, False], "offVariation": 1},
    }
}
API = {
    "items": [
        {
            "key": "streaming",
            "variations": [{"value": True}, {"value": False}],
            "environments": {"production": {"on": True, "fallthrough": {"variation": 0}}, "test": {"on": False}},
        },
        {
            "key": "model",
            "variations": [{"value": "haiku"}, {"value": "opus"}],
            "environments": {"production": {"on": False, "offVariation": 1}},
        },
    ]
}
PLAIN = {"streaming": True, "model": "opus"}
STATE = {"streaming": True, "model": "opus", "$flagsState": {"streaming": {"variation": 0}}, "$valid": True}


@pytest.mark.parametrize(
    "export",
    [PLAIN, {"flagValues": {"Streaming": True, "model": "opus"}}, STATE, FLAGD, LAUNCHDARKLY, API],
    ids=["plain", "flagValues", "state", "flagd", "launchdarkly", "launchdarkly-api"],
)
def test_a_run_starts_from_production_and_changes_one_flag_at_a_time(
    pytester: pytest.Pytester, export: dict[str, object]
) -> None:
    """Whoever keeps the flags; the change that is asked for comes last."""
    (pytester.path / "prod.json").write_text(json.dumps(export))
    assert [
        "streaming+model=opus",
        "model=opus",
        "streaming+new_planner+model=opus",
        "streaming+no-concise+model=opus",
        "streaming",
        "streaming+model=sonnet",
        "streaming+new_planner+model=sonnet",
    ] == _ids(pytester, "--harness-baseline=prod.json", "--harness-flags=new_planner,model=sonnet")
    assert ["streaming+model=opus", "streaming", "streaming+model=sonnet"] == _ids(
        pytester, "--harness-baseline=prod.json", arguments="'model'"
    )


def test_what_an_export_cannot_say_is_noted_at_the_start(pytester: pytest.Pytester) -> None:
    """Rules, rollouts, disabled flags, and keys without a declaration."""
    pytester.makepyprojecttoml(CONFIGURATION)
    (pytester.path / "prod.json").write_text(json.dumps(FLAGD))
    pytester.runpytest_subprocess("--harness-baseline=prod.json").stdout.fnmatch_lines(
        [
            "baseline: prod.json: streaming=True, model=opus",
            "  model: its targeting is not followed",
            "  concise: is disabled, so the agent's default counts",
            "  not in it, so at their default: new_planner, concise",
            "  not declared, so ignored: checkout",
        ]
    )
    (pytester.path / "prod.json").write_text(json.dumps(LAUNCHDARKLY))
    pytester.runpytest_subprocess("--harness-baseline=prod.json").stdout.fnmatch_lines(
        ["  model: its rules are not followed", "  model: is rolled out by percentage; its largest part counts"]
    )


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("[", (), "ERROR: prod.json is not JSON: *; give an export of flagd or LaunchDarkly, or {flag: value}"),
        ("[]", (), "ERROR: prod.json must be an object, not list; give an export of flagd or LaunchDarkly, *"),
        (
            '{"model": "sonet"}',
            (),
            "ERROR: prod.json: flag 'model' has no value 'sonet'; the nearest is 'sonnet'; known: haiku, sonnet, opus",
        ),
        ('{"a": 1}', (), "ERROR: prod.json: it gives no declared flag a value; declared: streaming, *; its keys: a"),
        (
            '{"flags": {"model": {"variants": {"a": "opus"}, "defaultVariant": "b"}}}',
            (),
            "ERROR: prod.json: model: defaultVariant 'b' is none of its variants; the nearest is 'a'; known: a",
        ),
        (
            '{"flags": {"model": {"variations": ["opus"], "on": false, "offVariation": 3}}}',
            (),
            "ERROR: prod.json: model: variation 3 does not exist; it has 1",
        ),
        (
            '{"flags": {"model": {"value": "opus"}}}',
            (),
            "ERROR: prod.json: model has neither variants (flagd) nor variations and on (LaunchDarkly); give *",
        ),
        (
            '{"items": [{"key": "model", "environments": {"a": {}, "b": {}}}]}',
            (),
            "ERROR: prod.json: model has no environment 'production' (found: a, b); export one: ?env=NAME",
        ),
        (
            '{"streaming": true}',
            ("--harness-matrix=2",),
            "ERROR: --harness-baseline says which combinations are run; leave out --harness-matrix",
        ),
    ],
)
def test_a_wrong_baseline_stops_the_run(
    pytester: pytest.Pytester, text: str, options: tuple[str, ...], message: str
) -> None:
    """One line that says what to give."""
    pytester.makepyprojecttoml(CONFIGURATION)
    (pytester.path / "prod.json").write_text(text)
    run = pytester.runpytest_subprocess("--harness-baseline=prod.json", *options)
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines([message.replace("[", "[[]")])


def test_a_missing_baseline_stops_the_run(pytester: pytest.Pytester) -> None:
    """With the path."""
    run = pytester.runpytest_subprocess("--harness-baseline=none.json")
    run.stderr.fnmatch_lines(["ERROR: none.json cannot be read: No such file or directory; give an export of *"])


@pytest.mark.parametrize(
    ("state", "options", "message"),
    [
        (
            {"new_planner": True},
            (),
            "*the state of production breaks a constraint: new_planner requires streaming; correct the file or *",
        ),
        (
            {"streaming": False},
            ("--harness-flags=new_planner,-streaming",),
            "*the constraints of the flags forbid the change of new_planner, streaming; ask for another",
        ),
    ],
)
def test_a_baseline_that_the_constraints_forbid_is_an_error(
    pytester: pytest.Pytester, state: dict[str, bool], options: tuple[str, ...], message: str
) -> None:
    """At collection, with the constraint."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(test_it=TEST.format(arguments=""))
    (pytester.path / "prod.json").write_text(json.dumps(state))
    run = pytester.runpytest_subprocess("--harness-baseline=prod.json", *options)
    run.stdout.fnmatch_lines([message])


def test_a_failure_under_pinned_flags_is_explained_exactly(pytester: pytest.Pytester) -> None:
    """All combinations that the pins leave were run, so nothing is a guess."""
    pytester.makepyprojecttoml(CONFIGURATION)
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.flag_matrix
        def test_it(flags):
            assert "model=opus" not in flags or "concise" not in flags
        """
    )
    run = pytester.runpytest_subprocess("--harness-flags=streaming", "-q")
    run.assert_outcomes(passed=10, failed=2)
    run.stdout.fnmatch_lines(
        [
            "fails when concise and model=opus: 1 test (test_it.py::test_it[[]*[]])",
            "  To reproduce: pytest 'test_it.py::test_it[[]streaming+model=opus[]]'*",
        ]
    )
