"""Misses of a whole run, from all workers: grouped by their cause, and told once.

A changed word in a prompt that many tests share is one message, not one a test: the first failure of each cause is
shown in full, the others in a line, and the summary has the cause with all the tests that it hits.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flag_harness.cassette import Miss
    from flag_harness.plugin.test.traffic import Session

CACHE_KEY = "flag-harness/misses"
"""Where, in pytest's cache, the misses of the last run are kept for `flag-harness cassette rebase`."""
TESTS_SHOWN = 3
CHANGES_SHOWN = 3
LONGEST_WORDS = 40

Row = dict[str, Any]
"""One miss, as plain values: a worker hands it over as JSON."""


def miss_rows(item: pytest.Item, session: "Session", failure: str, told: int) -> str:
    """The misses of a test as JSON, but for the first, which were `told` before; empty where there are none.

    `failure` is the message with which it failed.
    """
    if not (missed := session.missed[told:]):
        return ""
    import msgspec  # a run without misses does not pay for it

    alone = failure in session.missed_texts
    rows = [{**_row(item, session, miss), "alone": alone} for miss in missed]
    text = msgspec.json.encode(rows).decode()
    if session.shown(text) == text:
        return text
    hidden = [{**row, "changes": [], "hidden": True, "what": list(map(session.shown, row["what"]))} for row in rows]
    return msgspec.json.encode(hidden).decode()


def _row(item: pytest.Item, session: "Session", miss: "Miss") -> Row:
    from flag_harness.cassette.rebase import changes_of

    cassette = session.cassette
    changes = changes_of(miss, cassette.interactions[miss.place]) if cassette and miss.place is not None else ()
    return {
        "test": item.nodeid,
        "cassette": os.path.relpath(session.plan.path, item.config.rootpath),
        "asked": f"{miss.asked.request.method} {miss.asked.request.path}",
        "place": miss.place,
        "what": [what_changed(one) for one in miss.differences] or [miss.reason],
        "changes": [change.row() for change in changes],
        "refusal": "; ".join(change.refusal for change in changes if change.refusal),
        "played": list(session.played),
        "hidden": False,
        "source": cassette.envelope.upstream if cassette else None,
        "cost": _cost(session),
    }


def what_changed(difference: Any) -> str:
    """A difference in a few words, the same wherever the same words were changed: `system[0].text`, 1 word."""
    from flag_harness.cassette.match.difference import changed_words

    path = difference.path or "body"
    if isinstance(difference.recorded, str) and isinstance(difference.sent, str):
        words = changed_words(difference.recorded, difference.sent)
        return f"`{path}`, {words}: {_words(words.recorded)} → {_words(words.sent)}"
    return f"`{path}`: {_cut(repr(difference.recorded))} → {_cut(repr(difference.sent))}"


def _words(words: tuple[str, ...]) -> str:
    return _cut(repr(" ".join(words))) if words else "nothing"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_WORDS else f"{text[: LONGEST_WORDS - 1]}…"


def _cost(session: "Session") -> float | None:
    """What recording the test's cassette anew costs at list price, if the usage is what it was."""
    from flag_harness.analysis.metrics import measure_traffic

    if session.cassette is None:
        return None
    return measure_traffic([(one.request, one.response) for one in session.cassette.interactions]).cost


class Misses:
    """Collects the misses of a run, shortens the failures that repeat a cause, and prints each cause once."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._causes: dict[tuple[str, ...], list[Row]] = {}
        self._used = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the misses that came with a report; leave a failure in full only where its cause is new."""
        text = getattr(report, "flag_harness_misses", "")
        self._used |= hasattr(report, "flag_harness") or bool(text)
        if not text:
            return
        import msgspec

        rows: list[Row] = msgspec.json.decode(text)
        known = all(cause(row) in self._causes for row in rows)
        if known and rows[0]["alone"]:
            first = self._causes[cause(rows[0])][0]
            report.longrepr = (
                f"{rows[0]['asked']} is not in {rows[0]['cassette']}: {described(rows[0])} (as in {first['test']})"
            )
        for row in rows:
            self._causes.setdefault(cause(row), []).append(row)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the causes, those that hit most tests first."""
        if not self._causes:
            return
        terminalreporter.section("missed requests")
        for group in sorted(self._causes.values(), key=len, reverse=True):
            for line in group_lines(group):
                terminalreporter.write_line(line)
        if any(not row["refusal"] and row["changes"] for group in self._causes.values() for row in group):
            terminalreporter.write_line(self._advice())

    def pytest_sessionfinish(self) -> None:
        """Keep the misses for `flag-harness cassette rebase`, or that there were none."""
        cache = self._config.cache if hasattr(self._config, "cache") else None
        if cache is None or hasattr(self._config, "workerinput") or not self._used:
            return
        rows = [row for group in self._causes.values() for row in group]
        cache.set(CACHE_KEY, {"root": str(self._config.rootpath), "misses": rows})

    def _advice(self) -> str:
        if getattr(self._config, "cache", None) is None:
            return "To keep the answers and rewrite the requests, run without `-p no:cacheprovider` first."
        where = "" if self._config.getini("cache_dir") == ".pytest_cache" else f" --from {self._file()}"
        return f"If the answers still hold: flag-harness cassette rebase --dry-run{where}"

    def _file(self) -> str:
        return os.path.join(str(self._config.getini("cache_dir")), "v", *CACHE_KEY.split("/"))


def cause(row: Row) -> tuple[str, ...]:
    """What misses have in common that are told together."""
    return tuple(sorted(row["what"]))


def described(row: Row) -> str:
    """What changed, shortened."""
    what = row["what"]
    more = f" and {len(what) - CHANGES_SHOWN} more" if len(what) > CHANGES_SHOWN else ""
    return "; ".join(what[:CHANGES_SHOWN]) + more


def group_lines(rows: list[Row]) -> Iterator[str]:
    """One cause, the tests that it hits, and what recording them anew would cost."""
    tests = list(dict.fromkeys(row["test"] for row in rows))
    cassettes = {row["cassette"]: row for row in rows}
    yield f"{len(tests)} test{'s' if len(tests) != 1 else ''}: {described(rows[0])}"
    more = f" and {len(tests) - TESTS_SHOWN} more" if len(tests) > TESTS_SHOWN else ""
    yield f"  {', '.join(tests[:TESTS_SHOWN])}{more}"
    yield f"  recording anew: {_price(list(cassettes.values()))}"
    if reason := next((row["refusal"] for row in rows if row["refusal"]), ""):
        yield f"  no rebase: {reason}"


def _price(rows: list[Row]) -> str:
    count = f"{len(rows)} cassette{'s' if len(rows) != 1 else ''}"
    paid = [row for row in rows if row["source"] != "simulator"]
    if not paid:
        return f"{count}, nothing to pay (simulated)"
    costs = [row["cost"] for row in paid if row["cost"] is not None]
    if not costs:
        return f"{count}, at a price that is not known"
    least = "at least " if len(costs) < len(paid) else "about "
    return f"{count}, {least}${sum(costs):.4f} at list prices"
