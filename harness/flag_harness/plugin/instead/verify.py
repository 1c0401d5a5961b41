"""`--harness-verify`: in place of each test, its recorded requests are sent again, and the answers compared.

Nothing is written. A test of which nothing could be learnt is `inconclusive`: it did not pass.
"""

import os
import shlex
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from flag_harness.errors import HarnessError
from flag_harness.matrix import Combination
from flag_harness.plugin.redact.secrets import filters_of
from flag_harness.plugin.run.claims import LIFE
from flag_harness.plugin.test.rows import measured_row

if TYPE_CHECKING:
    from flag_harness.analysis.drift import DriftResult
    from flag_harness.cassette import Cassette, Envelope, Filters, Interaction
    from flag_harness.wire.timeline import Request, Response, Upstream

DEFAULT_BUDGET = 0.50
"""US dollars: some three times what all recordings that ship would cost at list price."""
FIXTURE = "_harness_verification"
INCONCLUSIVE: Literal["inconclusive"] = "inconclusive"
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
OFFLINE_KEY = "offline"
"""The key that the simulator is shown."""

Outcome = Literal["passed", "failed", "inconclusive"]
_Status: TypeAlias = tuple[str, str, tuple[str, dict[str, bool]]]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a test's cassette is verified with, and in the end what was sent."""

    path: Path
    scenario: Path | None
    combination: Combination
    filters: "Filters"
    exchanges: "list[tuple[Request, Response]]"


