"""Report a miss, which is a request without a recorded answer.

The report names the nearest recorded request, the differences, the flag behind each, and a command.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.match.difference import Difference, find_differences
from flag_harness.cassette.match.excerpts import find_changed_words
from flag_harness.cassette.match.index import RequestIndex
from flag_harness.cassette.match.matching import MatchPart, beta_features, canonical_path
from flag_harness.cassette.match.nearest import nearest_requests
from flag_harness.cassette.match.variable_parts import find_variable_part, normaliser_setting_lines
from flag_harness.files import display_path
from flag_harness.wire.timeline import Request

MAX_SHOWN_DIFFERENCES = 8
"""The most differences that a report lists. Further ones are counted."""
API_REFUSAL_NOTE = "The API would refuse this request (as the simulator does)"
API_REFUSAL_ADVICE = "Change what the code sends: a new recording would hold only this error."
BUG_ADVICE = "If nobody meant this change, it is a bug"
NORMALISE_ADVICE = "If that differs at every run, take it out of matching, in pyproject.toml:"
MAX_RANKED_REQUESTS = 500
"""The most recorded requests among which the nearest one is sought, beginning with those of the test itself.

Ranking 500 conversations of 200 turns (50 MB) takes half a second.
"""
MAX_COMPARED_LENGTH = 400_000
"""The largest total length of two texts whose words are compared.

