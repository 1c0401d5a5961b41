"""`--harness-locate`: run failing tests under further combinations, until it is known which flags broke them.

In this module, a row is one combination of a matrix test. Rows cannot be added to a run that is under way, least of all
to workers of pytest-xdist. So this is a second pass, in the process that the user started.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import ne
from typing import TYPE_CHECKING

import pytest

from flag_harness.analysis.matrix_runs import count_changed_flags, row_of_run
from flag_harness.matrix import Combination
from flag_harness.matrix.matrix_flag import value_index
from flag_harness.plugin.limits.cost_limit import COST_LIMIT_KEY
from flag_harness.plugin.modes import command_to_reproduce, is_recording_disabled, quoted_nodeid, record_mode_of_run
from flag_harness.plugin.run.blame import MAX_NAMES_PER_LINE, FlagSearchResult
from flag_harness.plugin.run.cassette_paths import default_cassette_path
from flag_harness.plugin.special_runs.extra_combinations import (
    ExtraCombinationRunner,
    collect_items,
    make_item,
    tear_down_fixtures,
)
from flag_harness.plugin.stash import AnswerSource
from flag_harness.wording import join_names

if TYPE_CHECKING:
    from pathlib import Path

    from flag_harness.analysis.conjunctions import Conjunction
    from flag_harness.analysis.locate import CauseSearchResult
    from flag_harness.analysis.matrix_runs import FailingTest
    from flag_harness.matrix import Row
    from flag_harness.plugin.run.flag_effects import FlagEffects

MAX_RECORDINGS_TO_TRY = 12
"""The most recordings of other combinations that are tried to answer a combination. The most similar combinations come
first.
"""


def register_flag_search(config: pytest.Config, effects: "FlagEffects") -> None:
    """Register the search for flags that broke tests, if the command line has `--harness-locate`."""
    budget = config.getoption("--harness-locate")
    if budget is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FlagSearchRunner(config, effects, budget), "flag-harness-locate")


class FlagSearchRunner:
    """Finds the flags that broke each failing test, after the ordinary tests of a run."""

    def __init__(self, config: pytest.Config, effects: "FlagEffects", budget: int) -> None:
        self._config, self._effects, self._budget = config, effects, budget
        self._row_runner = ExtraCombinationRunner()
        self._has_shown_progress = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """Search for the flags that broke tests, after all tests have run."""
        result = yield
        leaking = self._effects.leaking_tests()
        tests = [
            test
            for test in self._effects.failing_tests()
            if not test.has_run_every_combination and test.name not in leaking
        ]
        if not tests:
            self._effects.locate_note = self._reason_for_no_search()
        elif refusal := self._refusal_reason():
            self._effects.advice = refusal
        else:
            self._add_spending_of_workers(session)
            self._config.pluginmanager.register(self._row_runner)
            try:
                self._search_flags_for_tests(session, tests)
            finally:
                tear_down_fixtures(session)
                self._config.pluginmanager.unregister(self._row_runner)
        return result

    def _reason_for_no_search(self) -> str:
        """Return why no further combinations run, and what to type to run them, or an empty string if none must run."""
        if single := self._effects.failures_under_one_combination():
            test = quoted_nodeid(self._config, single[0].partition("[")[0])
            names = join_names(single, MAX_NAMES_PER_LINE)
            return (
                f"--harness-locate compared nothing: {names} ran under one combination\n"
                f"  To run the others, too: pytest {test} --harness-locate"
            )
        if self._effects.failing_tests() and not self._effects.leaks:
            return "--harness-locate had nothing to add: the failing tests ran under every combination"
        return ""

    def _add_spending_of_workers(self, session: pytest.Session) -> None:
        """Add the dollars that the workers of pytest-xdist have spent to the spending that this process limits."""
        limit, summary = (
            self._config.stash[COST_LIMIT_KEY],
            self._config.pluginmanager.getplugin("flag-harness-summary"),
        )
        if limit is not None and not session.items:
            limit.add_spending(sum(row.cost or 0.0 for row in summary.rows if row.answered_by == "live"))

    def _refusal_reason(self) -> str:
        """Return why further combinations cannot run, and what to type instead; an empty string if they can run."""
        if self._upstream_name() != "live" or self._config.stash[COST_LIMIT_KEY] is not None:
            return ""
        return (
            "To find out which, say what the live API may cost, --harness-max-cost=DOLLARS, or let the simulator "
            "answer: --harness-upstream=simulator"
        )

    def _upstream_name(self) -> str:
        """Return who answers further combinations: `simulator`, `live`, or `recordings` (cassettes of other
        combinations).
        """
        if self._config.getoption("--harness-upstream") == "simulator":
            return "simulator"
        can_send = is_recording_disabled(self._config) or record_mode_of_run(self._config) != "none"
        return "live" if can_send else "recordings"

    def _search_flags_for_tests(self, session: pytest.Session, tests: "Sequence[FailingTest]") -> None:
        templates = collect_items(session, [test.failing_run_nearest_defaults["nodeid"] for test in tests])
        for test in tests:
            if (template := templates.get(test.failing_run_nearest_defaults["nodeid"])) is None:
                self._effects.advice = "No further combinations ran: the test was not found again after the run"
            else:
                search = FlagSearch(
                    test, template, self._row_runner, self._upstream_name(), self._budget, self._show_progress
                )
                self._effects.located.append(search.search_flags())

    def _show_progress(self, text: str, is_first: bool) -> None:
        """Print which test is being located: one changing line on a terminal, else one line for each test."""
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is None or self._config.get_verbosity() < 0:
            return
        if not self._has_shown_progress:
            terminal.line("")  # ends the line of the tests' dots
            self._has_shown_progress = True
        if terminal.isatty():
            terminal.rewrite(text, erase=True)
        elif is_first:
            terminal.write_line(text)


class FlagSearch:
    """The search for the flags that broke one test."""

    def __init__(
        self,
        test: "FailingTest",
        template: pytest.Function,
        runner: ExtraCombinationRunner,
        upstream: str,
        run_budget: int,
        show_progress: Callable[[str, bool], None],
    ) -> None:
        from flag_harness.analysis.locate import CauseSearch

        self._test, self._template, self._row_runner = test, template, runner
        self._upstream_name, self._budget, self._progress = upstream, run_budget, show_progress
        self._space = test.space
        self._outcomes: dict[Row, set[bool | None]] = {}
        for row, passed in test.row_outcomes:
            self._outcomes.setdefault(row, set()).add(passed)
        self._locator = CauseSearch(
            self._space, test.row_outcomes, budget=len(test.runs) + run_budget, repeat=upstream == "live"
        )
        self._run_count = 0
        self._reused_recordings: list[str] = []

    def search_flags(self) -> FlagSearchResult:
        """Run the test with other flag values until the flag values that make it fail are found. Return the result."""
        while rows := self._locator.next_rows() or self._rows_to_confirm():
            self._locator.add_outcomes([(row, self._run_row(row)) for row in rows])
        location = self._locator.result()
        refuted = [one for one in location.conjunctions if self._outcomes.get(self._smallest_row_with(one)) == {True}]
        if refuted:
            location = replace(
                location,
                conjunctions=(),
                suspected_conjunctions=location.conjunctions,
                unexplained_reason=f"the smallest combination with {refuted[0]} passes",
            )
        return FlagSearchResult(
            self._test, location, self._run_count, self._command_to_reproduce(), tuple(self._notes_of_result(location))
        )

    def _rows_to_confirm(self) -> "tuple[Row, ...]":
        """Return the smallest combination that has the flag values found as the cause, to confirm that it fails.

        The tuple is empty if this combination has run already, or if no runs are left.
        """
        if self._run_count >= self._budget:
            return ()
        for conjunction in self._locator.result().conjunctions:
            row = self._smallest_row_with(conjunction)
            if row not in self._outcomes:
                return (row,)
        return ()

    def _smallest_row_with(self, conjunction: "Conjunction") -> "Row":
        """Return the combination that has the flag values in `conjunction`, and otherwise as few changes from the
        defaults as possible.
        """
        names = [flag.name for flag in self._space.flags]
        allowed = {
            (index := names.index(literal.flag)): sum(
                1 << value_index(self._space.flags[index], value) for value in literal.values
            )
            for literal in conjunction.literals
        }
        return self._space.complete_row_within(allowed, self._space.default_row) or self._space.default_row

    def _run_row(self, row: "Row") -> bool | None:
        """Run the test under a combination (`row`). Return whether it passes, or None if nothing can answer it."""
        combination = self._combination_of_row(row)
        self._progress(
            f"locating {self._test.name}: run {self._run_count + 1} of at most {self._budget}", self._run_count == 0
        )
        outcome = None
        for source in self._answer_sources(row):
            outcome = self._row_runner.run_combination(self._template, combination, source, self._test.faults)
            if outcome is not None:
                self._run_count += 1
                if source.case and source.case != self._nodeid_of_row(row):
                    self._reused_recordings.append(f"{combination.id} from {source.case}")
                break
        self._outcomes.setdefault(row, set()).add(outcome)
        return outcome

    def _answer_sources(self, row: "Row") -> Iterator[AnswerSource]:
        """Yield the sources that may answer the combination `row`. Recordings of the most similar combinations come
        first.
        """
        if self._upstream_name != "recordings":
            yield AnswerSource(refuses_misses=self._upstream_name == "live")
            return
        recorded = {
            self._nodeid_of_row(row): row,
            **{run["nodeid"]: row_of_run(run, self._test.flags) for run in self._test.runs},
        }
        nearest = sorted(recorded, key=lambda nodeid: sum(map(ne, recorded[nodeid], row)))
        paths = [(nodeid, self._recording_path(recorded[nodeid])) for nodeid in nearest]
        existing = [(nodeid, path) for nodeid, path in paths if path.exists()]
        for nodeid, path in existing[:MAX_RECORDINGS_TO_TRY]:
            yield AnswerSource(path, nodeid, refuses_misses=True)
        if not existing:  # a test that sends no request has none
            yield AnswerSource(refuses_misses=True)

    def _recording_path(self, row: "Row") -> "Path":
        return default_cassette_path(make_item(self._template, self._combination_of_row(row)))

    def _combination_of_row(self, row: "Row") -> Combination:
        return Combination(self._test.flags, row)

    def _nodeid_of_row(self, row: "Row") -> str:
        return make_item(self._template, self._combination_of_row(row)).nodeid

    def _command_to_reproduce(self) -> str:
        """Return the command that reproduces the smallest combination that always failed.

        If recordings answer, it is one of the ordinary combinations of the test.
        """
        ran = {row_of_run(run, self._test.flags) for run in self._test.runs}
        failing = [row for row, outcomes in self._outcomes.items() if outcomes == {False}]
        if self._upstream_name == "recordings":
            failing = [row for row in failing if row in ran]
        if not failing:
            return command_to_reproduce(self._template.config, self._test.failing_run_nearest_defaults["nodeid"])
        smallest = min(failing, key=lambda row: (count_changed_flags(row, self._space), row))
        if smallest in ran:
            return command_to_reproduce(self._template.config, self._nodeid_of_row(smallest))
        options = "--disable-recording" + (
            " --harness-upstream=simulator" if self._upstream_name == "simulator" else ""
        )
        return f"pytest {quoted_nodeid(self._template.config, self._nodeid_of_row(smallest))} {options}"

    def _notes_of_result(self, location: "CauseSearchResult") -> Iterator[str]:
        if self._reused_recordings:
            yield "Answered by recordings of equal requests:"
            yield from (f"  {label}" for label in self._reused_recordings)
        elif self._upstream_name != "recordings":
            yield f"Answered by: {'the live API' if self._upstream_name == 'live' else 'the simulator'}"
        if location.unexplained_reason and any(None in outcomes for outcomes in self._outcomes.values()):
            yield (
                "To run the combinations that no recording answers: add --disable-recording, and "
                "--harness-upstream=simulator or --harness-max-cost=DOLLARS"
            )
