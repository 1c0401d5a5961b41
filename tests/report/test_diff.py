"""`flag-harness report diff`: what differs between two runs, and which thresholds are exceeded."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli import main
from flag_harness.record import RequestRecord, RunHeader, RunRow, body_hash, encode_record
from flag_harness.record.outline import body_outline
from flag_harness.wire.usage import Usage

Diff = Callable[..., tuple[int, str]]


@pytest.fixture
def diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Diff:
    """Return a function that compares two lists of rows in a project, and returns the exit code and the output."""
    monkeypatch.chdir(tmp_path)

    def compare(base: Iterable[RunRow], head: Iterable[RunRow], settings: str = "", *options: str) -> tuple[int, str]:
        Path("pyproject.toml").write_text(f"[tool.flag-harness.diff]\n{settings}\n", encoding="utf-8")
        for name, rows in (("base", base), ("head", head)):
            Path(f"{name}.jsonl").write_bytes(encode_record(RunHeader(commit=name, exit_status=0), rows))
        code = main(["report", "diff", "base.jsonl", "head.jsonl", *options])
        return code, capsys.readouterr().out

    return compare


def _row(name: str = "a", outcome: Any = "passed", **fields: Any) -> RunRow:
    return RunRow(case=f"test_a.py::test_{name}", combination="off", outcome=outcome, **fields)


def test_equal_runs_are_within_the_thresholds(diff: Diff) -> None:
    """The exit code is 0, and the output says on how many runs figures were compared."""
    code, output = diff([_row(cost=0.5)], [_row(cost=0.5)], 'cost = "0%"')
    assert 0 == code
    assert "Within the thresholds" == output.splitlines()[0]
    assert "the mean of 1 run that passed in both records" in output


def test_a_newly_failing_test_fails_the_comparison(diff: Diff) -> None:
    """Unless the project says that outcomes do not count."""
    code, output = diff([_row()], [_row(outcome="failed")])
    assert 1 == code
    assert "outcomes: 1 newly failing, 0 newly flaky, 0 with new misses" in output
    assert "Newly failing\n  test_a.py::test_a\n" in output
    assert 0 == diff([_row()], [_row(outcome="failed")], "outcomes = false")[0]


def test_outcomes_are_told_apart(diff: Diff) -> None:
    """Flaky tests fail in some repetitions only; a new test that fails and one that is gone have their own lists."""
    base = [_row("flaky"), _row("flaky", repetition=1), _row("mended", "failed"), _row("gone")]
    head = [_row("flaky"), _row("flaky", "failed", repetition=1), _row("mended"), _row("new", "failed")]
    code, output = diff(base, head, "", "--json")
    outcomes = json.loads(output)["outcomes"]
    assert 1 == code
    assert ["test_a.py::test_flaky"] == outcomes["newly_flaky"]
    assert ["test_a.py::test_mended"] == outcomes["newly_passing"]
    assert ["test_a.py::test_gone"] == outcomes["missing"]
    assert ["test_a.py::test_new"] == outcomes["failing_additions"]
    assert [] == outcomes["newly_failing"]


def test_new_misses_are_shown_by_path(diff: Diff) -> None:
    """A miss that the first run had too is not new."""
    old, new = "POST /v1/messages: model", "POST /v1/messages: system[0].text"
    code, output = diff([_row(misses=(old,))], [_row(misses=(old, new))])
    assert 1 == code
    assert new in output
    assert old not in output


@pytest.mark.parametrize(
    ("limit", "code"),
    [('cost = "10%"', 0), ('cost = "9%"', 1), ("cost = 0.05", 0), ("cost = 0.04", 1), ("output_tokens = 0", 0)],
)
def test_a_figure_may_grow_up_to_its_threshold(diff: Diff, limit: str, code: int) -> None:
    """The threshold is a share of the base, or an amount a run."""
    base = [_row(name, cost=0.5, usage=Usage(10, 10)) for name in "ab"]
    head = [_row(name, cost=0.55, usage=Usage(10, 10)) for name in "ab"]
    assert code == diff(base, head, limit)[0]


def test_fewer_cached_tokens_are_worse(diff: Diff) -> None:
    """More of them are not."""
    few, many = ([_row(usage=Usage(1, 1, cache_read_input_tokens=count))] for count in (100, 200))
    assert 1 == diff(many, few, 'cached_tokens = "10%"')[0]
    assert 0 == diff(few, many, 'cached_tokens = "10%"')[0]


def test_figures_are_compared_on_the_same_tests_only(diff: Diff) -> None:
    """A test that only one run has, or that failed in one, or that was simulated in one only, does not count."""
    base = [_row("a", cost=1.0), _row("failed", cost=1.0), _row("simulated", cost=1.0), _row("old", cost=9.0)]
    head = [
        _row("a", cost=1.0),
        _row("failed", "failed", cost=2.0),
        _row("simulated", cost=2.0, answered_by="simulator"),
        _row("new", cost=7.0),
    ]
    values = json.loads(diff(base, head, 'cost = "0%"', "--json")[1])
    assert (1.0, 1.0, 1) == tuple(values["figures"]["cost"][key] for key in ("base", "head", "pairs"))
    assert (1, 2) == (values["compared"], values["not_compared"])


def test_simulated_figures_are_marked(diff: Diff) -> None:
    """In every view."""
    rows = [_row(recorded_from="simulator")]
    assert "Figures (simulated: tokens are the simulator's estimate" in diff(rows, rows)[1]
    assert "### Figures (simulated: " in diff(rows, rows, "", "--markdown")[1]
    assert json.loads(diff(rows, rows, "", "--json")[1])["is_simulated"]


def test_changed_bodies_fail_if_the_project_says_so(diff: Diff) -> None:
    """Each changed request is named; its content is not in the record."""
    before, after = (RequestRecord("POST", "/v1/messages", 200, body_hash(body)) for body in (b"1", b"2"))
    base, head = [_row(requests=(before, before))], [_row(requests=(before, after, after))]
    assert 0 == diff(base, head)[0]
    code, output = diff(base, head, "bodies = true")
    assert 1 == code
    assert "request 2: body changed" in output
    assert "2 requests are now 3" in output


def _request(body: Any) -> RequestRecord:
    return RequestRecord(
        "POST", "/v1/messages", 200, body_hash(json.dumps(body).encode()), body_outline=body_outline(body)
    )


def test_bodies_are_compared_by_path(diff: Diff) -> None:
    """Each path that changed, from what to what, and in how many tests; texts are not in the record."""
    body = {"max_tokens": 4096, "system": "Be kind.", "messages": [{"content": "Hi."}, {"id": "toolu_0123456"}]}
    new = {**body, "max_tokens": 8192, "system": "Be brief.", "stream": True}
    longer = {**body, "messages": [{"content": "Hello."}, {"id": "toolu_6543210"}, {"content": "Bye."}]}
    base = [_row(name, requests=(_request(body), _request(body))) for name in ("a", "b")]
    head = [_row("a", requests=(_request(new), _request(body))), _row("b", requests=(_request(new), _request(longer)))]
    output = diff(base, head)[1]
    table = [line.split("  ") for line in output.partition("Request bodies\n")[2].partition("\n\n")[0].splitlines()]
    assert [
        ["path", "base", "head", "in"],
        ["max_tokens", "4096", "8192", "2 tests"],
        ["stream", "absent", "true", "2 tests"],
        ["system", "text", "another text", "2 tests"],
        ["messages[*]", "absent", "text", "1 test"],
        ["messages[*]", "text", "another text", "1 test"],
    ] == [[cell.strip() for cell in line if cell] for line in table]
    assert "request 1: max_tokens: 4096 → 8192, system: changed, stream: absent → true" in output
    assert "| `max_tokens` | 4096 | 8192 | 2 tests |" in diff(base, head, "", "--markdown")[1]
    first = json.loads(diff(base, head, "", "--json")[1])["paths"][0]
    assert {
        "path": "max_tokens",
        "before": "4096",
        "after": "8192",
        "cases": ["test_a.py::test_a", "test_a.py::test_b"],
    } == first


def test_bodies_that_differ_only_in_ids_of_the_api_are_equal(diff: Diff) -> None:
    """So two live runs can be compared."""
    old, new = (_request({"messages": [{"content": [{"tool_use_id": f"toolu_01234{n}"}]}]}) for n in (1, 2))
    assert old.body_hash != new.body_hash
    code, output = diff([_row(requests=(old,))], [_row(requests=(new,))], "bodies = true")
    assert 0 == code
    assert "Changed requests" not in output


def test_an_effect_that_changed_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the intervals of the two runs do not overlap."""

    def rows(price: float) -> list[RunRow]:
        return [
            RunRow(
                case=f"test_{n}.py::test[{name}]", combination=name, outcome="passed", cost=cost, values={"fast": on}
            )
            for n in range(3)
            for name, on, cost in (("off", False, 1.0 + n), ("fast", True, (price + n / 100) * (1.0 + n)))
        ]

    monkeypatch.chdir(tmp_path)
    header = RunHeader(flags={"fast": {"default": False}})
    for name, price in (("base", 0.5), ("head", 0.8)):
        Path(f"{name}.jsonl").write_bytes(encode_record(header, rows(price)))
    assert 0 == main(["report", "diff", "base.jsonl", "head.jsonl"])
    section = capsys.readouterr().out.partition("Effects of flags that changed")[2]
    assert "fast" in section
    assert "cost" in section


