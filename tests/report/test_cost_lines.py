"""What each flag costs or saves, as the terminal shows it."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from flag_harness.record import RunRecord
from flag_harness.report.failures.causes import flags_in_header
from flag_harness.report.flags.cost_lines import flag_cost_lines
from flag_harness.report.flags.figures import MEANS_NOTE


def test_each_flag_has_a_line(make_record: Callable[[int], RunRecord]) -> None:
    """With what it changes and how many pairs say so, and then which pairs are not compared."""
    record = make_record(8)
    assert [
        MEANS_NOTE,
        "streaming        first token 0.97 → 0.24 s (28 of 32 pairs), simulated",
        "prompt_cache     cost $0.019 → $0.011 (-$8.10 per 1,000 runs); "
        "tokens input 4,800 → 2,100 (28 of 32 pairs), simulated",
        "extended_output  the same cost, tokens, total time, first token and requests (30 of 32 pairs), simulated",
        "streaming, prompt_cache: 4 of 32 pairs left out, as a run of the pair failed: "
        "test_agent_answers_question_0 (2), test_agent_answers_question_4 (2)",
        "extended_output: 2 of 32 pairs left out, as a run of the pair failed: "
        "test_agent_answers_question_0 (1), test_agent_answers_question_4 (1)",
    ] == list(flag_cost_lines(record.rows, flags_in_header(record.header)))
    alone = [row for row in record.rows if row.combination == "off"]
    failed = [replace(row, outcome="failed") for row in record.rows if row.combination in ("off", "streaming")]
    assert "streaming  unknown: none of 8 pairs of runs can be compared" == next(
        flag_cost_lines(failed, flags_in_header(record.header))
    )
    assert [] == list(flag_cost_lines(alone, flags_in_header(record.header)))


def test_a_run_of_a_matrix_ends_with_them(pytester: pytest.Pytester) -> None:
    """Not if it is quiet, and not if no test ran under two combinations."""
    pytester.makepyprojecttoml('[tool.flag-harness.flags]\nfast = "FAST"\n')
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.harness_no_request
        @pytest.mark.flag_matrix("fast")
        def test_a(cassette, flags):
            pass
        """
    )
    title, line = "what each flag costs (+) or saves (-)", "fast  * (1 of 1 pairs)"
    pytester.runpytest_inprocess().stdout.fnmatch_lines([f"*{title}*", line])
    pytester.runpytest_inprocess("-q").stdout.no_fnmatch_line(f"*{title}*")
    pytester.runpytest_inprocess("--harness-flags=fast").stdout.no_fnmatch_line(f"*{title}*")
