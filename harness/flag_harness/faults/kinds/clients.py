"""A fault in the client: the installed SDK refuses a call before it sends anything."""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, TypeVar, Unpack
from unittest.mock import patch

from flag_harness.faults import checks
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.errors import FaultError
from flag_harness.faults.fault import Fault, FaultEffect, fault_kind
from flag_harness.wire.timeline import Request

Client = TypeVar("Client")
_WRAPPED_CALLS = ("create", "stream")
_SDK_CLASSES = ("Messages", "AsyncMessages")
_SDK_RESULT = "raises TypeError"


@fault_kind("client", stream_result=_SDK_RESULT, create_result=_SDK_RESULT, side="client")
def refused_keyword(*, keyword: str = "beta", **when: Unpack[ConditionArguments]) -> FaultEffect:
    """A call gets a keyword that the installed SDK has no parameter for; see `with_refused_keywords`."""
    checks.require_text("keyword", keyword)
    return lambda faulty_request: faulty_request.mark_as_fired()


def with_refused_keywords(client: Client, *faults: Fault) -> Client:
    """Return a copy of an SDK client (sync or async) with the fault `refused_keyword` in its calls.

    If the fault is due, a call gets a keyword that the SDK does not know, so the SDK raises its own `TypeError`. This
    applies to `create` and `stream` of `messages` and `beta.messages`. The fault's `when` function gets a request whose
    only content is a method, the name of the call. Other faults are ignored. Raise `FaultError` if the installed SDK
    accepts the keyword in every call.
    """
    copy: Any = client.copy()  # type: ignore[attr-defined]
    for fault in faults:
        if fault.side == "client":
            _patch_client(copy, fault)
    return copy  # type: ignore[no-any-return]


@contextmanager
def patch_refused_keywords(*faults: Fault) -> Iterator[None]:
    """Apply `with_refused_keywords` to every client of the process while the `with` block runs."""
    with ExitStack() as patches:
        for fault in faults:
            if fault.side == "client":
                from anthropic.resources import beta, messages

                holders = [getattr(home, name) for home in (messages, beta.messages) for name in _SDK_CLASSES]
                for holder, name, call in _find_replacements_of_calls(holders, fault):
                    patches.enter_context(patch.object(holder, name, call))
        yield


def _patch_client(client: Any, fault: Fault) -> None:
    for holder, name, call in _find_replacements_of_calls((client.messages, client.beta.messages), fault):
        setattr(holder, name, call)


def _find_replacements_of_calls(holders: Iterable[Any], fault: Fault) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Yield an SDK object, the name of a call, and the function that replaces the call.

    Raise `FaultError` if the SDK accepts the keyword in every call.
    """
    keyword = str(dict(fault.arguments).get("keyword", "beta"))
    calls = [(holder, name) for holder in holders for name in _WRAPPED_CALLS]
    refusing = [(holder, name) for holder, name in calls if keyword not in _parameter_names(getattr(holder, name))]
    if not refusing:
        raise FaultError(
            f"refused_keyword: the installed SDK accepts {keyword!r}; try 'beta', which no version accepts"
        )
    for holder, name in refusing:
        yield holder, name, _wrap_call(getattr(holder, name), name, keyword, fault)


def _parameter_names(call: Callable[..., Any]) -> Collection[str]:
    return inspect.signature(call).parameters


def _wrap_call(call: Callable[..., Any], name: str, keyword: str, fault: Fault) -> Callable[..., Any]:
    """Return a call of the SDK that gets one more keyword if the fault is due."""

    @wraps(call)
    def call_with_refused_keyword(*args: Any, **kwargs: Any) -> Any:
        faulty_request = fault.match_request(Request(name, "", (), b""))
        if faulty_request is None:
            return call(*args, **kwargs)
        fault.effect(faulty_request)
        return call(*args, **{**kwargs, keyword: True})

    return call_with_refused_keyword