Longer texts are compared by their lengths only, because comparing their words takes seconds.
"""
MAX_CHECKED_BYTES = 4 << 20
"""The largest body in bytes that is checked against the rules of the API. Checking a larger one takes seconds."""
MAX_COMPARED_REQUESTS = 8
"""The number of requests that are compared in full to find the nearest, after a quick estimate has selected them."""

_MATCH_PARTS_BY_PATH: dict[str, frozenset[MatchPart]] = {
    "method": frozenset({"method"}),
    "path": frozenset({"path", "query", "uri"}),
    "anthropic-beta": frozenset({"headers"}),
}
_MATCH_PARTS_OF_BODY: frozenset[MatchPart] = frozenset({"body", "raw_body"})


@dataclass(frozen=True, slots=True)
class Miss:
    """A request without a recorded answer; `nearest_index` is the index of the nearest interaction, or None.

    `message` is the whole report, with a line for each difference. `reason` explains a miss that is not due to a
    difference. `normaliser_lines` holds lines for `pyproject.toml` that make matching ignore the differing ids, dates,
    paths, numbers or orders; it is empty if there are none. `api_refusal` is the message with which the API would
    refuse the request, or an empty string.
    """

    sent_interaction: Interaction
    nearest_index: int | None
    differences: tuple[Difference, ...]
    message: str
    reason: str = ""
    normaliser_lines: tuple[str, ...] = ()
    api_refusal: str = ""


@dataclass(frozen=True, slots=True)
class MissReporter:
    """Builds the reports of requests that have no recorded answer.

    `find_flag_of_path` returns the flag that changes the value at a JSON path, or None. `record_command` is the command
    that records the cassette. `find_refusal` returns the message with which the API would refuse a request, or None.
    `depends_on_flag` returns whether any flag changes the value at a JSON path; if so, no normaliser is suggested for
    the path. `find_sender` returns the line of code that sends a request, or an empty string.
    """

    cassette: Cassette
    request_index: RequestIndex
    find_flag_of_path: Callable[[str], str | None]
    record_command: str
    find_refusal: Callable[[Request], str | None] = lambda request: None
    depends_on_flag: Callable[[str], bool] = lambda path: False
    find_sender: Callable[[], str] = str

    def report_miss(self, sent: Interaction, unplayed: Sequence[int]) -> Miss:
        """Return the report of a request that matches none of the interactions that can still be played.

        `unplayed` are the indices of these interactions. The report says how the request differs from the nearest one.
        """
        if indices := self.request_index.indices_by_key.get(self.request_index.matching_key(sent)):
            times = f"{len(indices)} time{'s' if len(indices) != 1 else ''}"
            lines = [f"It was recorded {times}, and each answer has been played."]
            return self._build_miss(sent, None, (), lines, "sent more often than it was recorded", indices[0])
        candidates = (unplayed or range(len(self.cassette.interactions)))[:MAX_RANKED_REQUESTS]
        if not candidates:
            return self._build_miss(sent, None, (), [], "nothing is recorded")
        requests = ((index, self.cassette.interactions[index].request) for index in candidates)
        ranked = nearest_requests(sent.request, requests, MAX_COMPARED_REQUESTS)
        found = {index: self._relevant_differences(index, sent) for index in ranked}
        fewest = min(map(len, found.values()))
        candidates = [index for index in found if len(found[index]) == fewest]
        index = min(candidates, key=lambda index: _count_changed_characters(found[index]))
        return self._build_miss(sent, index, found[index], self._nearest_interaction_lines(index, found[index]))

    def report_read_past_end_of_recording(self, sent: Interaction, index: int) -> Miss:
        """Return the report of a client that reads on after the end of a body of which only the beginning was recorded.

        `index` is that of the interaction. When it was recorded, the client stopped reading at this point.
        """
        location = (
            f"{sent.request.method} {sent.request.path}: the answer of interaction {index} of {self._cassette_name}"
        )
        lines = [f"{location} ends where the recorded client stopped reading; this client read on."]
        return Miss(
            sent,
            None,
            (),
            "\n".join([*lines, *self._record_command_lines()]),
            "read on where the recorded client stopped",
        )

    @property
    def _cassette_name(self) -> str:
        path = self.cassette.path
        if path is None:
            return "the cassette"
        return display_path(path)

    def _build_miss(
        self,
        sent: Interaction,
        nearest_index: int | None,
        differences: Sequence[Difference],
        lines: Iterable[str],
        reason: str = "",
        equal_index: int | None = None,
    ) -> Miss:
        """Return a miss whose message consists of `lines` and of advice on what to do.

        If the API would refuse the request, the advice is to change the code. Otherwise it names the line that sends
        the request, in case the change is a bug; the settings that make matching ignore differences that look random;
        and the command that records the request. `differences` are those from the interaction
        at `nearest_index`, and `equal_index` is the index of an equal recorded request, or None.
        """
        count = len(self.cassette.interactions)
        location = f"{self._cassette_name} ({count} interaction{'s' if count != 1 else ''})"
        first = f"{sent.request.method} {sent.request.path} is not in {location}."
        random = (find_variable_part(one) for one in differences if not self.depends_on_flag(one.path))
        normalise = normaliser_setting_lines(filter(None, random))
        refusal = self._api_refusal(sent, nearest_index if equal_index is None else equal_index)
        if refusal:
            advice = [f"{API_REFUSAL_NOTE}: {refusal}", API_REFUSAL_ADVICE]
        else:
            suggestions = [NORMALISE_ADVICE, *(f"  {line}" for line in normalise)] if normalise else []
            advice = [*self._possible_bug_lines(), *suggestions, *self._record_command_lines()]
        message = "\n".join([first, *lines, *advice])
        return Miss(sent, nearest_index, tuple(differences), message, reason, normalise, refusal)

    def _nearest_interaction_lines(self, index: int, differences: Sequence[Difference]) -> Iterator[str]:
        """Yield lines that name the nearest interaction, by its index, and list the differences from it."""
        yield f"The nearest is interaction {index}; it differs in:"
        for difference in islice(differences, MAX_SHOWN_DIFFERENCES):
            flag, part = self.find_flag_of_path(difference.path), find_variable_part(difference)
            note = (
                f"the flag {flag} changes this" if flag else f"looks like {part.kind}" if part and part.patterns else ""
            )
            yield f"  {difference}" + (f"   [{note}]" if note else "")
        if (omitted := len(differences) - MAX_SHOWN_DIFFERENCES) > 0:
            yield f"  ... and {omitted} more"

    def _api_refusal(self, sent: Interaction, nearest_index: int | None) -> str:
        """Return the message with which the API would refuse a request, or an empty string if it would accept the
        request.

        The message is ignored if the API would also refuse the nearest recorded request, which was in fact answered.
        """
        if len(sent.request.body) > MAX_CHECKED_BYTES or (message := self.find_refusal(sent.request)) is None:
            return ""
        if (
            nearest_index is not None
            and self.find_refusal(self.cassette.interactions[nearest_index].request) is not None
        ):
            return ""  # the simulator does not know all that the API accepts
        return message

    def _possible_bug_lines(self) -> list[str]:
        """Return a line that names the code that sends the request, in case the request is a bug.

        Return no line if nothing was recorded before, or if there is no command to record, as outside of tests.
        """
        if not (self.cassette.interactions and self.record_command):
            return []
        sender = self.find_sender()
        return [f"{BUG_ADVICE}: {sender} sends the request" if sender else f"{BUG_ADVICE} in the code"]

    def _record_command_lines(self) -> list[str]:
        return [f"To record it: {self.record_command}"] if self.record_command else []

    def _relevant_differences(self, index: int, sent: Interaction) -> list[Difference]:
        """Return how a sent request differs from the recorded one at `index`, in parts that matter for matching."""
        recorded = self.request_index.normalise_request(self.cassette.interactions[index])
        normalised = self.request_index.normalise_request(sent)
        match_on = self.cassette.metadata.match_on
        found = request_differences(recorded, normalised, self._differ_only_in_ids) or request_differences(
            recorded, normalised
        )
        return [one for one in found if _affects_matching(one, match_on)]

    def _differ_only_in_ids(self, recorded: Any, sent: Any) -> bool:
        """Return whether two texts differ only in ids that the API returned in its answers to equal requests."""
        replace_ids = self.request_index.id_replacements.replace_ids_in_text
        return isinstance(recorded, str) and isinstance(sent, str) and replace_ids(recorded) == replace_ids(sent)


def request_differences(
    recorded: Interaction, sent: Interaction, are_equal: Callable[[Any, Any], bool] = lambda one, other: False
) -> list[Difference]:
    """Return the differences between two requests: in method, path, beta features and body.

    `are_equal` may declare two scalar values equal although they are not identical.
    """
    pairs = [
        ("method", recorded.request.method, sent.request.method),
        ("path", canonical_path(recorded.request.path), canonical_path(sent.request.path)),
        ("anthropic-beta", beta_features(recorded.request.headers), beta_features(sent.request.headers)),
    ]
    outside = [Difference(*pair) for pair in pairs if pair[1] != pair[2] and not are_equal(*pair[1:])]
    return [*outside, *find_differences(recorded.decoded_body, sent.decoded_body, are_equal)]


def _count_changed_characters(differences: Sequence[Difference]) -> int:
    """Return the total number of characters in the words that differ, over all differences."""
    return sum(
        _count_changes_in_text(_value_as_text(one.recorded_value), _value_as_text(one.sent_value))
        for one in differences
    )


def _count_changes_in_text(recorded: str, sent: str) -> int:
    """Return the number of characters in all words that differ between two texts."""
    if len(recorded) + len(sent) > MAX_COMPARED_LENGTH:
        return abs(len(recorded) - len(sent))
    words = find_changed_words(recorded, sent)
    return len("".join((*words.recorded_words, *words.sent_words)))


def _value_as_text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _affects_matching(difference: Difference, match_on: tuple[MatchPart, ...]) -> bool:
    """Return whether a difference lies in a part of the request that is compared: one in `match_on`, or any if it is
    empty.
    """
    words = (
        _MATCH_PARTS_OF_BODY
        if difference.recorded_steps
        else _MATCH_PARTS_BY_PATH.get(difference.path, _MATCH_PARTS_OF_BODY)
    )
    return not match_on or not words.isdisjoint(match_on)
