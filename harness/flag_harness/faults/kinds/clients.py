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
_WRAPPED_METHODS = ("create", "stream")
_SDK_CLASSES = ("Messages", "AsyncMessages")
_SDK_RESULT = "raises TypeError"


@fault_kind("client", stream_result=_SDK_RESULT, create_result=_SDK_RESULT, side="client")
def refused_keyword(*, keyword: str = "beta", **when: Unpack[ConditionArguments]) -> FaultEffect:
    """A call gets a keyword that the installed SDK has no parameter for; see `with_refused_keywords`."""
    checks.require_nonempty_text("keyword", keyword)
    return lambda faulty_request: faulty_request.mark_as_fired()


def with_refused_keywords(client: Client, *faults: Fault) -> Client:
    """Return a copy of an SDK client (sync or async) to which the fault `refused_keyword` applies.

    If the fault is due, the methods `create` and `stream` of `messages` and `beta.messages` get a keyword that the SDK
    does not know, so the SDK raises its own `TypeError`. The fault's `when` function gets a request that has only the
    name of the method (`create`). Other faults are ignored. Raise `FaultError` if each of these methods accepts the
    keyword.
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
                for holder, name, call in _find_method_replacements(holders, fault):
                    patches.enter_context(patch.object(holder, name, call))
        yield


def _patch_client(client: Any, fault: Fault) -> None:
    for holder, name, call in _find_method_replacements((client.messages, client.beta.messages), fault):
        setattr(holder, name, call)


def _find_method_replacements(
    sdk_objects: Iterable[Any], fault: Fault
) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Yield an SDK object, the name of one of its methods, and the function that replaces the method.

    Raise `FaultError` if every method accepts the fault's keyword.
    """
    keyword = str(dict(fault.arguments).get("keyword", "beta"))
    calls = [(holder, name) for holder in sdk_objects for name in _WRAPPED_METHODS]
    refusing = [(holder, name) for holder, name in calls if keyword not in _parameter_names(getattr(holder, name))]
    if not refusing:
        raise FaultError(
            f"refused_keyword: the installed SDK accepts {keyword!r}; try 'beta', which no version accepts"
        )
    for holder, name in refusing:
        yield holder, name, _wrap_method(getattr(holder, name), name, keyword, fault)


def _parameter_names(method: Callable[..., Any]) -> Collection[str]:
    return inspect.signature(method).parameters


def _wrap_method(method: Callable[..., Any], method_name: str, keyword: str, fault: Fault) -> Callable[..., Any]:
    """Return a replacement for a method of the SDK, which passes one more keyword to the method if the fault is due."""

    @wraps(method)
    def call_with_refused_keyword(*args: Any, **kwargs: Any) -> Any:
        faulty_request = fault.match_request(Request(method_name, "", (), b""))
        if faulty_request is None:
            return method(*args, **kwargs)
        fault.effect(faulty_request)
        return method(*args, **{**kwargs, keyword: True})

    return call_with_refused_keyword
