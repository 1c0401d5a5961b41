"""Group the misses of a run (requests that a cassette does not hold) by their cause.

If one changed word in a shared prompt makes many tests miss, the first failure is shown in full and the others in one
line each; the summary names the cause once, with the tests that it affects. A miss that the API would refuse is always
shown in full.
"""

import os
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.matrix import node_id_without_combination
from flag_harness.plugin.border.offline import has_api_key
from flag_harness.plugin.modes import quoted_nodeid
from flag_harness.plugin.test.rows import has_record_row

if TYPE_CHECKING:
    from flag_harness.cassette import Miss
    from flag_harness.plugin.run.flag_effects import FlagEffects
    from flag_harness.plugin.test.traffic import CassetteTraffic

MISSES_CACHE_KEY = "flag-harness/misses"
"""The key in pytest's cache for the misses of the last run, which `flag-harness cassette rebase` reads."""
MEND_CODE_FIRST_ADVICE = "If you did not mean a change below, mend the code. Else record it anew, or keep its answers:"
MAX_TESTS_SHOWN = 3
MAX_CHANGES_SHOWN = 3

MissRow = dict[str, Any]
"""One miss as plain values, which a worker can send as JSON."""


def encode_misses(item: pytest.Item, traffic: "CassetteTraffic", failure_message: str, reported_count: int) -> str:
    """Return the misses of a test (requests that its cassette lacks) as JSON, or an empty string if none is new.

    The first `reported_count` misses are left out. `failure_message` is the message with which the test failed.
    """
    if not (misses := traffic.misses[reported_count:]):
        return ""
    import msgspec  # imported here: a run without misses does not need it

    shared = {"is_only_cause": failure_message in traffic.miss_messages, "problem": _rebase_problem(traffic)}
    rows = [{**_make_miss_row(item, traffic, miss), **shared} for miss in misses]
    text = msgspec.json.encode(rows).decode()
    if traffic.mask(text) == text:
        return text
    masked = [
        {
            **row,
            "changes": [],
            "normalise": [],
            "is_masked": True,
            "differences": list(map(traffic.mask, row["differences"])),
            "api_refusal": traffic.mask(row["api_refusal"]),
        }
        for row in rows
    ]
    return msgspec.json.encode(masked).decode()


def _make_miss_row(item: pytest.Item, traffic: "CassetteTraffic", miss: "Miss") -> MissRow:
    from flag_harness.cassette.match.difference import describe_difference
    from flag_harness.cassette.rebase import request_changes_of_miss

    cassette = traffic.cassette
    changes = (
        request_changes_of_miss(miss, cassette.interactions[miss.nearest_index])
        if cassette and miss.nearest_index is not None
        else ()
    )
    return {
        "test": item.nodeid,
        "combination": traffic.plan.combination,
        "cassette": os.path.relpath(traffic.plan.cassette_path, item.config.rootpath),
        "request": f"{miss.sent_interaction.request.method} {miss.sent_interaction.request.path}",
        "index": miss.nearest_index,
        "differences": [describe_difference(one) for one in miss.differences] or [miss.reason],
        "changes": [change.to_json_object() for change in changes],
        "refusal": "; ".join(change.invalidation_reason for change in changes if change.invalidation_reason),
        "api_refusal": miss.api_refusal,
        "normalise": list(miss.normaliser_lines),
        "played": list(traffic.played),
        "is_masked": False,
        "upstream": traffic.plan.recording_upstream,
        "is_recorded": cassette is not None,
        "cost": _cost_to_record_again(traffic),
    }


def _rebase_problem(traffic: "CassetteTraffic") -> str:
    """Return why the cassette of a test cannot be rebased on what the test sends, or an empty string."""
    from flag_harness.cassette.rebase import RequestRewrite, find_rebase_problem, request_changes_of_miss
    from flag_harness.plugin.test.scenarios import find_api_refusal

    if (cassette := traffic.cassette) is None:
        return ""
    nearest = [
        (miss, miss.nearest_index) for miss in traffic.misses if miss.nearest_index is not None and miss.differences
    ]
    if len(nearest) < len(traffic.misses):
        return "another request of the test can only be recorded"
    rewrites = [
        RequestRewrite(index, request_changes_of_miss(miss, cassette.interactions[index])) for miss, index in nearest
    ]
    return find_rebase_problem(cassette, rewrites, traffic.played, find_api_refusal)


def _cost_to_record_again(traffic: "CassetteTraffic") -> float | None:
    """Return the estimated list price of recording a cassette again, or None if it is unknown."""
    from flag_harness.analysis.metrics import measure_traffic

    if traffic.cassette is None:
        return None
    return measure_traffic([(one.request, one.response) for one in traffic.cassette.interactions]).cost


