"""Find drift: a change in how an upstream answers a recorded request. This module only compares; it sends nothing.

It compares what should not vary: the status, the shape (the keys of each object and their JSON types, for streams event
by event), the types of content blocks, and the values of the keys in `COMPARED_KEYS`. Texts, token counts, ids and tool
inputs may vary and are ignored.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.analysis.conversation import describe_answer_ending
from flag_harness.cassette import REDACTED, CassetteMetadata, Interaction
from flag_harness.cassette.importers.fidelity import REQUEST_BODY_MISSING, REQUEST_HEADERS_DROPPED, STILL_ENCODED
from flag_harness.cassette.match.difference import ABSENT
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.json import child_values
from flag_harness.wire.message import ParsedResponse, parse_response
from flag_harness.wire.timeline import Response

COMPARED_KEYS = ("type", "role", "model", "stop_reason")
"""The keys of a message whose values must stay the same if the upstream has not changed."""
TEMPORARY_STATUSES = frozenset({401, 402, 403, 408, 409, 429, 500, 502, 503, 504, 529})
"""Statuses that depend on the API key, the account or the current load, and say nothing about drift."""
TEMPORARY_ERRORS = frozenset({"overloaded_error", "rate_limit_error", "api_error", "timeout_error"})
"""The types of errors inside a stream that depend on the current load, like `TEMPORARY_STATUSES`."""
NO_MATCHING_TURN_ERROR = "scenario_has_no_turn"
"""The type of the error with which the simulator answers a request that no turn of its scenario matches."""

_MODEL_CHOSEN_KEYS = frozenset({"input"})
"""Keys whose contents the model chooses, so their shape is not compared."""
_SIGNATURE_KEY_BY_BLOCK_TYPE = {"thinking": "signature", "redacted_thinking": "data"}
"""The key that holds the signature, for each type of block that an upstream accepts only if it issued the
block itself.
"""


@dataclass(frozen=True, slots=True)
class AnswerDrift:
    """A part of an answer that differs from the recorded answer.

    `path` names the part, such as `usage.cache_creation`.
    """

    path: str
    recorded_value: Any
    new_value: Any

    def __str__(self) -> str:
        return f"{self.path}: recorded {_value_text(self.recorded_value)}, now {_value_text(self.new_value)}"


@dataclass(frozen=True, slots=True)
class DriftResult:
    """The result of comparing a recorded answer with a new one.

    `drifts` are the differences. `inconclusive_reason` says why the answers could not be compared; it is empty if they
    could. If `applies_to_later_requests` is True, later requests of the recording would be inconclusive for the same
    reason, so they need not be sent.
    """

    drifts: tuple[AnswerDrift, ...] = ()
    inconclusive_reason: str = ""
    applies_to_later_requests: bool = False


def reason_not_to_verify(interaction: Interaction, recording: CassetteMetadata, upstream: str) -> str:
    """Return why a recorded request cannot be sent again to look for drift in its answer, or an empty string if it can.

    `upstream` says who would answer now: `live` or `simulator`.
    """
    request, answer = interaction.request, parse_response(decompress_response(interaction.response))
    path = request.path.partition("?")[0]
    if request.method != "GET" and path not in ("/v1/messages", "/v1/messages/count_tokens"):
        return f"{request.method} {path} would change something at the upstream, so it is not sent"
    if answer.status is None:
        return "no answer was recorded to compare with"
    if _is_temporary_error(answer):
        return f"a temporary error ({_describe_status(answer)}) was recorded, which cannot be requested again"
    if REDACTED.encode() in request.body:
        return "a filter removed part of the recorded request, so what was sent is not known"
    if reason := _missing_information_text(interaction, answer, recording.fidelity):
        return f"it was imported from a source that {reason}"
    maker = "simulator" if recording.upstream == "simulator" else "live"
    if maker != upstream and (signed := next(_signed_block_types(interaction.decoded_body), None)):
        maker_name = "the simulator" if maker == "simulator" else "the live API"
        return f"it contains a {signed} block signed by {maker_name}, which the {upstream} upstream would refuse"
    return ""


def _missing_information_text(interaction: Interaction, answer: ParsedResponse, fidelity: Collection[str]) -> str:
    """Return what an imported interaction lacks that a comparison needs, or an empty string if it lacks nothing.

    `fidelity` lists what could not be restored when the cassette was imported.
    """
    if REQUEST_BODY_MISSING in fidelity and interaction.request.method != "GET" and not interaction.request.body:
        return "did not keep the request body"
    if REQUEST_HEADERS_DROPPED in fidelity and not interaction.request.headers:
        return "did not keep the request headers, so its betas are not known"
    if STILL_ENCODED in fidelity and answer.decoded_body is None:
        return "kept the answer in a compression that cannot be read"
    return ""


def compare_answers(recorded: Response, now: Response) -> DriftResult:
    """Compare a recorded answer with a new one. Return the differences, or why the two cannot be compared."""
    before, after = parse_response(decompress_response(recorded)), parse_response(decompress_response(now))
    if after.status is None:
        return DriftResult(
            inconclusive_reason=f"there was no answer ({describe_answer_ending(now[-1])})",
            applies_to_later_requests=True,
        )
    if _is_temporary_error(after):
        return DriftResult(
            inconclusive_reason=f"it was answered with {_describe_status(after)}", applies_to_later_requests=True
        )
    if after.status == before.status and not after.is_complete:
        return DriftResult(inconclusive_reason=f"the answer was incomplete ({describe_answer_ending(now[-1])})")
    if _error_type(after) == NO_MATCHING_TURN_ERROR and _error_type(before) != NO_MATCHING_TURN_ERROR:
        return DriftResult(inconclusive_reason="the simulator's scenario has no turn for it")
    return DriftResult(tuple(_find_drifts(before, after)))


def _is_temporary_error(answer: ParsedResponse) -> bool:
    """Return whether an answer is an error that a later attempt may not get, such as `overloaded_error`."""
    return answer.status in TEMPORARY_STATUSES or (answer.status == 200 and _error_type(answer) in TEMPORARY_ERRORS)


def _describe_status(answer: ParsedResponse) -> str:
    """Return the status of an answer as text, with the type and message of its error if it has one."""
    if answer.error is None:
        return str(answer.status)
    return f"{answer.status} {answer.error.get('type')}: {answer.error.get('message')}"


def _signed_block_types(value: Any) -> Iterator[str]:
    """Yield the type of each block in `value`, a part of a request, that has a signature."""
    for member in child_values(value):
        kind = member.get("type") if isinstance(member, dict) else None
        if isinstance(kind, str) and member.get(_SIGNATURE_KEY_BY_BLOCK_TYPE.get(kind, "")):
            yield kind
        yield from _signed_block_types(member)


def _find_drifts(before: ParsedResponse, after: ParsedResponse) -> Iterator[AnswerDrift]:
    """Yield the differences between two answers.

    Their content is compared only if both have the same status and kind.
    """
    if before.status != after.status:
        yield AnswerDrift("status", before.status, _describe_status(after) if after.error is not None else after.status)
        return
    if before.is_stream != after.is_stream:
        yield AnswerDrift("content-type", _answer_body_kind(before), _answer_body_kind(after))
        return
    yield from _value_drifts(before, after)
    yield from _shape_drifts(_answer_shape(before), _answer_shape(after), is_complete=before.is_complete)


def _value_drifts(before: ParsedResponse, after: ParsedResponse) -> Iterator[AnswerDrift]:
    """Yield a drift for each changed value of a compared key, and one if the types of blocks changed.

    If the recording is incomplete, only the part that it contains is compared.
    """
    for name in COMPARED_KEYS:
        ours, theirs = before.message.get(name, ABSENT), after.message.get(name, ABSENT)
        if ours != theirs and (before.is_complete or ours not in (ABSENT, None)):
            yield AnswerDrift(name, ours, theirs)
    if _error_type(before) != _error_type(after):
        yield AnswerDrift("error.type", _error_type(before), _error_type(after))
    ours, theirs = _block_types(before), _block_types(after)
    if ours != (theirs if before.is_complete else theirs[: len(ours)]):
        yield AnswerDrift("content", ours, theirs)


def _block_types(answer: ParsedResponse) -> list[str]:
    """Return the type of each content block. For a tool call, the name of the tool is added."""
    return [":".join(str(block[key]) for key in ("type", "name") if key in block) for block in answer.blocks]


def _error_type(answer: ParsedResponse) -> Any:
    """Return the `type` of an answer's error, or None."""
    return answer.error.get("type") if answer.error is not None else None


