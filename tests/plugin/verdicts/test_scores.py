"""`harness_score`: grades of a run, in its row."""

import json

import pytest

TEST = """
import pytest

def test_grades(cassette, harness_score):
    cassette.exchanges
    harness_score("tone", 0.75)
    assert harness_score("exact", "Yes.", equals="Yes.") == 1
    assert harness_score("pattern", "refunded 3", matches=r"refunded [0-9]") == 1
    assert harness_score("length", "abcd", by=lambda text: len(text) / 8) == 0.5
    assert harness_score("wrong", "No.", equals="Yes.") == 0

@pytest.mark.parametrize("value", [1.5, -0.1, "high", None])
def test_no_score(cassette, harness_score, value):
    with pytest.raises(ValueError, match="is no score; give a number from 0 to 1"):
        harness_score("tone", value)
"""


def test_scores_are_part_of_the_row(pytester: pytest.Pytester) -> None:
    """They are numbers from 0 to 1, given or computed; anything else is refused with what to give."""
    test = TEST.replace("import pytest\n", "import pytest\npytestmark = pytest.mark.harness_no_request\n", 1)
    pytester.makepyfile(test_it=test.replace("    cassette.exchanges\n", ""))
    run = pytester.runpytest_inprocess("--harness-record=run.jsonl")
    run.assert_outcomes(passed=5)
    rows = [json.loads(line) for line in (pytester.path / "run.jsonl").read_text().splitlines()[1:]]
    expected = {"tone": 0.75, "exact": 1.0, "pattern": 1.0, "length": 0.5, "wrong": 0.0}
    assert expected == rows[0]["scores"]
    assert [{}] * 4 == [row.get("scores", {}) for row in rows[1:]]
