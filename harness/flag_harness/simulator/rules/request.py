"""The values that rules check, and the types of a rule and its result."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from flag_harness.models import Model
from flag_harness.simulator.count.tokens import input_tokens
from flag_harness.simulator.rules.shape.bodies import CountTokensBody, MessagesBody
from flag_harness.simulator.scenario.matching import content_blocks, message_blocks
from flag_harness.simulator.scenario.scenario import Scenario
from flag_harness.wire.timeline import Headers, Request, header_value

Provenance: TypeAlias = Literal["recorded", "documented", "quoted by users", "ours"]
"""The source of an error message. `ours`: the API or a scenario refuses such requests, but the wording is our own."""
_MODELS = "/v1/models"
_SERVICE_METHODS = (
    (re.compile("/v1/messages/batches|/v1/files"), frozenset({"GET", "POST"})),
    (re.compile("/v1/messages/batches/[^/]+|/v1/files/[^/]+"), frozenset({"GET", "DELETE"})),
    (re.compile("/v1/messages/batches/[^/]+/cancel"), frozenset({"POST"})),
    (re.compile("/v1/messages/batches/[^/]+/results|/v1/files/[^/]+/content"), frozenset({"GET"})),
)
"""The paths of batches and files, each with its methods."""
_AWS_CREDENTIAL = re.compile(r"^AWS4-\S+\s.*?Credential=([^/,\s]+)")
_BODY_MODELS: Mapping[str, type[CountTokensBody]] = {
    "/v1/messages": MessagesBody,
    "/v1/messages/count_tokens": CountTokensBody,
}


class Signatures(Protocol):
    """Verifies the signatures of thinking blocks."""

    def is_valid(self, signature: str, thinking: str) -> bool:
        """Return whether `signature` was issued for this thinking text."""
        ...

    def is_issued(self, signature: str) -> bool:
        """Return whether `signature` was issued at all, for any thinking text."""
        ...

    def is_issued_redaction(self, data: str) -> bool:
        """Return whether `data` belongs to a redacted thinking block that was issued."""
        ...

    def position(self, block: Mapping[str, Any]) -> str | None:
        """Return the position at which a thinking block was issued, or None if that is unknown."""
        ...

    def is_issued_last(self, block: Mapping[str, Any]) -> bool:
        """Return whether a thinking block was the last one of the answer that it is from."""
        ...

    def is_call_without_thinking(self, identifier: str) -> bool:
        """Return whether the call with this id was issued in an answer that does not start with thinking."""
        ...

    def is_paused(self, message: Mapping[str, Any]) -> bool:
        """Return whether the message is an answer that was issued as paused, so that it may be continued."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedBody:
    """A decoded JSON body, or the reason why it cannot be decoded.

    `too_deep` is true if the JSON is nested too deeply for the decoder.
    """

    value: Any = None
    problem: str | None = None
    too_deep: bool = False


@dataclass(frozen=True)
class IncomingRequest:
    """A request that has not been checked yet, with the scenario that applies to it."""

    request: Request
    scenario: Scenario

    @cached_property
    def path(self) -> str:
        """Return the endpoint without the query."""
        return self.request.path.partition("?")[0]

    @property
    def body_model(self) -> type[CountTokensBody] | None:
        """Return the Pydantic model for bodies posted to this path, or None if the path takes no body."""
        return _BODY_MODELS.get(self.path)

    @cached_property
    def model_name(self) -> str | None:
        """Return the id in a path `/v1/models/ID`, an empty string for `/v1/models`, or None for any other path."""
        if self.path != _MODELS and not self.path.startswith(f"{_MODELS}/"):
            return None
        return self.path.removeprefix(_MODELS).removeprefix("/")

    @cached_property
    def allowed_methods(self) -> frozenset[str]:
        """Return the HTTP methods that the path takes; none if the path does not exist."""
        if self.body_model is not None:
            return frozenset({"POST"})
        if self.model_name is not None:
            return frozenset({"GET"})
        return next((methods for path, methods in _SERVICE_METHODS if path.fullmatch(self.path)), frozenset())

    @property
    def key(self) -> str:
        """Return the API key, or an empty string if there is none."""
        return api_key(self.request.headers)

    @cached_property
    def betas(self) -> tuple[str, ...]:
        """Return the values of the `anthropic-beta` header."""
        return beta_values(self.request.headers)

    def query(self, name: str) -> str:
        """Return the first value of a query parameter, or an empty string if it is missing."""
        return parse_qs(urlsplit(self.request.url).query).get(name, [""])[0]

    @cached_property
    def decoded_body(self) -> DecodedBody:
        """Return the decoded body."""
        try:
            return DecodedBody(msgspec.json.decode(self.request.body))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return DecodedBody(problem=str(error))
        except RecursionError:
            return DecodedBody(too_deep=True)


@dataclass(frozen=True)
class ParsedRequest:
    """A request whose body has a valid shape. `counting` is true for count_tokens."""

    headers: Headers
    body: Mapping[str, Any]
    model: Model
    signatures: Signatures
    counting: bool = False

    @cached_property
    def betas(self) -> tuple[str, ...]:
        """Return the values of the `anthropic-beta` header."""
        return beta_values(self.headers)

    @cached_property
    def input_tokens(self) -> int:
        """Return the estimated number of input tokens."""
        return input_tokens(self.body, self.model.id)

    @property
    def thinking(self) -> str | None:
        """Return the requested type of thinking, or None."""
        kind: str | None = (self.body.get("thinking") or {}).get("type")
        return kind

    @cached_property
    def marked_blocks(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Return the blocks that have `cache_control`, each with its path, in the API's order."""
        return tuple((path, block) for path, block in self.blocks() if block.get("cache_control"))

    def blocks(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield every block of tools, system and messages with its path, in the API's order.

        The blocks inside a tool_result come before the tool_result itself.
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


def beta_values(headers: Headers) -> tuple[str, ...]:
    """Return the values of the `anthropic-beta` header in their order."""
    return tuple(value.strip() for value in header_value(headers, "anthropic-beta").split(",") if value.strip())


def api_key(headers: Headers) -> str:
    """Return the API key from either header that may hold it, or an empty string.

    An AWS signature differs with each request, so its access key stands for it.
    """
    sent = header_value(headers, "authorization")
    signed = _AWS_CREDENTIAL.search(sent)
    return header_value(headers, "x-api-key") or (signed[1] if signed else sent.removeprefix("Bearer "))


Checked = TypeVar("Checked")


@dataclass(frozen=True, slots=True)
class Rule(Generic[Checked]):
    """One rule of the API. `check` returns the error message, or None if the request keeps the rule.

    `since` is the date at which the message was recorded, documented or quoted.
    """

    name: str
    check: Callable[[Checked], str | None]
    provenance: Provenance
    since: str
    status: int = 400
    type: str = "invalid_request_error"


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that a rule refuses, and the API's error for it. `details` are for programs."""

    rule: str
    status: int
    type: str
    message: str
    details: Mapping[str, str] | None = None
