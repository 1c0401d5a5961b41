"""The rows of a run record, one for each test and combination. A row holds figures and hashes, but no content of
messages.

There is one exception: if a record may hold content, a row has the words around a change that broke a cached prefix.
"""

import hashlib
from typing import Any, Literal, TypeAlias

import msgspec

from flag_harness.record.cache import CacheUse
from flag_harness.record.outline import BodyOutline
from flag_harness.record.sweep import SweepRecord
from flag_harness.wire.usage import Usage

Outcome: TypeAlias = Literal["passed", "failed", "skipped", "xfailed", "xpassed", "inconclusive"]
Phase: TypeAlias = Literal["setup", "call", "teardown"]
RowKey: TypeAlias = tuple[str, str, int]
"""Identifies a row in its record: the node id of a test, the id of the combination, and the number of the
repetition.
"""

BODY_HASH_KEY = b"flag-harness run record"
"""The default key of `body_hash`. It is not secret; it only makes the hashes differ from unkeyed BLAKE2 hashes."""
_BODY_HASH_BYTES = 16


class RequestRecord(msgspec.Struct, frozen=True):
    """One request of a test.

    Attributes:
        method: the HTTP method, such as `POST`.
        path: the path and query as in a cassette: without the host, and without what filters remove.
        status: the HTTP status, or None if the connection broke before the answer began.
        body_hash: the result of `body_hash` for the canonical JSON body. Equal bodies have equal hashes.
        model: the model that the request names, or an empty string.
        stop_reason: the stop reason of the answer, or None if it has none.
        usage: the tokens that the answer reports, or None.
        cost: US dollars at list price, or None if there is no usage or its price is unknown.
        first_token: seconds to the first content delta, or None if nothing was streamed.
        seconds: seconds to the end of the answer.
        chunk_count: the number of chunks in which the body arrived.
        longest_gap: the longest time between two pieces of a stream, in seconds; 0 for any other answer.
        body_outline: the parameters of the body by path, and short hashes of its texts: see `outline.body_outline`. It
            is empty in records of earlier versions, and if the body is not JSON.
        arrival_times: the seconds after which pieces of a stream arrived, to the millisecond: the first and the last
            piece, the pieces before and after the longest gap, and others at even distances. It is empty if the answer
            is not a stream, and in records of earlier versions.
        longest_gap_start: the seconds after which the longest gap began; 0 wherever `arrival_times` is empty.
        is_broken_off: whether the connection broke before the end of the answer, or its stream has an error. It is
            False in records of earlier versions.
    """

    method: str
    path: str
    status: int | None
    body_hash: str
    model: str = ""
    stop_reason: str | None = None
    usage: Usage | None = None
    cost: float | None = None
    first_token: float | None = None
    seconds: float = 0.0
    chunk_count: int = msgspec.field(name="chunks", default=0)
    longest_gap: float = 0.0
    body_outline: BodyOutline = msgspec.field(name="outline", default=())
    is_broken_off: bool = False
    arrival_times: tuple[float, ...] = msgspec.field(name="rhythm", default=())
    longest_gap_start: float = 0.0


