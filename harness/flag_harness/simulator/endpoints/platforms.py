"""Requests to Bedrock and Vertex AI. They are converted to requests of the Messages API, and the answers back.

Both platforms name the model in the path. Bedrock streams in AWS frames and has its own errors; streams and errors of
Vertex AI are those of the Messages API.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import msgspec

from flag_harness.simulator.rules import api_key
from flag_harness.wire.aws_frames import AWS_STREAM_CONTENT_TYPE, frame_from_sse
from flag_harness.wire.json import decode_json, decode_json_object
from flag_harness.wire.message import parse_response
from flag_harness.wire.sse import decode_events, encode_event
from flag_harness.wire.timeline import Chunk, End, Head, Headers, Request, Response, header_value, is_stream

_BEDROCK_PATH_PATTERN = re.compile(r"/model/(?P<model>[^/]+)/invoke(?P<stream>-with-response-stream)?")
_VERTEX_PATH_PATTERN = re.compile(
    r"/v1/projects/[^/]+/locations/[^/]+/publishers/anthropic/models/(?P<model>[^/:]+):(?P<verb>rawPredict|streamRawPredict)"
)
_VERTEX_COUNT_TOKENS_MODEL = "count-tokens"
_BEDROCK_MODEL_ID_PATTERN = re.compile(r"(?:.*[./])?(?P<name>claude-[a-z0-9.-]+?)(?:-v\d+)?(?::\d+k?)?")
_BEDROCK_ERROR_BY_STATUS: Mapping[int, tuple[int, str]] = {
    400: (400, "ValidationException"),
    401: (403, "UnrecognizedClientException"),
    403: (403, "AccessDeniedException"),
    404: (400, "ValidationException"),
    405: (404, "UnknownOperationException"),
    413: (400, "ValidationException"),
    429: (429, "ThrottlingException"),
    504: (408, "ModelTimeoutException"),
    529: (503, "ServiceUnavailableException"),
}
"""The status and exception of Bedrock for each status of the API.

All others from 500 are `InternalServerException`, and all others below it `ValidationException`: no mistake of a client
looks like one of the server.
"""
_HEADERS_REPLACED_FOR_MESSAGES_API = ("authorization", "anthropic-version", "anthropic-beta", "content-length")


@dataclass(frozen=True, slots=True)
class PlatformRequest:
    """A request to Bedrock (`platform` is `bedrock`) or Vertex AI (`vertex`).

    Attributes:
        model: the model named in the path.
        is_answer_streamed: True if the request asks for a stream.
        only_counts_tokens: True if the request only counts tokens.
    """

    platform: str
    request: Request
    model: str
    is_answer_streamed: bool = False
    only_counts_tokens: bool = False

    @property
    def body_problem(self) -> str | None:
        """The error message with which the platform refuses the body, or None."""
        body = decode_json(self.request.body)
        if not isinstance(body, dict):
            return None
        extra = [name for name in ("model", "stream") if name in body and not self._is_allowed_in_body(name)]
        if extra:
            return f"{extra[0]}: Extra inputs are not permitted"
        return None if "anthropic_version" in body else "anthropic_version: Field required"

    def to_messages_request(self) -> Request:
        """Convert this request to one of the Messages API.

        A body that is not a JSON object is left unchanged, and the rules refuse it later.
        """
        path = "/v1/messages/count_tokens" if self.only_counts_tokens else "/v1/messages"
        body = decode_json(self.request.body)
        headers = [pair for pair in self.request.headers if pair[0].lower() not in _HEADERS_REPLACED_FOR_MESSAGES_API]
        if not isinstance(body, dict):
            return replace(self.request, url=path, headers=(*headers, *self._api_key_header()))
        betas = body.get("anthropic_beta") if isinstance(body.get("anthropic_beta"), list) else []
        named = [*map(str, betas or ()), header_value(self.request.headers, "anthropic-beta")]
        kept = {key: value for key, value in body.items() if key not in ("anthropic_version", "anthropic_beta")}
        stream = {"stream": True} if self.is_answer_streamed else {}
        named_model = kept.get("model")
        model = _model_id_from_vertex(named_model) if isinstance(named_model, str) else self.model
        whole = {**kept, "model": model, **stream}
        beta = ",".join(name for name in named if name)
        headers += [
            ("anthropic-version", "2023-06-01"),
            *self._api_key_header(),
            *([("anthropic-beta", beta)] if beta else []),
        ]
        return replace(self.request, url=path, headers=tuple(headers), body=msgspec.json.encode(whole))

    def convert_response(self, response: Response) -> Response:
        """Convert a response of the Messages API to the format of the platform."""
        head = response[0]
        if not isinstance(head, Head) or self.platform != "bedrock":
            return response
        if head.status != 200:
            return _convert_error_to_bedrock(head, response)
        kind = AWS_STREAM_CONTENT_TYPE if is_stream(head) else "application/json"
        headers = _make_bedrock_headers(head, kind)
        pieces = _convert_stream_to_frames(response) if is_stream(head) else response[1:]
        return replace(head, headers=headers), *pieces

    def _is_allowed_in_body(self, field: str) -> bool:
        """Return whether the platform accepts this field in the body of a request."""
        return self.only_counts_tokens or (field == "stream" and self.platform == "vertex")

    def _api_key_header(self) -> Headers:
        """Return the credential of the request as a tuple with an `x-api-key` header, or an empty tuple."""
        key = api_key(self.request.headers)
        return (("x-api-key", key),) if key else ()


def parse_platform_request(request: Request) -> PlatformRequest | None:
    """Return a request to Bedrock or Vertex AI as a `PlatformRequest`, or None for any other path."""
    path = request.path.partition("?")[0]
    if found := _BEDROCK_PATH_PATTERN.fullmatch(path):
        return PlatformRequest(
            "bedrock", request, _model_id_from_bedrock(unquote(found["model"])), bool(found["stream"])
        )
    if found := _VERTEX_PATH_PATTERN.fullmatch(path):
        name = unquote(found["model"])
        counting = name == _VERTEX_COUNT_TOKENS_MODEL
        streamed = found["verb"] == "streamRawPredict" or decode_json_object(request.body).get("stream") is True
        return PlatformRequest("vertex", request, _model_id_from_vertex(name), streamed and not counting, counting)
    return None


def _model_id_from_bedrock(name: str) -> str:
    """Return the Messages API's id of a model, given its id on Bedrock.

    An example of a Bedrock id is `us.anthropic.claude-sonnet-4-5-20250929-v1:0`.
    """
    found = _BEDROCK_MODEL_ID_PATTERN.fullmatch(name)
    return found["name"] if found else name


def _model_id_from_vertex(name: str) -> str:
    """Return the Messages API's id of a model, given its id on Vertex AI, such as `claude-sonnet-4-5@20250929`."""
    plain, _, date = name.partition("@")
    plain = re.sub(r"-v\d+$", "", plain)
    return f"{plain}-{date}" if date and date != "default" else plain


