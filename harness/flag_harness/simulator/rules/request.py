"""The requests that rules check, and the types of a rule and its result."""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from flag_harness.models import Model
from flag_harness.simulator.count.prefix import PromptSegment, prompt_segments
from flag_harness.simulator.count.tokens import input_tokens
from flag_harness.simulator.rules.shape.bodies import CountTokensBody, MessagesBody
from flag_harness.simulator.scenario.matching import content_blocks, message_blocks
from flag_harness.simulator.scenario.scenario import Scenario
from flag_harness.wire.timeline import Headers, Request, header_value

Provenance: TypeAlias = Literal["recorded", "documented", "quoted by users", "ours"]
"""The source of an error message.

`ours` means that the API (or the scenario) refuses such requests, but that we have written the message.
"""
_MODELS_PATH = "/v1/models"
_METHODS_BY_PATH_PATTERN = (
    (re.compile("/v1/messages/batches|/v1/files"), frozenset({"GET", "POST"})),
    (re.compile("/v1/messages/batches/[^/]+|/v1/files/[^/]+"), frozenset({"GET", "DELETE"})),
    (re.compile("/v1/messages/batches/[^/]+/cancel"), frozenset({"POST"})),
    (re.compile("/v1/messages/batches/[^/]+/results|/v1/files/[^/]+/content"), frozenset({"GET"})),
)
"""Patterns of the paths of batches and files, each with the methods that the path allows."""
_AWS_CREDENTIAL_PATTERN = re.compile(r"^AWS4-\S+\s.*?Credential=([^/,\s]+)")
_BODY_MODEL_BY_PATH: Mapping[str, type[CountTokensBody]] = {
    "/v1/messages": MessagesBody,
    "/v1/messages/count_tokens": CountTokensBody,
}