class LogCount(msgspec.Struct, frozen=True):
    """A warning or error that the code under test logged, and how often.

    Attributes:
        level: `WARNING`, `ERROR` or `CRITICAL`.
        logger: the name of the logger.
        message: the message before its arguments are filled in, without secrets and at most 200 characters long.
        count: how many times it was logged.
    """

    level: str
    logger: str
    message: str
    count: int


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one test under one combination of flags.

    Attributes:
        case: the node id of the test.
        combination: the id of the combination, such as `streaming+prompt_cache`.
        outcome: how pytest counts the test; `inconclusive` is used by `--harness-verify`.
        phase: the phase of the test (setup, call or teardown) that decided the outcome.
        requests: the requests in the order in which they were sent, retries included.
        errors: the number of requests that did not get a complete answer with status 200.
        usage: the tokens of all answers that state their usage.
        cost: US dollars at list price, or None if the price of a model is unknown.
        first_token: seconds from the first request to the first content delta, or None if nothing was streamed.
        seconds: the duration of all answers, added up.
        cassette: the path of the cassette, relative to pytest's root directory, or None if the test has none.
        recorded_from: the upstream that the played cassette was recorded from, or None if nothing was played.
        recorded_at: the time of that recording in ISO 8601, or None.
        is_rebased: True if `rebase` rewrote requests of that cassette after it was recorded.
        answered_by: the upstream that answered in this run, or None if a cassette did.
        faults: the faults that fired, spelled as on the command line.
        values: the value of each flag of the test, by name.
        repetition: the number of this run among those of the same test and combination, counted from 0.
        reason: why the test failed or was skipped: the first line of the error, without secrets; empty if it passed.
        error_location: the file and line of the error, such as `tests/test_agent.py:12`, or empty.
        excluded_from_effects: the test's reason for not comparing this run to others; empty if it may be compared.
        limit_by_name: the limits of the test by name: US dollars, requests, tokens, seconds.
        log_counts: the warnings and errors that the code under test logged, most frequent first.
        cache_use: what the prompt cache did, or None if no request of the test has a cache mark.
        strata: the groups of tests that the test belongs to, by its marks `harness_stratum`.
        scores: the scores that the test gave with `harness_score`, from 0 to 1, by name.
        refusal_count: the number of requests that were refused before they were sent, as by `--harness-max-cost`. If it
            is not 0, the run says nothing about the agent. It is 0 in records of earlier versions.
        provider_failure_count: the number of runs that were repeated because the provider of the live API failed.
        duration: the real seconds that the decisive phase of the test took.
        misses: the requests that the test's cassette has no answer to, each with the paths at which it differs from the
            nearest recorded request, such as `POST /v1/messages: system[0].text`.
        api_refusals: the messages with which the API would refuse such requests, as far as the simulator knows. Only a
            change of the code helps then, not a recording. It is empty in records of earlier versions.
        dropped_betas: the betas that a request had when the API refused it, and that no later request to the same path
            had.
        scenario: the name of the scenario with which the simulator can answer the test, or empty. It is always empty
            in records of earlier versions.
        digest_by_input: the SHA-256 of the cassette that was played, or of the scenario by which the simulator
            answered, by path relative to pytest's root directory. It is empty in records of earlier versions, and in
            pytest's cache.
        sweep: the result of a sweep over faults; None in the rows of ordinary tests. Rows of sweeps have no requests.
    """

    case: str
    combination: str
    outcome: Outcome
    phase: Phase = "call"
    requests: tuple[RequestRecord, ...] = ()
    errors: int = 0
    usage: Usage = Usage()
    cost: float | None = None
    first_token: float | None = None
    seconds: float = 0.0
    cassette: str | None = None
    recorded_from: str | None = None
    recorded_at: str | None = None
    is_rebased: bool = msgspec.field(name="rebased", default=False)
    answered_by: str | None = None
    faults: tuple[str, ...] = ()
    values: dict[str, Any] = {}
    repetition: int = 0
    reason: str = ""
    error_location: str = msgspec.field(name="place", default="")
    excluded_from_effects: str = ""
    limit_by_name: dict[str, float] = msgspec.field(name="budget", default_factory=dict)
    log_counts: tuple[LogCount, ...] = msgspec.field(name="logs", default=())
    cache_use: CacheUse | None = msgspec.field(name="cache", default=None)
    dropped_betas: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    scores: dict[str, float] = {}
    misses: tuple[str, ...] = ()
    api_refusals: tuple[str, ...] = ()
    duration: float = 0.0
    refusal_count: int = msgspec.field(name="refusals", default=0)
    provider_failure_count: int = msgspec.field(name="provider_failures", default=0)
    scenario: str = ""
    digest_by_input: dict[str, str] = msgspec.field(name="inputs", default_factory=dict)
    sweep: SweepRecord | None = None

    @property
    def key(self) -> RowKey:
        """The node id of the test, the id of the combination and the repetition: together they identify the row in its
        record.
        """
        return self.case, self.combination, self.repetition

    @property
    def nodeid(self) -> str:
        """The node id of this run: the test's node id and, for a repetition, its number (2 for the second run).

        >>> RunRow(case="test_a.py::test_x[off]", combination="off", outcome="passed", repetition=1).nodeid
        'test_a.py::test_x[off-repeat2]'
        >>> RunRow(case="test_a.py::test_x", combination="off", outcome="passed", repetition=2).nodeid
        'test_a.py::test_x[repeat3]'
        """
        if not self.repetition:
            return self.case
        suffix = f"repeat{self.repetition + 1}]"
        return f"{self.case[:-1]}-{suffix}" if self.case.endswith("]") else f"{self.case}[{suffix}"

    @property
    def is_simulated(self) -> bool:
        """Whether the answers come from the simulator: in this run, or when the played cassette was recorded."""
        return "simulator" in (self.recorded_from, self.answered_by)

    @property
    def is_comparable(self) -> bool:
        """Whether the test passed, and its figures may be compared with those under its other combinations."""
        return self.outcome in ("passed", "xpassed") and not self.excluded_from_effects

    def to_builtins(self) -> dict[str, Any]:
        """Return the row as plain dictionaries, lists, strings and numbers, for JSON and pytest-xdist."""
        row: dict[str, Any] = msgspec.to_builtins(self)
        return row


def row_from_builtins(value: Any) -> RunRow:
    """Convert the result of `RunRow.to_builtins` back to a row.

    Keys that this version does not know are ignored. Raise `msgspec.ValidationError` if a value has the wrong type.
    """
    return msgspec.convert(value, RunRow)


def body_hash(canonical_body: bytes, key: bytes = BODY_HASH_KEY) -> str:
    """Return a keyed hash of a request body as 32 hexadecimal digits.

    Equal bodies have equal hashes. Somebody who can guess the whole body can confirm the guess by its hash; a secret
    `key` prevents that, but only hashes with the same key can be compared.
    """
    return hashlib.blake2b(canonical_body, digest_size=_BODY_HASH_BYTES, key=key).hexdigest()
