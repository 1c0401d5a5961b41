"""Drift: whether an upstream still answers a recorded request as it did when it was recorded. Pure; it sends nothing.

Compared is what must not vary from answer to answer: the status, the shapes (which members an object has, and of which
kind of JSON each is, a stream's event by event), the types of content blocks, and the values that the API declares.
Words, numbers of tokens, ids and the inputs of tools are the model's own, and take no part.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flag_harness.analysis.conversation import ending
from flag_harness.cassette import REDACTED, Envelope, Interaction
from flag_harness.cassette.importers.fidelity import REQUEST_BODY_MISSING, REQUEST_HEADERS_DROPPED, STILL_ENCODED
from flag_harness.cassette.match.difference import ABSENT
from flag_harness.wire.compression import uncompressed
from flag_harness.wire.message import Received, received
from flag_harness.wire.timeline import Response

DECLARED = ("type", "role", "model", "stop_reason")
"""Members of a message whose values are words of the API's own."""
PASSING = frozenset({401, 402, 403, 408, 409, 429, 500, 502, 503, 504, 529})
"""Statuses that tell of the key, the account or the moment, not of the request."""
PASSING_ERRORS = frozenset({"overloaded_error", "rate_limit_error", "api_error", "timeout_error"})
"""Errors inside a stream that tell the same."""
NO_TURN = "scenario_has_no_turn"
"""What the simulator says where its scenario answers a request not at all."""