class MissCollector:
    """Collects the misses of a run, shortens failures that repeat a cause, and prints each cause once."""

    def __init__(self, config: pytest.Config, effects: "FlagEffects") -> None:
        self._config = config
        self._effects = effects
        self._causes: dict[tuple[str, ...], list[MissRow]] = {}
        self._finished_tests: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the misses in a report. Shorten its failure if another test has shown the same cause."""
        text = getattr(report, "flag_harness_misses", "")
        if has_record_row(report) or text:
            self._finished_tests.add(report.nodeid)
        if not text:
            return
        import msgspec

        rows: list[MissRow] = msgspec.json.decode(text)
        known = all(miss_cause_key(row) in self._causes and not row["api_refusal"] for row in rows)
        if known and rows[0]["is_only_cause"]:
            row, first = rows[0], self._causes[miss_cause_key(rows[0])][0]
            report.longrepr = (
                f"{row['request']} is not in {row['cassette']}: {describe_changes_of_miss(row)} (as in {first['test']})"
            )
        for row in rows:
            self._causes.setdefault(miss_cause_key(row), []).append(row)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print each cause of misses. Causes that affect many tests come first."""
        if not self._causes:
            return
        terminalreporter.section("missed requests")
        rows = [row for group in self._causes.values() for row in group]
        leaking = self._effects.leaking_tests()
        kept = [row for row in rows if not _belongs_to_any_test(row, leaking)]
        if any(is_changed_request(row) for row in kept):
            terminalreporter.write_line(MEND_CODE_FIRST_ADVICE)
        for group in sorted(self._causes.values(), key=len, reverse=True):
            for line in miss_lines(group, leaking):
                terminalreporter.write_line(line)
        for line in self._record_lines([row for row in kept if is_changed_request(row)]):
            terminalreporter.write_line(line)
        if any(is_rebase_possible(row) and not row["normalise"] for row in kept):
            terminalreporter.write_line(self._rebase_advice())

    def pytest_sessionfinish(self) -> None:
        """Store the misses in pytest's cache, for `flag-harness cassette rebase`.

        The misses of tests that did not run stay there.
        """
        cache = self._config.cache if hasattr(self._config, "cache") else None
        if cache is None or hasattr(self._config, "workerinput") or not self._finished_tests:
            return
        root = str(self._config.rootpath)
        earlier = cache.get(MISSES_CACHE_KEY, None) or {"root": root, "misses": []}
        rows = [row for group in self._causes.values() for row in group]
        if earlier["root"] == root:
            ended = self._end_time_of_earlier_run()
            rows += [{"run_ended": ended, **row} for row in earlier["misses"] if self._must_keep_miss(row)]
        cache.set(MISSES_CACHE_KEY, {"root": root, "misses": rows})

    def _must_keep_miss(self, row: MissRow) -> bool:
        """Return whether a miss of an earlier run stays stored: its test did not run again, and its cassette exists."""
        return row["test"] not in self._finished_tests and (self._config.rootpath / row["cassette"]).exists()

    def _end_time_of_earlier_run(self) -> float:
        file = self._config.rootpath / self._miss_cache_path()
        return file.stat().st_mtime if file.exists() else 0.0

    def _record_lines(self, rows: list[MissRow]) -> Iterator[str]:
        """Yield a command for each upstream, which records all affected cassettes again; nothing for a single test."""
        tests: dict[str, list[str]] = {}
        for row in rows:
            tests.setdefault(row["upstream"], []).append(row["test"])
        if len({row["test"] for row in rows}) < 2:
            return
        for upstream, nodeids in tests.items():
            names = list(dict.fromkeys(nodeids))
            by_name = len(names) <= MAX_TESTS_SHOWN or getattr(self._config, "cache", None) is None
            chosen = " ".join(quoted_nodeid(self._config, one) for one in names) if by_name else "--lf"
            options = f"--record-mode=rewrite --harness-upstream={upstream}"
            yield f"To record all {len(names)} anew: pytest {chosen} {options}"

    def _rebase_advice(self) -> str:
        if getattr(self._config, "cache", None) is None:
            return "To keep the answers and rewrite the requests, run without `-p no:cacheprovider` first."
        option = "" if self._config.getini("cache_dir") == ".pytest_cache" else f" --from {self._miss_cache_path()}"
        started_in, root = self._config.invocation_params.dir, self._config.rootpath
        folder = "" if started_in == root else f"cd {shlex.quote(os.path.relpath(root, started_in))} && "
        return f"If the answers still hold: {folder}flag-harness cassette rebase --dry-run{option}"

    def _miss_cache_path(self) -> str:
        return os.path.join(str(self._config.getini("cache_dir")), "v", *MISSES_CACHE_KEY.split("/"))


