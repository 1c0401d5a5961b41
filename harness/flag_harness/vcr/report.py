"""Build the message for a request that has no answer in a cassette in vcrpy's format."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from flag_harness.cassette.match.difference import Difference, find_differences
from flag_harness.cassette.match.matching import decode_comparable_body
from flag_harness.cassette.redact.edits import REDACTED
from flag_harness.cassette.redact.keys.named_values import secret_parameter_name_pattern
from flag_harness.cassette.redact.scan import redact_api_keys
from flag_harness.vcr.matchers import Matcher, failing_matchers
from flag_harness.vcr.request import VcrRequest

MAX_SHOWN_BODY_DIFFERENCES = 8
"""The most differences between two bodies that a message lists; the rest are counted."""
_MATCHERS_OF_ATTRIBUTES = ("method", "uri", "url", "scheme", "host", "port", "path")


def miss_message(
    sent: VcrRequest,
    path: Path,
    recorded: Sequence[VcrRequest],
    played_indices: Collection[int],
    matchers: Mapping[str, Matcher],
    advice: str,
) -> str:
    """Return the message for a request without an answer: the request, the nearest recorded one, how they differ, and
    advice.

    `recorded` are the recorded requests, and `played_indices` the indices of those whose answers have been played. API
    keys in the message are masked.
    """
    count = len(recorded)
    lines = [f"{sent.method} {sent.uri} is not in {path} ({count} interaction{'s' if count != 1 else ''})."]
    lines += _reason_lines(sent, recorded, played_indices, matchers)
    return redact_api_keys("\n".join([*lines, *([advice] if advice else [])]))


def _reason_lines(
    sent: VcrRequest, recorded: Sequence[VcrRequest], played_indices: Collection[int], matchers: Mapping[str, Matcher]
) -> Iterator[str]:
    """Yield lines that say why no recorded answer was played: all matching ones were played before, or no request
    matches.

    In the second case the lines say how the nearest recorded request differs.
    """
    found = {index: failing_matchers(sent, request, matchers) for index, request in enumerate(recorded)}
    if not found:
        return
    if equal := [index for index, names in found.items() if not names]:
        times = f"{len(equal)} time{'s' if len(equal) != 1 else ''}"
        yield f"It was recorded {times}, and each answer has been played."
        return
    candidates = [index for index in found if index not in played_indices] or list(found)
    nearest = min(candidates, key=lambda index: len(found[index]))
    yield f"The nearest is interaction {nearest}; it differs in:"
    for name in found[nearest]:
        yield from (f"  {line}" for line in _difference_lines(name, sent, recorded[nearest]))


def _difference_lines(matcher_name: str, sent: VcrRequest, recorded: VcrRequest) -> Iterator[str]:
    """Yield lines that say how two requests differ according to the matcher `matcher_name`.

    Of headers, only names are shown.
    """
    if matcher_name in ("body", "raw_body"):
        found = list(find_differences(decode_comparable_body(recorded.body), decode_comparable_body(sent.body)))
        if not found:
            yield f"{matcher_name}: the bytes differ, the decoded values do not"
        yield from map(str, islice(found, MAX_SHOWN_BODY_DIFFERENCES))
        if (omitted := len(found) - MAX_SHOWN_BODY_DIFFERENCES) > 0:
            yield f"... and {omitted} more"
    elif matcher_name == "headers":
        names = sorted({*map(str.lower, sent.headers), *map(str.lower, recorded.headers)})
        differing = [one for one in names if sent.headers.get(one) != recorded.headers.get(one)]
        yield f"headers: {', '.join(differing)}"
    elif matcher_name == "query":
        yield str(Difference(matcher_name, _query_without_secrets(recorded), _query_without_secrets(sent)))
    elif matcher_name in _MATCHERS_OF_ATTRIBUTES:
        yield str(Difference(matcher_name, getattr(recorded, matcher_name), getattr(sent, matcher_name)))
    else:
        yield f"what the matcher {matcher_name!r} compares"


def _query_without_secrets(request: VcrRequest) -> list[tuple[str, str]]:
    """Return the parameters of a request's query. Those that hold a credential by their name have no value."""
    is_secret = secret_parameter_name_pattern().fullmatch
    return [(name, REDACTED if is_secret(name) else value) for name, value in request.query]