_OPAQUE = frozenset({"input"})
"""Members whose insides are the model's own."""
_SEALED = {"thinking": "signature", "redacted_thinking": "data"}
"""Blocks that only the upstream which made them takes back, and the member that proves it."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A place in which the answer has changed: `path` as `usage.cache_creation`."""

    path: str
    recorded: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.path}: recorded {_shown(self.recorded)}, now {_shown(self.now)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one interaction. With `inconclusive`, the reason why nothing could be learnt; it never passed.

    `ends` says that the requests after it would fare no better.
    """

    drifts: tuple[Drift, ...] = ()
    inconclusive: str = ""
    ends: bool = False


def cannot_be_asked(interaction: Interaction, recording: Envelope, upstream: str) -> str:
    """Why a recorded request cannot be verified at an upstream; empty where it can."""
    request, answer = interaction.request, received(uncompressed(interaction.response))
    path = request.path.partition("?")[0]
    if request.method != "GET" and path not in ("/v1/messages", "/v1/messages/count_tokens"):
        return f"{request.method} {path} would change something at the upstream: it is not sent"
    if answer.status is None:
        return "no answer was recorded that another could be compared with"
    if _is_passing(answer):
        return f"a passing {_named(answer)} was recorded, and cannot be asked for"
    if REDACTED.encode() in request.body:
        return "a filter took something out of the recorded request: what was sent is not known"
    if reason := _lost(interaction, answer, recording.fidelity):
        return f"where it was imported from, {reason}"
    maker = "simulator" if recording.upstream == "simulator" else "live"
    if maker != upstream and (sealed := next(_sealed(interaction.value), None)):
        where = "the simulator" if maker == "simulator" else "the live API"
        return f"it holds a {sealed} block sealed by {where}, which the {upstream} upstream would refuse"
    return ""


def _lost(interaction: Interaction, answer: Received, fidelity: Collection[str]) -> str:
    """What the source of an imported interaction left out that must be known."""
    if REQUEST_BODY_MISSING in fidelity and interaction.request.method != "GET" and not interaction.request.body:
        return "the request's body was not kept: what was sent is not known"
    if REQUEST_HEADERS_DROPPED in fidelity and not interaction.request.headers:
        return "no headers of the request were kept: which betas it asked for is not known"
    if STILL_ENCODED in fidelity and answer.value is None:
        return "the answer was kept compressed in a way that is not read here"
    return ""


def judged(recorded: Response, now: Response) -> Verdict:
    """The drift between a recorded answer and one that came now, or why that cannot be told."""
    before, after = received(uncompressed(recorded)), received(uncompressed(now))
    if after.status is None:
        return Verdict(inconclusive=f"no answer came ({ending(now[-1])})", ends=True)
    if _is_passing(after):
        return Verdict(inconclusive=f"it was answered with {_named(after)}", ends=True)
    if after.status == before.status and not after.complete:
        return Verdict(inconclusive=f"the answer broke off ({ending(now[-1])})")
    if _error_type(after) == NO_TURN and _error_type(before) != NO_TURN:
        return Verdict(inconclusive="the simulator's scenario has no turn for it")
    return Verdict(tuple(_drifts(before, after)))


def _is_passing(answer: Received) -> bool:
    return answer.status in PASSING or (answer.status == 200 and _error_type(answer) in PASSING_ERRORS)


def _named(answer: Received) -> str:
    if answer.error is None:
        return str(answer.status)
    return f"{answer.status} {answer.error.get('type')}: {answer.error.get('message')}"


def _sealed(value: Any) -> Iterator[str]:
    """The types of the blocks in a request that prove who made them."""
    for member in _members(value):
        kind = member.get("type") if isinstance(member, dict) else None
        if isinstance(kind, str) and member.get(_SEALED.get(kind, "")):
            yield kind
        yield from _sealed(member)


def _members(value: Any) -> Sequence[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()


def _drifts(before: Received, after: Received) -> Iterator[Drift]:
    if before.status != after.status:
        yield Drift("status", before.status, _named(after) if after.error is not None else after.status)
        return
    if before.streamed != after.streamed:
        yield Drift("content-type", _kind_of_answer(before), _kind_of_answer(after))
        return
    yield from _declared(before, after)
    yield from _shape_drifts(_shape(before), _shape(after), whole=before.complete)


def _declared(before: Received, after: Received) -> Iterator[Drift]:
    """Values and block types; of a recording that broke off, those that had come."""
    for name in DECLARED:
        ours, theirs = before.message.get(name, ABSENT), after.message.get(name, ABSENT)
        if ours != theirs and (before.complete or ours not in (ABSENT, None)):
            yield Drift(name, ours, theirs)
    if _error_type(before) != _error_type(after):
        yield Drift("error.type", _error_type(before), _error_type(after))
    ours, theirs = _block_types(before), _block_types(after)
    if ours != (theirs if before.complete else theirs[: len(ours)]):
        yield Drift("content", ours, theirs)


def _block_types(answer: Received) -> list[str]:
    """The types of the blocks, with the names of the tools that are called."""
    return [":".join(str(block[key]) for key in ("type", "name") if key in block) for block in answer.blocks]


def _error_type(answer: Received) -> Any:
    return answer.error.get("type") if answer.error is not None else None


def _kind_of_answer(answer: Received) -> str:
    return "a stream" if answer.streamed else "a plain answer"


@dataclass(frozen=True, slots=True)
class _Shape:
    """The objects of an answer, and for each place the object that it stands in and the kinds of JSON found there."""

    objects: set[str]
    places: dict[str, tuple[str, set[str]]]


def _shape(answer: Received) -> _Shape:
    """Objects that name their type are told apart by it, so that a block is only compared with one of its type."""
    shape = _Shape(set(), {})
    for event in answer.events:
        if event.get("type") != "ping":
            _walk(event, str(event.get("type")), shape)
    if not answer.streamed and isinstance(answer.value, dict):
        _walk(answer.value, "", shape)
    return shape


def _walk(value: Mapping[str, Any], node: str, shape: _Shape) -> None:
    shape.objects.add(node)
    for key, member in value.items():
        path = f"{node}.{key}" if node else key
        shape.places.setdefault(path, (node, set()))[1].add(_kind(member))
        for inner, name in () if key in _OPAQUE else _objects(member, path):
            _walk(inner, name, shape)


def _objects(value: Any, path: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    if isinstance(value, dict):
        kind = value.get("type")
        yield value, f"{path}({kind})" if isinstance(kind, str) and kind != "message" else path
    elif isinstance(value, list):
        yield from ((member, f"{path}[{member.get('type', '')}]") for member in value if isinstance(member, dict))


def _shape_drifts(before: _Shape, after: _Shape, *, whole: bool) -> Iterator[Drift]:
    """What was left out, added, or is of another kind; null may stand for any kind. `whole`: nothing was missing."""
    for path, (node, kinds) in before.places.items():
        if node not in after.objects:
            continue
        if path not in after.places:
            yield Drift(path, _listed(kinds), ABSENT)
        elif (now := after.places[path][1]) - {"null"} and kinds - {"null"} and not now & kinds - {"null"}:
            yield Drift(path, _listed(kinds), _listed(now))
    for path, (node, kinds) in after.places.items():
        if whole and node in before.objects and path not in before.places:
            yield Drift(path, ABSENT, _listed(kinds))


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "true or false"), ((int, float), "a number"), (str, "text"), (list, "a list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "an object")


def _listed(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
