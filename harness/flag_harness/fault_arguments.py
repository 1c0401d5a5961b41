"""The arguments of faults, as `--help` and docs/faults.md describe them."""

from collections.abc import Iterator
from typing import NamedTuple


class FaultArgument(NamedTuple):
    """An argument of a fault, for `--help`: its name, an example or its values, and its meaning."""

    name: str
    example_or_values: str
    meaning: str


ARGUMENTS_OF_EVERY_FAULT = (
    FaultArgument("path", "/v1/messages", "only requests to this path; * stands for any characters"),
    FaultArgument("when", "a function, in Python only", "only requests for which it returns True"),
    FaultArgument("on", "2 or 1|3", "only these requests, counted from 1 among those that path and when let through"),
    FaultArgument("every", "3", "only each third of them"),
    FaultArgument("until", "3", "none of them after the third"),
    FaultArgument("probability", "0.2", "this share of them, drawn from seed and number"),
    FaultArgument("seed", "7", "the seed of the draw, of request ids and of padding (default: 0)"),
    FaultArgument("combination", "streaming or off|streaming", "only under the flag combinations with these ids"),
)
"""The arguments that every fault takes. A fault acts only on requests that meet all the arguments given."""

ARGUMENTS_OF_SOME_FAULTS = (
    FaultArgument("at", "inside_text", "the point of the answer; a wrong one is answered with all points"),
    FaultArgument("occurrence", "2", "the second time that the answer reaches the point"),
    FaultArgument("torn", "true", "cut in the middle of the next event"),
    FaultArgument("seconds", "60", "how long nothing arrives"),
    FaultArgument("interval", "0.5", "seconds between two pings or chunks"),
    FaultArgument("count", "4", "the number of pings"),
    FaultArgument("then", "end, reset or resume", "what follows the pings"),
    FaultArgument("size", "16", "the most bytes of a chunk"),
    FaultArgument("kind", "api_error; cr or crlf", "the type of the error; the kind of line end"),
    FaultArgument("message", '"a, b=c"', "the text of the error"),
    FaultArgument("padding", "0 to 15", "spaces before the last brace of the error event"),
    FaultArgument("with_request_id", "true", "put the request id into the error event"),
    FaultArgument("retry_after", "8, none, a date or any text", "the header retry-after"),
    FaultArgument("retry_after_ms", "40", "the header retry-after-ms"),
    FaultArgument("should_retry", "true, false or none", "the header x-should-retry; none leaves it out"),
    FaultArgument("beta", "computer-use-2025-11-24", "the beta that is refused"),
    FaultArgument("parameter", "thinking", "the parameter of the body that is refused"),
    FaultArgument("where", "message_start, message_delta or everywhere", "which usage is missing"),
    FaultArgument("content_type", "text/html", "the content type of the answer"),
    FaultArgument("keyword", "beta", "the keyword that the SDK refuses"),
)
"""The arguments that only some faults take."""


def fault_argument_help_lines() -> Iterator[str]:
    """Yield one line of `--help` for each argument."""
    yield "Arguments of every fault:"
    yield from (f"  {one.name} ({one.example_or_values}): {one.meaning}" for one in ARGUMENTS_OF_EVERY_FAULT)
    yield "Arguments of some faults (docs/faults.md lists them by fault):"
    yield from (f"  {one.name} ({one.example_or_values}): {one.meaning}" for one in ARGUMENTS_OF_SOME_FAULTS)