def _answer_body_kind(answer: ParsedResponse) -> str:
    return "a stream" if answer.is_stream else "a plain answer"


@dataclass(frozen=True, slots=True)
class _AnswerShape:
    """The shape of an answer.

    Attributes:
        object_paths: the paths of all objects.
        types_by_path: for the path of each key, the path of its object and the JSON types of its values.
    """

    object_paths: set[str]
    types_by_path: dict[str, tuple[str, set[str]]]


def _answer_shape(answer: ParsedResponse) -> _AnswerShape:
    """Return which keys the objects of an answer have, and the JSON types of their values.

    Objects with different values of `type` have different paths.
    """
    shape = _AnswerShape(set(), {})
    for event in answer.events:
        if event.get("type") != "ping":
            _collect_shape(event, str(event.get("type")), shape)
    if not answer.is_stream and isinstance(answer.decoded_body, dict):
        _collect_shape(answer.decoded_body, "", shape)
    return shape


def _collect_shape(value: Mapping[str, Any], node: str, shape: _AnswerShape) -> None:
    """Add to `shape` the keys of the JSON object `value` at the path `node`, and those of the objects inside it."""
    shape.object_paths.add(node)
    for key, member in value.items():
        path = f"{node}.{key}" if node else key
        shape.types_by_path.setdefault(path, (node, set()))[1].add(_json_type(member))
        for inner, name in () if key in _MODEL_CHOSEN_KEYS else _objects_in_value(member, path):
            _collect_shape(inner, name, shape)