def test_a_wrong_threshold_is_named(diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    """With its line and what it must be."""
    assert 2 == diff([_row()], [_row()], 'cost = "five"')[0]
    Path("pyproject.toml").write_text('[tool.flag-harness.diff]\ncosts = "5%"\n', encoding="utf-8")
    assert 2 == main(["report", "diff", "base.jsonl", "head.jsonl"])
    assert "cost" in capsys.readouterr().err


def test_an_incomplete_record_fails_the_comparison(diff: Diff, capsys: pytest.CaptureFixture[str]) -> None:
    """The output names the torn line."""
    diff([_row()], [_row()])
    with Path("head.jsonl").open("ab") as file:
        file.write(b'{"case":')
    assert 1 == main(["report", "diff", "base.jsonl", "head.jsonl"])
    assert "head.jsonl:3: the last line is incomplete" in capsys.readouterr().out


def test_other_declarations_of_flags_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flag may be new, changed, or gone."""
    monkeypatch.chdir(tmp_path)
    flags = {
        "base": {"same": {}, "old": {}, "model": {"env": "A"}},
        "head": {"same": {}, "new": {}, "model": {"env": "B"}},
    }
    for name, declared in flags.items():
        Path(f"{name}.jsonl").write_bytes(encode_record(RunHeader(flags=declared), [_row()]))
    assert 0 == main(["report", "diff", "base.jsonl", "head.jsonl"])
    shown = capsys.readouterr().out
    assert "Code\n  flag model: declared otherwise\n  flag new: new\n  flag old: no longer declared\n" in shown


def test_a_growth_that_is_no_chance_has_an_interval(diff: Diff) -> None:
    """In percent, or as an amount if the first run has none."""
    base = [_row(name, cost=0.5, usage=Usage(1, 1)) for name in "abc"]
    head = [
        _row(name, cost=cost, usage=Usage(1, 1, cache_read_input_tokens=cached))
        for name, cost, cached in zip("abc", (0.55, 0.56, 0.57), (100, 110, 120), strict=True)
    ]
    output = diff(base, head)[1]
    assert "+12.0 % (+7.0 % to +17.0 %)" in output
    assert "+110 (+85.16 to +134.8)" in output


def test_a_long_section_is_cut_in_the_terminal(diff: Diff) -> None:
    """It says how many tests are left out."""
    names = [f"{number:02}" for number in range(22)]
    output = diff([_row(name) for name in names], [_row(name, "failed") for name in names])[1]
    assert "test_a.py::test_19\n  and 2 more; --json has all\n" in output
    assert "test_a.py::test_20" not in output


def test_markdown_lists_what_exceeds_a_threshold(diff: Diff) -> None:
    """As a list below the headline."""
    lines = diff([_row()], [_row(outcome="failed")], "", "--markdown")[1].splitlines()
    assert ["## ❌ 1 threshold exceeded", ""] == lines[:2]
    assert lines[2].startswith("- outcomes: 1 newly failing")


def test_a_threshold_that_no_run_can_be_compared_with_is_named(diff: Diff) -> None:
    """It fails the comparison if no run passed in both records."""
    assert "Not checked, because no compared run has it: cost." in diff([_row()], [_row()], 'cost = "5%"')[1]
    code, output = diff([_row(cost=1.0)], [_row("b", cost=1.0)], 'cost = "5%"')
    assert 1 == code
    assert "cost: no run passed in both records, so nothing can be compared" in output


def test_an_effect_without_an_interval_is_not_called_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One pair of runs does not say how sure an effect is."""
    monkeypatch.chdir(tmp_path)
    for name, price in (("base", 0.5), ("head", 0.8)):
        rows = [
            RunRow(case=f"test_a.py::test[{row}]", combination=row, outcome="passed", cost=cost, values={"fast": on})
            for row, on, cost in (("off", False, 1.0), ("fast", True, price))
        ]
        header = RunHeader(flags={"fast": {"default": False}})
        Path(f"{name}.jsonl").write_bytes(encode_record(header, rows))
    assert 0 == main(["report", "diff", "base.jsonl", "head.jsonl"])
    assert "Effects of flags that changed" not in capsys.readouterr().out


def test_a_request_that_goes_elsewhere_is_named(diff: Diff) -> None:
    """Its body is not compared then."""
    before = RequestRecord("POST", "/v1/messages", 200, "1")
    after = RequestRecord("POST", "/v1/messages/batches", 200, "2")
    output = diff([_row(requests=(before,))], [_row(requests=(after,))], "bodies = true")[1]
    assert "request 1: POST /v1/messages is now POST /v1/messages/batches" in output
    assert "body changed" not in output
