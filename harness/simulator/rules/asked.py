"""What a rule looks at, and what it answers with."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias

from harness.models import Model
from harness.simulator.matching import blocks_of, message_blocks
from harness.simulator.tokens import input_tokens
from harness.wire.timeline import Headers, header

Provenance: TypeAlias = Literal["recorded", "documented", "quoted by users"]


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


Check: TypeAlias = Callable[[Asked], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that the API refuses: `check` gives its words, or None. `since` is when that was seen or written."""

    name: str
    check: Check
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
