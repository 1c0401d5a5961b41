"""What the installed SDK's types let a client send has a shape that the simulated API takes."""

import typing
from collections.abc import Iterable, Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import anthropic.types
import anthropic.types.beta
import pytest
import typing_extensions
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_count_tokens_params
from anthropic.types.beta import message_create_params as beta_create_params

from flag_harness.simulator.rules.betas import (
    BETAS_BY_BODY_FIELD,
    BETAS_BY_TOOL_TYPE,
    KNOWN_BETAS,
    TOOL_TYPES_WITHOUT_BETA,
)
from flag_harness.simulator.rules.shape.bodies import CountTokensBody, MessagesBody
from flag_harness.simulator.rules.shape.validation import shape_problem
from flag_harness.simulator.rules.tools.definitions import definition_problem

HEADERS = frozenset({"betas", "user_profile_id", "workspace_id"})
"""Parameters that the SDK sends as headers."""
NAMESPACES = [(anthropic.types, ""), (anthropic.types.beta, "Beta")]
BODIES = [
    (message_create_params.MessageCreateParamsBase, MessagesBody),
    (beta_create_params.MessageCreateParamsBase, MessagesBody),
    (message_count_tokens_params.MessageCountTokensParams, CountTokensBody),
    (beta_count_tokens_params.MessageCountTokensParams, CountTokensBody),
]


def values(kind: Any) -> list[Any]:
    """Values of a type: one for each member of a union, each literal, and each key of an object."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Annotated, typing_extensions.Required, typing.Required):
        return values(parts[0])
    if origin in (Union, UnionType):
        return [value for part in parts for value in values(part)]
    if origin in (Literal, typing_extensions.Literal):
        return list(parts)
    if typing_extensions.is_typeddict(kind):
        return list(objects(kind))
    if origin in (list, Iterable) or (origin is not None and issubclass(origin, Iterable) and origin is not dict):
        return [[value] for value in values(parts[0])]
    if origin is dict or kind is dict:
        return [{"type": "object"}]
    if "SequenceNotStr" in str(kind):
        return [["x"]]
    return [{int: 2000, float: 0.5, bool: True, NoneType: None, object: 1}.get(kind, "x")]


@cache
def objects(kind: Any) -> tuple[dict[str, Any], ...]:
    """Objects of a type that have all of its keys; each differs from the first in one."""
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    every = {key: values(hint) for key, hint in hints.items()}
    first = {key: found[0] for key, found in every.items()}
    return first, *({**first, key: value} for key, found in every.items() for value in found[1:] if value is not None)


def members(namespace: Any, name: str) -> Iterator[Any]:
    """The object types of a union of the SDK."""
    kind = getattr(namespace, name)
    yield from (part for part in get_args(kind) or (kind,) if typing_extensions.is_typeddict(part))


def problems(body: dict[str, Any]) -> str | None:
    return shape_problem({"model": "m", "max_tokens": 1, "messages": [], **body}, MessagesBody)


@pytest.mark.parametrize(("namespace", "prefix"), NAMESPACES)
def test_every_block_of_the_sdk_is_taken(namespace: Any, prefix: str) -> None:
    """With every key that its type has, in a user's or an assistant's message."""
    blocks = [block for kind in members(namespace, f"{prefix}ContentBlockParam") for block in values(kind)]
    assert 15 < len({block["type"] for block in blocks})
    refused = {words for block in blocks if (words := problems({"messages": [{"role": "user", "content": [block]}]}))}
    assert set() == refused


@pytest.mark.parametrize(("namespace", "prefix"), NAMESPACES)
def test_every_message_of_the_sdk_is_taken(namespace: Any, prefix: str) -> None:
    """System messages and their settings among them."""
    kinds = members(namespace, f"{prefix}MessageParam")
    hints = [typing_extensions.get_type_hints(kind, include_extras=True) for kind in kinds]
    messages = [
        {**dict.fromkeys(hint), "role": role, "content": "x"} for hint in hints for role in values(hint["role"])
    ]
    assert None is problems({"messages": messages})


@pytest.mark.parametrize(("namespace", "prefix"), NAMESPACES)
def test_every_tool_of_the_sdk_is_taken(namespace: Any, prefix: str) -> None:
    """Its shape, and its type, openly or with a beta."""
    tools = [tool for kind in members(namespace, f"{prefix}ToolUnionParam") for tool in values(kind)]
    assert set() == {words for tool in tools if (words := problems({"tools": [tool]}))}
    assert set() == {tool["type"] or "custom" for tool in tools} - TOOL_TYPES_WITHOUT_BETA - BETAS_BY_TOOL_TYPE.keys()
    assert {None} == {definition_problem(tool) for tool in tools}


@pytest.mark.parametrize(("parameters", "shape"), BODIES)
def test_every_parameter_of_the_sdk_is_taken(parameters: Any, shape: Any) -> None:
    """Every value that its type allows; those that travel as headers are no part of the body."""
    hints = typing_extensions.get_type_hints(parameters, include_extras=True)
    required = {"model": "m", "max_tokens": 1, "messages": []}
    body = {key: value for key, value in required.items() if key in shape.model_fields}
    names = hints.keys() - HEADERS - {"messages", "tools"}
    sent = [{**body, name: value} for name in names for value in values(hints[name])]
    assert set() == {words for one in sent if (words := shape_problem(one, shape))}


def test_every_beta_of_the_sdk_is_known() -> None:
    """And every beta that opens something."""
    typed = {name for part in get_args(anthropic.types.AnthropicBetaParam) for name in get_args(part)}
    assert 15 < len(typed)
    assert set() == typed - KNOWN_BETAS
    assert (
        set()
        == {beta for betas in (*BETAS_BY_BODY_FIELD.values(), *BETAS_BY_TOOL_TYPE.values()) for beta in betas}
        - KNOWN_BETAS
    )
