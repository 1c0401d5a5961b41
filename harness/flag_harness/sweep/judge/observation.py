"""What was observed in one run of a test in a sweep: its requests, their answers, and how the test function ended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from flag_harness.wire.message import ParsedResponse
from flag_harness.wire.timeline import Headers

TestCallEnding: TypeAlias = Literal["returned", "assertion", "reported", "raised", "refused", "hung", "flooded"]
"""How a test function can end.

- returned: it passed.
- assertion: an assertion of the test itself failed.
- reported: the agent raised an exception that reports the failure: an SDK error, or one that the project names.
- raised: any other exception.
- refused: the harness refused a request, a connection or the call of a recorded tool, since it was not recorded.
- hung: it did not end.
- flooded: it sent far too many requests.
"""


@dataclass(frozen=True, slots=True)
class ObservedExchange:
    """One request, and its answer as the client received it.

    Attributes:
        call_number: 1 for the test function, 2 for its repetition, 0 for the setup of fixtures.
        path: the endpoint, such as `/v1/messages`.
        body: the JSON object of the request, or an empty one.
        headers: the headers of the request.
        sent_at: the time in seconds at which the request was sent.
        ended_at: the time in seconds at which the last piece of the answer was due.
        response_headers: the headers of the answer; empty if there was none.
        answer: the parsed answer.
        point_names: the names of the points that the stream of the answer reaches.
        refusal: why the API would refuse the request as invalid, or an empty string.
    """

    call_number: int
    path: str
    body: Mapping[str, Any]
    headers: Headers
    sent_at: float
    ended_at: float
    response_headers: Headers
    answer: ParsedResponse
    point_names: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def is_prompt(self) -> bool:
        """Whether the request asks the model for a message."""
        return self.path.partition("?")[0] == "/v1/messages" and isinstance(self.body.get("messages"), list)

    @property
    def is_complete(self) -> bool:
        """Whether the client received a whole message."""
        return self.answer.status == 200 and self.answer.error is None and self.answer.is_complete


@dataclass(frozen=True, slots=True)
class ObservedToolCall:
    """One call of a tool that the project has named in its settings.

    `call_number` is 1 in the first call of the test function, 2 in its repetition, 0 before both.
    `earlier_request_count` is the number of requests that were sent before this call. `error` is the message of the
    exception that the tool raised; empty if it raised none.
    """

    call_number: int
    name: str
    earlier_request_count: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class TestCallResult:
    """The result of one call of the test function.

    `message` and `location` (file and line) describe the exception; `seconds` is how long the call took. `usage` has
    the tokens that the agent reports for the call, by their names in the API; `usage` is empty if the agent reports
    none.
    """

    __test__ = False

    ending: TestCallEnding
    message: str = ""
    location: str = ""
    seconds: float = 0.0
    usage: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TestObservation:
    """What was observed in one run of a test.

    Attributes:
        test_calls: the result of the test function, and of its repetition if it was called again.
        exchanges: all requests in the order in which they were sent.
        fired_count: the number of answers that the trouble (such as a fault) changed.
        broken_prefix_count: the number of cached prefixes that could not be read because a block before their end
            changed.
        has_missing_turn: True if the scenario had no turn for a request.
        process_count: the number of processes that the test function started in its first call.
        tool_calls: the calls of the tools that the project names, in the order in which they began.
        setup_problem: why the test could not run at all, such as an error in a fixture, or an empty string.
    """

    __test__ = False

    test_calls: tuple[TestCallResult, ...]
    exchanges: tuple[ObservedExchange, ...]
    fired_count: int = 0
    broken_prefix_count: int = 0
    has_missing_turn: bool = False
    setup_problem: str = ""
    process_count: int = 0
    tool_calls: tuple[ObservedToolCall, ...] = ()

    def exchanges_of_call(self, call_number: int) -> Iterator[ObservedExchange]:
        """Yield all requests of one call of the test function, with their answers."""
        return (one for one in self.exchanges if one.call_number == call_number)

    def prompts(self, call_number: int | None = None) -> Iterator[ObservedExchange]:
        """Yield the requests for messages in one call of the test function, or in every call if it is None."""
        return (one for one in self.exchanges if one.is_prompt and call_number in (None, one.call_number))

    @property
    def first_call(self) -> TestCallResult:
        """The result of the first call of the test function."""
        return self.test_calls[0]

    @property
    def second_call(self) -> TestCallResult | None:
        """The result of the second call of the test function, or None if it was called once."""
        return self.test_calls[1] if len(self.test_calls) > 1 else None


def ignore_assertion_failures(observed: TestObservation) -> TestObservation:
    """Return a copy of the observed run in which a failed assertion of the test counts as passed."""
    calls = (replace(call, ending="returned") if call.ending == "assertion" else call for call in observed.test_calls)
    return replace(observed, test_calls=tuple(calls))