VERIFICATION = pytest.StashKey[Verification]()
OUTCOME = pytest.StashKey[Outcome]()


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options of verifying."""
    group.addoption(
        "--harness-verify",
        action="store_true",
        default=False,
        help="in place of tests, send their recorded requests to the upstream (--harness-upstream) and report where "
        "its answers have drifted; nothing is written",
    )
    group.addoption(
        "--harness-verify-budget",
        type=float,
        default=DEFAULT_BUDGET,
        metavar="DOLLARS",
        help="what verifying may cost at list price, asked before each request that goes to the live API: none is sent "
        "that would pass it. Counted is the recorded usage; where none was recorded, or not all of an answer, a token "
        "for every two bytes of the request and all of max_tokens. An answer that grows longer than its recording can "
        "pass the budget by its own max_tokens, once in each worker (default: %(default)s)",
    )


def configure(config: pytest.Config) -> None:
    """Prepare verifying where it is asked for. Raises `HarnessError` for a budget that is none."""
    if not config.getoption("--harness-verify"):
        return
    budget = config.getoption("--harness-verify-budget")
    if not 0 <= budget < float("inf"):
        raise HarnessError(f"--harness-verify-budget={budget}: give US dollars, 0 or more, such as 0.50")
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    config.pluginmanager.register(Verifier(budget / workers, config.getoption("--harness-upstream")), "harness-verify")


class Verifier:
    """Verifies the cassettes of a run. Workers share the budget evenly."""

    def __init__(self, dollars: float, upstream: str) -> None:
        from flag_harness.analysis.spending import Budget  # a run that verifies nothing does not pay for its import

        self._budget, self._upstream = Budget(dollars), upstream

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the tests that use a cassette; none of their code, and of their fixtures only what names it, is run."""
        verified = [item for item in items if _uses_cassette(item)]
        kept = {id(item) for item in verified}
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
        items[:] = verified
        for item in verified:
            item.fixturenames[:] = [FIXTURE]  # type: ignore[attr-defined]
            item.runtest = self._body(item)  # type: ignore[method-assign]

    @pytest.fixture
    def _harness_verification(
        self,
        request: pytest.FixtureRequest,
        harness_combination: Combination,
        harness_cassette_path: Path,
        harness_scenarios: Path,
    ) -> None:
        """What the test would have played, and with what it would have been recorded."""
        node: pytest.Item = request.node
        request.config.stash[LIFE].claim(node, harness_cassette_path)
        mark = node.get_closest_marker("scenario")
        scenario = harness_scenarios / f"{mark.args[0]}.toml" if mark else None
        filters = filters_of(request)
        node.stash[VERIFICATION] = Verification(harness_cassette_path, scenario, harness_combination, filters, [])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the row of the run's record into the report, and whether anything could be learnt."""
        report = yield
        if report.when == "call" and (one := item.stash.get(VERIFICATION, None)) is not None:
            outcome = item.stash.get(OUTCOME, report.outcome)
            report.flag_harness_verified = outcome  # type: ignore[attr-defined]
            asked = self._upstream if one.exchanges else None
            source = {"played": None, "recorded_at": None, "asked": asked, "rebased": None}
            report.flag_harness = {  # type: ignore[attr-defined]
                **measured_row(item.nodeid, one.combination.id, outcome, one.exchanges),
                **source,
            }
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> "_Status | None":
        """A word of its own for what is neither passed nor failed."""
        if getattr(report, "flag_harness_verified", "") != INCONCLUSIVE:
            return None
        return INCONCLUSIVE, "?", (INCONCLUSIVE.upper(), {"yellow": True})

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Say why nothing could be learnt."""
        if reports := terminalreporter.stats.get(INCONCLUSIVE):
            terminalreporter.section(INCONCLUSIVE)
            for report in reports:
                terminalreporter.write_line(f"{report.nodeid}\n{report.longreprtext}")

    def _body(self, item: pytest.Item) -> Callable[[], None]:
        def verify() -> None:
            one = item.stash[VERIFICATION]
            outcome, lines = self._verified(item.nodeid, one)
            item.stash[OUTCOME] = outcome
            if lines:
                from flag_harness.cassette.redact.scan import without_keys

                pytest.fail(without_keys(one.filters.text("\n".join(lines))), pytrace=False)

        return verify

    def _verified(self, nodeid: str, one: Verification) -> tuple[Outcome, list[str]]:
        """The outcome of a test, and what there is to say of it, if it did not pass."""
        from flag_harness.cassette import Cassette

        if not one.path.exists():
            return INCONCLUSIVE, [f"  there is no {one.path}: nothing was recorded that could be verified"]
        try:
            cassette = Cassette.load(one.path)
            verdicts = self._verdicts(cassette, one)
        except HarnessError as error:
            return INCONCLUSIVE, [f"  {error}"]
        lines = list(_lines(cassette, verdicts))
        if any(verdict.drifts for verdict in verdicts.values()):
            origin = f"{one.path} was recorded from: {cassette.envelope.upstream}, {cassette.envelope.recorded_at}"
            command = f"pytest {shlex.quote(nodeid)} --record-mode=rewrite --harness-upstream={self._upstream}"
            return "failed", [origin, *lines, f"Nothing was written. To record what it answers now: {command}"]
        return (INCONCLUSIVE, lines) if lines or not verdicts else ("passed", [])

    def _verdicts(self, cassette: "Cassette", one: Verification) -> "Mapping[int, DriftResult]":
        """What came of each interaction; after one that ends it, the others are not asked."""
        from flag_harness.analysis.drift import DriftResult

        upstream, verdicts = _Asking(self._upstream, one.scenario), dict[int, DriftResult]()
        for number, interaction in enumerate(cassette.interactions):
            verdicts[number] = self._verdict(interaction, cassette.envelope, upstream, one)
            if verdicts[number].is_final:
                break
        return verdicts

    def _verdict(
        self, interaction: "Interaction", recording: "Envelope", upstream: "_Asking", one: Verification
    ) -> "DriftResult":
        from flag_harness.analysis.drift import DriftResult, compare_answers, unverifiable_reason
        from flag_harness.analysis.spending import actual_cost, expected_cost

        if reason := unverifiable_reason(interaction, recording, self._upstream):
            return DriftResult(inconclusive=reason)
        if upstream.missing:
            return DriftResult(inconclusive=upstream.missing, is_final=True)
        expected = 0.0 if self._upstream == "simulator" else expected_cost(interaction)
        if refusal := self._budget.refusal_reason(expected):
            return DriftResult(
                inconclusive=f"{refusal}; allow more with --harness-verify-budget=DOLLARS", is_final=True
            )
        request, response = upstream.ask(interaction)
        one.exchanges.append((request, response))
        if self._upstream == "live":
            self._budget.record(expected, actual_cost(request, response))
        return compare_answers(interaction.response, response)


class _Asking:
    """One upstream for one cassette. `missing` says what is not there to ask it with."""

    def __init__(self, name: str, scenario: Path | None) -> None:
        from flag_harness.simulator import simulate

        self._simulator: Upstream | None = simulate(scenario) if name == "simulator" else None
        has_key = self._simulator is not None or any(os.environ.get(key) for key in KEYS)
        self.missing = "" if has_key else f"there is no key to ask the live API with: set {KEYS[0]}"

    def ask(self, interaction: "Interaction") -> "tuple[Request, Response]":
        """Send a recorded request, with the headers that the installed SDK would add, and the answer to it."""
        import anthropic

        from flag_harness.transports.sending import sent
        from flag_harness.wire.timeline import Request

        key = {} if self._simulator is None else {"api_key": OFFLINE_KEY}
        with anthropic.Anthropic(**key) as client:  # type: ignore[arg-type]
            base, defaults = str(client.base_url).rstrip("/"), client.default_headers
        headers = {name.lower(): value for name, value in defaults.items() if isinstance(value, str)}
        recorded = interaction.request
        together = tuple({**headers, **dict(recorded.headers), "accept-encoding": "identity"}.items())
        request = Request(recorded.method, f"{base}{recorded.url}", together, recorded.body)
        return request, (self._simulator or sent)(request)


def _uses_cassette(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or item.get_closest_marker("harness_no_request"):
        return False
    return "harness_cassette" in item.fixturenames


def _lines(cassette: "Cassette", verdicts: "Mapping[int, DriftResult]") -> Generator[str]:
    for number, verdict in verdicts.items():
        request = cassette.interactions[number].request
        where = f"interaction {number}, {request.method} {request.path}"
        if verdict.inconclusive:
            yield f"  {where}: inconclusive: {verdict.inconclusive}"
        if verdict.drifts:
            yield f"  {where}:"
            yield from (f"    {drift}" for drift in verdict.drifts)
    if left := len(cassette.interactions) - len(verdicts):
        yield f"  {left} more request{'s were' if left > 1 else ' was'} not sent"
