"""Faults on the client's side: a call that the installed SDK refuses before anything is sent."""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, TypeVar, Unpack
from unittest.mock import patch

from flag_harness.faults import checks
from flag_harness.faults.errors import FaultError
from flag_harness.faults.fault import Effect, Fault, fault_kind
from flag_harness.faults.when import ConditionArguments
from flag_harness.wire.timeline import Request

Client = TypeVar("Client")
_CALLS = ("create", "stream")
_CLASSES = ("Messages", "AsyncMessages")
_REFUSED = "raises TypeError"


@fault_kind("client", stream_result=_REFUSED, create_result=_REFUSED, side="client")
def refused_keyword(*, keyword: str = "beta", **when: Unpack[ConditionArguments]) -> Effect:
    """A call is given a keyword that the installed SDK has no parameter for; see `with_refused_keywords`."""
    checks.require_text("keyword", keyword)
    return lambda due: due.fire()


def with_refused_keywords(client: Client, *faults: Fault) -> Client:
    """A copy of an SDK client (sync or async) whose calls get the keyword of `refused_keyword` when that is due.

    The SDK itself refuses it, with its own `TypeError`. The calls are `create` and `stream` of `messages` and
    `beta.messages`; `when` gets a request without URL, headers and body, its method the call's name. Faults of the wire
    are no matter here. Raises `FaultError` for a keyword that the installed SDK takes in all of them.
    """
    copy: Any = client.copy()  # type: ignore[attr-defined]
    for fault in faults:
        if fault.side == "client":
            _mislead(copy, fault)
    return copy  # type: ignore[no-any-return]


@contextmanager
def patch_refused_keywords(*faults: Fault) -> Iterator[None]:
    """Do what `with_refused_keywords` does for every client of the process, while the block runs."""
    with ExitStack() as patches:
        for fault in faults:
            if fault.side == "client":
                from anthropic.resources import beta, messages

                holders = [getattr(home, name) for home in (messages, beta.messages) for name in _CLASSES]
                for holder, name, call in _misleading_calls(holders, fault):
                    patches.enter_context(patch.object(holder, name, call))
        yield


def _mislead(client: Any, fault: Fault) -> None:
    for holder, name, call in _misleading_calls((client.messages, client.beta.messages), fault):
        setattr(holder, name, call)


def _misleading_calls(holders: Iterable[Any], fault: Fault) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Who makes calls, their names, and the calls in their place. Raises `FaultError` where none would refuse."""
    keyword = str(dict(fault.arguments).get("keyword", "beta"))
    calls = [(holder, name) for holder in holders for name in _CALLS]
    refusing = [(holder, name) for holder, name in calls if keyword not in _parameters(getattr(holder, name))]
    if not refusing:
        raise FaultError(f"refused_keyword: the installed SDK takes {keyword!r}; try 'beta', which none has taken yet")
    for holder, name in refusing:
        yield holder, name, _given(getattr(holder, name), name, keyword, fault)


def _parameters(call: Callable[..., Any]) -> Collection[str]:
    return inspect.signature(call).parameters


def _given(call: Callable[..., Any], name: str, keyword: str, fault: Fault) -> Callable[..., Any]:
    @wraps(call)
    def made(*args: Any, **kwargs: Any) -> Any:
        due = fault.due(Request(name, "", (), b""))
        if due is None:
            return call(*args, **kwargs)
        fault.effect(due)
        return call(*args, **{**kwargs, keyword: True})

    return made