def _objects_in_value(value: Any, path: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield `(object, path)` for a value that is an object, or for each object in a list.

    The path names the object's type.
    """
    if isinstance(value, dict):
        kind = value.get("type")
        yield value, f"{path}({kind})" if isinstance(kind, str) and kind != "message" else path
    elif isinstance(value, list):
        yield from ((member, f"{path}[{member.get('type', '')}]") for member in value if isinstance(member, dict))


def _shape_drifts(before: _AnswerShape, after: _AnswerShape, *, is_complete: bool) -> Iterator[AnswerDrift]:
    """Yield a drift for each key that is missing or has another JSON type, and for each added key.

    Added keys are ignored unless the recording is complete (`is_complete`). Null may stand for any type.
    """
    for path, (node, kinds) in before.types_by_path.items():
        if node not in after.object_paths:
            continue
        if path not in after.types_by_path:
            yield AnswerDrift(path, _join_types(kinds), ABSENT)
        elif (now := after.types_by_path[path][1]) - {"null"} and kinds - {"null"} and not now & kinds - {"null"}:
            yield AnswerDrift(path, _join_types(kinds), _join_types(now))
    for path, (node, kinds) in after.types_by_path.items():
        if is_complete and node in before.object_paths and path not in before.types_by_path:
            yield AnswerDrift(path, ABSENT, _join_types(kinds))


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "true or false"), ((int, float), "a number"), (str, "text"), (list, "a list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "an object")


def _join_types(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds))


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