class SignatureChecker(Protocol):
    """The interface through which rules check thinking signatures. `SeededSignatures` implements it."""

    @property
    def state(self) -> Hashable:
        """A value that stands for the checker's memory: two checkers with equal states return the same results."""
        ...

    def is_valid(self, signature: str, thinking: str) -> bool:
        """Return whether `signature` was issued for this thinking text."""
        ...

    def is_issued(self, signature: str) -> bool:
        """Return whether `signature` was issued, for any thinking text."""
        ...

    def is_issued_redacted_data(self, data: str) -> bool:
        """Return whether `data` is from a redacted thinking block that was issued."""
        ...

    def position_in_answer(self, block: Mapping[str, Any]) -> str | None:
        """Return the position in the answer at which a thinking block was issued, or None if it is unknown."""
        ...

    def is_last_block_of_issued_answer(self, block: Mapping[str, Any]) -> bool:
        """Return whether a thinking block was the last block of its answer."""
        ...

    def is_from_answer_without_thinking(self, identifier: str) -> bool:
        """Return whether the tool call with the id `identifier` was issued in an answer that does not begin with
        thinking.
        """
        ...

    def is_result_without_call(self, identifier: str) -> bool:
        """Return whether the scenario has a server tool's result with the id `identifier`, but no call with that id."""
        ...

    def is_paused_answer(self, message: Mapping[str, Any]) -> bool:
        """Return whether the message is an answer issued with the stop reason `pause_turn`, which may be continued."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedBody:
    """A request body decoded from JSON, or the reason why it cannot be decoded.

    `is_too_deep` is True if the JSON is nested too deeply to be decoded.
    """

    value: Any = None
    problem: str | None = None
    is_too_deep: bool = False


@dataclass(frozen=True)
class IncomingRequest:
    """A request whose body is not parsed yet, with the scenario that the simulator follows."""

    request: Request
    scenario: Scenario

    @cached_property
    def path(self) -> str:
        """Return the path of the request without its query."""
        return self.request.path.partition("?")[0]

    @property
    def body_model(self) -> type[CountTokensBody] | None:
        """The Pydantic model of the body for this path, or None if the path has no body to check."""
        return _BODY_MODEL_BY_PATH.get(self.path)

    @cached_property
    def model_id_in_path(self) -> str | None:
        """Return the model id in a path `/v1/models/ID`, or an empty string for the path `/v1/models`.

        Return None for all other paths.
        """
        if self.path != _MODELS_PATH and not self.path.startswith(f"{_MODELS_PATH}/"):
            return None
        return self.path.removeprefix(_MODELS_PATH).removeprefix("/")

    @cached_property
    def allowed_methods(self) -> frozenset[str]:
        """The HTTP methods that the path allows; empty if the path does not exist."""
        if self.body_model is not None:
            return frozenset({"POST"})
        if self.model_id_in_path is not None:
            return frozenset({"GET"})
        return next((methods for path, methods in _METHODS_BY_PATH_PATTERN if path.fullmatch(self.path)), frozenset())

    @cached_property
    def api_key(self) -> str:
        """The API key, or an empty string if there is none."""
        return api_key(self.request.headers)

    @cached_property
    def betas(self) -> tuple[str, ...]:
        """Return the values of the `anthropic-beta` header."""
        return beta_values(self.request.headers)

    def query_value(self, name: str) -> str:
        """Return the first value of a query parameter, or an empty string if it is missing."""
        return parse_qs(urlsplit(self.request.url).query).get(name, [""])[0]

    @cached_property
    def decoded_body(self) -> DecodedBody:
        """Return the body decoded from JSON."""
        try:
            return DecodedBody(msgspec.json.decode(self.request.body))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return DecodedBody(problem=str(error))
        except RecursionError:
            return DecodedBody(is_too_deep=True)


@dataclass(frozen=True)
class ParsedRequest:
    """A request whose body has a valid shape. Two requests are equal if all rules must treat them alike.

    Attributes:
        body_bytes: the body as JSON.
        signature_state: the state of `signatures` when the request arrived.
        only_counts_tokens: True if the request only counts tokens.
    """

    headers: Headers
    body_bytes: bytes
    body: Mapping[str, Any] = field(compare=False)
    model: Model = field(compare=False)
    signatures: SignatureChecker = field(compare=False)
    signature_state: Hashable
    only_counts_tokens: bool = False

    @cached_property
    def api_key(self) -> str:
        """The API key, or an empty string. Clients with different keys share no prompt cache."""
        return api_key(self.headers)

    @cached_property
    def betas(self) -> tuple[str, ...]:
        """Return the values of the `anthropic-beta` header."""
        return beta_values(self.headers)

    @cached_property
    def input_tokens(self) -> int:
        """Return the estimated number of input tokens."""
        return input_tokens(self.body, self.model.id)

    @property
    def prompt_segments(self) -> tuple[PromptSegment, ...]:
        """The blocks of the prompt as the prompt cache sees them."""
        return _prompt_segments(self)

    @property
    def thinking_type(self) -> str | None:
        """The type of thinking that the request asks for, or None."""
        kind: str | None = (self.body.get("thinking") or {}).get("type")
        return kind

    @cached_property
    def marked_blocks(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Return the blocks that have `cache_control`, each with its path, in order."""
        return tuple((path, block) for path, block in self.blocks() if block.get("cache_control"))

    def blocks(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield every block of tools, system prompt and messages with its path, in the order of the API.

        The blocks inside a tool_result come before the tool_result.
        """
        for index, tool in enumerate(self.body.get("tools") or ()):
            yield f"tools.{index}", tool
        system = self.body.get("system")
        for index, block in enumerate(system if isinstance(system, list) else ()):
            yield f"system.{index}", block
        for number, message in enumerate(self.body["messages"]):
            for index, block in enumerate(message_blocks(message)):
                path = f"messages.{number}.content.{index}"
                inner = content_blocks(block.get("content")) if block["type"] == "tool_result" else ()
                yield from ((f"{path}.content.{place}", part) for place, part in enumerate(inner))
                yield path, block


class HashableBody(Hashable, Protocol):
    """The interface of a hashable value with a body, for `remember_results`."""

    @property
    def body_bytes(self) -> bytes:
        """The body as JSON."""
        ...


BodyType = TypeVar("BodyType", bound=HashableBody)
Result = TypeVar("Result")
MAX_BYTES_OF_REMEMBERED_BODY = 1 << 16
"""The size in bytes of the largest body for which results are remembered."""


def remember_results(function: Callable[[BodyType], Result]) -> Callable[[BodyType], Result]:
    """Return a function that remembers what `function` returned for the latest small bodies.

    This saves time because a sweep (one test under many faults) sends equal bodies hundreds of times.
    """
    remembering = lru_cache(maxsize=256)(function)
    return lambda sent: (remembering if len(sent.body_bytes) <= MAX_BYTES_OF_REMEMBERED_BODY else function)(sent)


@remember_results
def _prompt_segments(request: ParsedRequest) -> tuple[PromptSegment, ...]:
    return prompt_segments(request.body, request.model.id, request.api_key)


def beta_values(headers: Headers) -> tuple[str, ...]:
    """Return the values of the `anthropic-beta` header in order."""
    return tuple(value.strip() for value in header_value(headers, "anthropic-beta").split(",") if value.strip())


def api_key(headers: Headers) -> str:
    """Return the API key from `x-api-key` or `authorization`, or an empty string if neither header has one.

    For requests signed for AWS it is the access key, because the signature differs each time.
    """
    sent = header_value(headers, "authorization")
    signed = _AWS_CREDENTIAL_PATTERN.search(sent)
    return header_value(headers, "x-api-key") or (signed[1] if signed else sent.removeprefix("Bearer "))


CheckedRequestType = TypeVar("CheckedRequestType")


@dataclass(frozen=True, slots=True)
class ApiRule(Generic[CheckedRequestType]):
    """One rule of the API.

    `find_error` returns the error message for a request that breaks the rule, or None. `provenance` is the source of
    that message, and `source_date` the date on which it was recorded, documented or quoted. `error_status` and
    `error_type` are the HTTP status and the `type` of the error.
    """

    name: str
    find_error: Callable[[CheckedRequestType], str | None]
    provenance: Provenance
    source_date: str
    error_status: int = 400
    error_type: str = "invalid_request_error"


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """The API's error for a refused request, with the name of the broken rule.

    `status` is the HTTP status. `extra_error_fields` are further keys of the error's JSON object.
    """

    rule_name: str
    status: int
    error_type: str
    message: str
    extra_error_fields: Mapping[str, str] | None = None
