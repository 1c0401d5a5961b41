"""What a rule looks at, and what it answers with."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from flag_harness.models import Model
from flag_harness.simulator.count.tokens import input_tokens
from flag_harness.simulator.rules.shape.schema import CountTokensBody, MessagesBody
from flag_harness.simulator.scenario.matching import blocks_of, message_blocks
from flag_harness.simulator.scenario.scenario import Scenario
from flag_harness.wire.timeline import Headers, Request, header

Provenance: TypeAlias = Literal["recorded", "documented", "quoted by users", "ours"]
"""Where a refusal's words come from; `ours` where only the refusal itself is the API's, or a scenario's."""
_MODELS = "/v1/models"
_POSTED: Mapping[str, type[CountTokensBody]] = {
    "/v1/messages": MessagesBody,
    "/v1/messages/count_tokens": CountTokensBody,
}


class Signatures(Protocol):
    """Knows the signatures of thinking blocks."""

    def fits(self, signature: str, thinking: str) -> bool:
        """Whether this signature was issued for this thinking."""
        ...

    def signed(self, signature: str) -> bool:
        """Whether this signature was issued, for whatever thinking."""
        ...

    def issued(self, data: str) -> bool:
        """Whether this is the data of a redacted thinking block that was issued."""
        ...


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body as a value; or the problem with its JSON; or `endless`, nested deeper than can be read."""

    value: Any = None
    problem: str | None = None
    endless: bool = False


@dataclass(frozen=True)
class Arrived:
    """One request before anything of it was judged, and what the scenario says about keys, betas and parameters."""

    request: Request
    scenario: Scenario

    @cached_property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.request.url).path

    @property
    def shape(self) -> type[CountTokensBody] | None:
        """The shape of what is posted to this path; None where nothing is."""
        return _POSTED.get(self.path)

    @cached_property
    def listed(self) -> str | None:
        """The name of the model that is asked for; empty for the list of all, None on other paths."""
        if self.path != _MODELS and not self.path.startswith(f"{_MODELS}/"):
            return None
        return self.path.removeprefix(_MODELS).removeprefix("/")

    @property
    def key(self) -> str:
        """The key; nothing where there is none."""
        return key_of(self.request.headers)

    @cached_property
    def betas(self) -> tuple[str, ...]:
        """The values of the anthropic-beta header."""
        return betas_of(self.request.headers)

    def query(self, name: str) -> str:
        """A value of the query; nothing where it has none of this name."""
        return parse_qs(urlsplit(self.request.url).query).get(name, [""])[0]

    @cached_property
    def decoded(self) -> Decoded:
        """The body."""
        try:
            return Decoded(msgspec.json.decode(self.request.body))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Decoded(problem=str(error))
        except RecursionError:
            return Decoded(endless=True)


@dataclass(frozen=True)
class Asked:
    """One request whose body has the right shape. `counting` is true for count_tokens."""

    headers: Headers
    body: Mapping[str, Any]
    model: Model
    signatures: Signatures
    counting: bool = False

    @cached_property
    def betas(self) -> tuple[str, ...]:
        """The values of the anthropic-beta header."""
        return betas_of(self.headers)

    @cached_property
    def input_tokens(self) -> int:
        """The estimate of what the model reads."""
        return input_tokens(self.body, self.model.id)

    @property
    def thinking(self) -> str | None:
        """The kind of thinking that the body asks for."""
        kind: str | None = (self.body.get("thinking") or {}).get("type")
        return kind

    @cached_property
    def marked(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """The blocks that carry a cache mark, in the API's order, each with its path."""
        return tuple((path, block) for path, block in self.blocks() if block.get("cache_control"))

    def blocks(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every block of tools, system and messages in the API's order, with its path; those in tool_results, too."""
        for index, tool in enumerate(self.body.get("tools") or ()):
            yield f"tools.{index}", tool
        system = self.body.get("system")
        for index, block in enumerate(system if isinstance(system, list) else ()):
            yield f"system.{index}", block
        for number, message in enumerate(self.body["messages"]):
            for index, block in enumerate(message_blocks(message)):
                path = f"messages.{number}.content.{index}"
                inner = blocks_of(block.get("content")) if block["type"] == "tool_result" else ()
                yield from ((f"{path}.content.{place}", part) for place, part in enumerate(inner))
                yield path, block


def betas_of(headers: Headers) -> tuple[str, ...]:
    """The values of the anthropic-beta header, in their order."""
    return tuple(value.strip() for value in header(headers, "anthropic-beta").split(",") if value.strip())


def key_of(headers: Headers) -> str:
    """The key, in whichever header it is sent; nothing where it is in none."""
    return header(headers, "x-api-key") or header(headers, "authorization").removeprefix("Bearer ")


Judged = TypeVar("Judged")


@dataclass(frozen=True, slots=True)
class Rule(Generic[Judged]):
    """One thing that the API refuses: `check` gives its words, or None. `since` is when that was seen or written."""

    name: str
    check: Callable[[Judged], str | None]
    provenance: Provenance
    since: str
    status: int = 400
    type: str = "invalid_request_error"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request: the rule's name, and what the API answers."""

    rule: str
    status: int
    type: str
    message: str