def miss_cause_key(row: MissRow) -> tuple[str, ...]:
    """Return a key that is equal for misses with the same cause.

    It has the reason why the API would refuse the request (empty if it would accept it), and then the sorted
    differences from the nearest recorded request.
    """
    return row["api_refusal"], *sorted(row["differences"])


def is_changed_request(row: MissRow) -> bool:
    """Return whether a miss differs from a recorded request in a way that the API would accept."""
    return row["is_recorded"] and row["index"] is not None and not row["api_refusal"]


def is_rebase_possible(row: MissRow) -> bool:
    """Return whether the cassette of a miss can be rebased."""
    return bool(row["changes"]) and not (row["refusal"] or row["api_refusal"] or row["problem"])


def _belongs_to_any_test(row: MissRow, tests: set[str]) -> bool:
    """Return whether a miss belongs to one of `tests`, which are names of tests without their combinations."""
    return bool(tests) and node_id_without_combination(row["test"], row["combination"]) in tests


def describe_changes_of_miss(row: MissRow) -> str:
    """Return the first differences of a missed request from the nearest recorded one, and the number of others."""
    differences = row["differences"]
    more = f" and {len(differences) - MAX_CHANGES_SHOWN} more" if len(differences) > MAX_CHANGES_SHOWN else ""
    return "; ".join(differences[:MAX_CHANGES_SHOWN]) + more


def miss_lines(rows: list[MissRow], leaking_tests: set[str]) -> Iterator[str]:
    """Yield the lines about one cause of misses: what differs, the affected tests, and the price of recording them
    anew.

    Tests in `leaking_tests` miss requests only because of state that an earlier test leaves, so recording them anew is
    not advised.
    """
    from flag_harness.cassette.match.miss import API_REFUSAL_ADVICE, API_REFUSAL_NOTE

    tests = list(dict.fromkeys(row["test"] for row in rows))
    cassettes = {row["cassette"]: row for row in rows}
    requests = f" ({len(rows)} requests)" if len(rows) > len(tests) else ""
    yield f"{len(tests)} test{'s' if len(tests) != 1 else ''}: {describe_changes_of_miss(rows[0])}{requests}"
    more = f" and {len(tests) - MAX_TESTS_SHOWN} more" if len(tests) > MAX_TESTS_SHOWN else ""
    yield f"  {', '.join(tests[:MAX_TESTS_SHOWN])}{more}"
    if rows[0]["api_refusal"]:
        yield f"  {API_REFUSAL_NOTE}: {rows[0]['api_refusal']}"
        yield f"  {API_REFUSAL_ADVICE}"
        return
    if all(_belongs_to_any_test(row, leaking_tests) for row in rows):
        yield "  mend the code: this follows from state that an earlier test leaves behind (see which flags broke it)"
        return
    if any(row["is_recorded"] for row in rows):
        yield f"  recording anew: {_describe_price_of_recording_again(list(cassettes.values()))}"
    else:
        record = "pytest --record-mode=once --harness-upstream="
        yield f"  To record them: {record}{rows[0]['upstream']}"
        if rows[0]["upstream"] == "live" and not has_api_key():
            yield f"  Without a key: {record}simulator"
            yield (
                "    It answers by the scenario that the test's mark names, and repeats the prompt if there is none; "
                "to write one from a recording: flag-harness scenario from CASSETTE -o fixtures/scenarios/NAME.toml"
            )
    if normalise := next((row["normalise"] for row in rows if row["normalise"]), ()):
        yield f"  if it differs at every run, in pyproject.toml: {' '.join(normalise)}"
    if reason := next((row["refusal"] or row["problem"] for row in rows if row["refusal"] or row["problem"]), ""):
        yield f"  no rebase: {reason}"


def _describe_price_of_recording_again(rows: list[MissRow]) -> str:
    count = f"{len(rows)} cassette{'s' if len(rows) != 1 else ''}"
    paid = [row for row in rows if row["upstream"] != "simulator"]
    if not paid:
        return f"{count}, free of charge (simulated)"
    costs = [row["cost"] for row in paid if row["cost"] is not None]
    if not costs:
        return f"{count}, at an unknown price"
    least = "at least " if len(costs) < len(paid) else "about "
    return f"{count}, {least}${sum(costs):.4f} at list prices"
