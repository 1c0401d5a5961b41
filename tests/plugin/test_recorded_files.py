"""A recording run says which cassettes it wrote, and which it left as they were."""

import pytest

TEST = """
import anthropic, pytest

def ask():
    call = dict(model="claude-haiku-4-5", max_tokens=5, messages=[{"role": "user", "content": "Hello."}])
    return anthropic.Anthropic(max_retries=0).messages.create(**call)

@pytest.fixture(scope="session")
def greeting():
    return ask()

@pytest.mark.parametrize("n", range(6))
def test_ask(cassette, greeting, n):
    ask()
"""
RECORD = ("--record-mode=rewrite", "--harness-upstream=simulator")
FOLDER = "recordings/test_it"
FIVE = ", ".join([f"{FOLDER}/fixture-greeting.json", *(f"{FOLDER}/test_ask[[]n={n}[]].json" for n in range(4))])


def test_a_recording_run_names_up_to_five_cassettes(pytester: pytest.Pytester) -> None:
    """Those of fixtures too; the others are counted. What did not change is counted apart."""
    pytester.makepyfile(test_it=TEST)
    run = pytester.runpytest_subprocess(*RECORD)
    run.stdout.fnmatch_lines([f"recorded: wrote 7 cassettes: {FIVE}, and 2 more (-v names them)"])
    (pytester.path / FOLDER / "test_ask[n=3].json").unlink()
    again = pytester.runpytest_subprocess(*RECORD)
    again.stdout.fnmatch_lines(
        [
            f"recorded: wrote 1 cassette: {FOLDER}/test_ask[[]n=3[]].json",
            "recorded: 6 cassettes did not change but for times, and were not written",
        ]
    )
    pytester.runpytest_subprocess().stdout.no_fnmatch_line("recorded: *")


def test_workers_report_their_cassettes_and_v_names_all(pytester: pytest.Pytester) -> None:
    """One list for the whole run."""
    pytester.makepyfile(test_it=TEST)
    run = pytester.runpytest_subprocess(*RECORD, "-n", "2", "-v")
    run.stdout.fnmatch_lines([f"recorded: wrote 7 cassettes: {FIVE}, {FOLDER}/test_ask[[]n=4[]].json, *n=5[]].json"])


def test_a_quiet_run_names_no_cassettes(pytester: pytest.Pytester) -> None:
    """`-q` asks for less; the cassettes are written all the same."""
    pytester.makepyfile(test_it=TEST)
    run = pytester.runpytest_subprocess(*RECORD, "-q")
    assert (pytester.path / FOLDER / "test_ask[n=0].json").exists()
    run.stdout.no_fnmatch_line("recorded: *")


def test_the_cassettes_of_failed_tests_are_counted_as_not_written(pytester: pytest.Pytester) -> None:
    """A teardown that fails counts, too; a skipped test does not."""
    test = TEST.replace("    ask()\n", "    ask()\n    if n == 5: pytest.skip()\n    assert n in (1, 4)\n")
    pytester.makepyfile(test_it=test)
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def closed(request):
            yield
            assert "[4]" not in request.node.name
        """
    )
    run = pytester.runpytest_inprocess("-p", "no:asyncio", *RECORD)
    run.assert_outcomes(passed=2, failed=3, errors=1, skipped=1)
    run.stdout.fnmatch_lines(
        [
            f"recorded: wrote 2 cassettes: {FOLDER}/fixture-greeting.json, {FOLDER}/test_ask[[]n=1[]].json",
            "recorded: 4 cassettes not written, as their tests failed",
        ]
    )


def test_a_cassette_that_cannot_be_written_is_named(pytester: pytest.Pytester) -> None:
    """A file stands where its folder would be."""
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile(test_it=TEST.replace("range(6)", "range(1)"))
    (pytester.path / "recordings").write_text("")
    run = pytester.runpytest_inprocess("-p", "no:asyncio", "-v", *RECORD)
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(
        [
            "*.json was not written: *; what was there before is untouched.*",
            f"recorded: 1 cassette not written, as its test failed: {FOLDER}/test_ask[[]n=0[]].json",
        ]
    )