def _make_bedrock_headers(head: Head, content_type: str) -> Headers:
    """Return the headers of a Bedrock response whose content type is `content_type`."""
    request_id = header_value(head.headers, "request-id")
    return (
        ("date", header_value(head.headers, "date")),
        ("content-type", content_type),
        ("x-amzn-requestid", request_id),
    )


def _convert_error_to_bedrock(head: Head, response: Response) -> Response:
    """Return an error response of the Messages API in the format of Bedrock."""
    other = (500, "InternalServerException") if head.status >= 500 else (400, "ValidationException")
    status, kind = _BEDROCK_ERROR_BY_STATUS.get(head.status, other)
    error = parse_response(response).error or {}
    words = "The provided model identifier is invalid." if head.status == 404 else str(error.get("message", ""))
    headers = (*_make_bedrock_headers(head, "application/json"), ("x-amzn-errortype", kind))
    retry = header_value(head.headers, "retry-after")
    more = (("retry-after", retry),) if retry else ()
    body = msgspec.json.encode({"message": words})
    return replace(head, status=status, headers=(*headers, *more)), Chunk(head.at, body), End(head.at)


def _convert_stream_to_frames(response: Response) -> Response:
    """Return a streamed response with its events in AWS frames (binary messages) instead of server-sent events.

    Bedrock sends no pings, and adds its metrics to `message_stop`.
    """
    usage = parse_response(response).usage or {}
    pieces: list[Any] = []
    for piece in response[1:]:
        if not isinstance(piece, Chunk):
            pieces.append(piece)
            continue
        frames = b"".join(
            _encode_event_frame(event.event, event.data, usage, piece.at)
            for event in decode_events([piece.data])
            if event.event != "ping"
        )
        pieces += [Chunk(piece.at, frames)] if frames else []
    return tuple(pieces)


def _encode_event_frame(name: str, data: str, usage: Mapping[str, Any], seconds: float) -> bytes:
    """Return an event as an AWS frame. The event `message_stop` also gets Bedrock's metrics.

    `name` and `data` are those of the server-sent event; `usage` and `seconds` (the duration) are for the metrics.
    """
    if name != "message_stop":
        return frame_from_sse(encode_event(name, data))
    metrics = {
        "inputTokenCount": usage.get("input_tokens", 0),
        "outputTokenCount": usage.get("output_tokens", 0),
        "invocationLatency": round(seconds * 1000),
        "firstByteLatency": round(seconds * 1000),
    }
    stop = {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}
    return frame_from_sse(encode_event(name, msgspec.json.encode(stop).decode()))
