"""A fault: a named layer that acts on due requests (those that meet its condition), and counts them."""

import json
import re
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import wraps
from random import Random
from typing import Literal, ParamSpec, TypeAlias

from flag_harness.faults import checks
from flag_harness.faults.condition import CONDITION_ARGUMENT_NAMES, FaultCondition
from flag_harness.faults.errors import FaultConditionError, FaultError
from flag_harness.flag import OFF_COMBINATION
from flag_harness.wire.timeline import Edit, Request, Response

P = ParamSpec("P")
_UNQUOTED_TEXT_PATTERN = re.compile(
    r"(?!(?:none|true|false|nan|inf|infinity)$)[A-Za-z/*][\w.:/+*-]*(?: [\w.:/+-]+)*", re.IGNORECASE
)
"""Text that needs no quotes on the command line, because it cannot be read as another type."""
FaultSide: TypeAlias = Literal["wire", "client"]
"""Where a fault acts: on requests and answers (`wire`), or on calls of the SDK before they send anything (`client`)."""


class FaultCounter:
    """Counts the requests that a fault has seen, and the answers that it has changed. It is thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.request_count = self.selected_count = self.due_count = self.fired_count = 0
        self.reasons_for_not_firing: tuple[str, ...] = ()

    def count_request(self) -> None:
        """Count a request that reached the fault."""
        with self._lock:
            self.request_count += 1

    def count_selected_request(self) -> int:
        """Count a request that meets the arguments `path` and `when`. Return its number among such requests, from 1."""
        with self._lock:
            self.selected_count += 1
            return self.selected_count

    def count_due_request(self) -> None:
        """Count a due request: one that meets all conditions of the fault, so that the fault acts on it."""
        with self._lock:
            self.due_count += 1

    def count_firing(self) -> None:
        """Count an answer that the fault has changed."""
        with self._lock:
            self.fired_count += 1

    def add_reason_for_not_firing(self, reason: str) -> None:
        """Store why the fault could not change the answer to a due request (one that meets the conditions of the
        fault).
        """
        with self._lock:
            if reason not in self.reasons_for_not_firing:
                self.reasons_for_not_firing += (reason,)


@dataclass(frozen=True, slots=True)
class FaultyRequest:
    """A due request: it meets the conditions of a fault, so that the fault acts on it.

    The fault calls its methods to report whether the answer to the request was changed.
    """

    request: Request
    number: int
    condition: FaultCondition
    counter: FaultCounter

    def mark_as_fired(self) -> None:
        """Count that the fault has changed the answer to this request."""
        self.counter.count_firing()

    def store_reason_for_not_firing(self, reason: str) -> None:
        """Store why the fault could not change the answer to this request."""
        self.counter.add_reason_for_not_firing(reason)

    def make_random(self, purpose: str) -> Random:
        """Return a random generator for this request. Each `purpose` has its own sequence of numbers."""
        return self.condition.make_random(self.number, purpose)


FaultEffect: TypeAlias = Callable[[FaultyRequest], "Response | Edit | None"]
"""What a fault does to a request that meets its conditions.

The function returns an answer, an edit of the answer, or None to let the request pass.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault with the condition under which it happens. It can be passed to `faulty`, `http_client` and marks.

    A fault counts what it has done. `arm` returns a copy with a new counter, for the next test, with the id of the
    test's flag combination as `armed_combination`. `is_transport_only` is true if a server cannot simulate the fault.
    """

    name: str
    family: str
    arguments: tuple[tuple[str, object], ...]
    condition: FaultCondition
    effect: FaultEffect = field(compare=False, repr=False)
    is_transport_only: bool = False
    side: FaultSide = "wire"
    armed_combination: str | None = None
    counter: FaultCounter = field(default_factory=FaultCounter, compare=False, repr=False)

    def __call__(self, request: Request) -> Response | Edit | None:
        """Return an answer or an edit of the answer if the request meets the fault's conditions, and otherwise None.

        Raise `FaultConditionError` if the fault's `when` function raises an exception.
        """
        if self.side == "client":
            return None
        faulty_request = self.match_request(request)
        return None if faulty_request is None else self.effect(faulty_request)

    def match_request(self, request: Request) -> FaultyRequest | None:
        """Count a request. Return it as a `FaultyRequest` if it meets the fault's conditions, else None."""
        self.counter.count_request()
        try:
            is_selected = self.condition.allows_combination(self.armed_combination) and self.condition.selects_request(
                request
            )
        except Exception as error:
            raise FaultConditionError(f"{self}: its `when` raised {type(error).__name__}: {error}") from error
        if not is_selected or not self.condition.is_met_by_request_number(
            number := self.counter.count_selected_request()
        ):
            return None
        self.counter.count_due_request()
        return FaultyRequest(request, number, self.condition, self.counter)

    def arm(self, combination: str | None = None) -> "Fault":
        """Return a copy with a new counter, for a test that runs under the flag combination with the id
        `combination`.
        """
        return replace(self, armed_combination=combination, counter=FaultCounter())

    @property
    def fired(self) -> int:
        """The number of answers that this fault has changed or given."""
        return self.counter.fired_count

    @property
    def can_fire(self) -> bool:
        """Whether the fault's condition allows the flag combination that was passed to `arm`."""
        return self.armed_combination is None or self.condition.allows_combination(self.armed_combination)

    def __str__(self) -> str:
        """Return the fault as it is written on the command line, such as `overloaded:on=2`."""
        arguments = ",".join(f"{name}={_format_value(value)}" for name, value in self.arguments)
        return f"{self.name}:{arguments}" if arguments else self.name


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault, with its description for `fault_kinds()` and the docs.

    `stream_result` and `create_result` describe how the SDK reacts if the agent does nothing about the fault (anthropic
    2.12 with `max_retries=0`), to `messages.stream(...).get_final_message()` and to `messages.create(...)`. The values
    are: `raises ...`, `answers as usual` (with `, late` if it waited longer), `answers differently: ` followed by the
    fields of the message that silently differ, and `does not apply`.
    """

    name: str
    family: str
    make_fault: Callable[..., Fault]
    description: str
    stream_result: str
    create_result: str
    points: tuple[str, ...] = ()
    is_transport_only: bool = False
    side: FaultSide = "wire"


def fault_kind(
    family: str,
    *,
    stream_result: str,
    create_result: str,
    points: tuple[str, ...] = (),
    transport_only: bool = False,
    side: FaultSide = "wire",
) -> Callable[[Callable[P, FaultEffect]], Callable[P, Fault]]:
    """Decorate a function that returns a `FaultEffect`, so that it returns a `Fault` named like the function instead.

    The arguments describe the kind of fault: see `FaultKind`.
    """

    def make_kind(build: Callable[P, FaultEffect]) -> Callable[P, Fault]:
        own = tuple(name for name in build.__annotations__ if name not in {"when", "return"})

        @wraps(build)
        def make_fault(*args: P.args, **kwargs: P.kwargs) -> Fault:
            try:
                checks.require_known_arguments(
                    kwargs, (*own, *CONDITION_ARGUMENT_NAMES), lambda name: f"no argument {name!r}"
                )
                condition = FaultCondition.from_arguments(
                    {name: value for name, value in kwargs.items() if name in CONDITION_ARGUMENT_NAMES}
                )
                _reject_path_of_client_fault(condition, side)
                effect = build(*args, **kwargs)
            except FaultError as error:
                raise FaultError(f"{build.__name__}: {error}") from None
            return Fault(build.__name__, family, _hashable_arguments(kwargs), condition, effect, transport_only, side)

        what = (build.__doc__ or "").partition("\n")[0]
        kind = FaultKind(
            build.__name__, family, make_fault, what, stream_result, create_result, points, transport_only, side
        )
        make_fault.__dict__["kind"] = kind
        return make_fault

    return make_kind


def _reject_path_of_client_fault(condition: FaultCondition, side: FaultSide) -> None:
    """Raise `FaultError` if a fault of the side `client` has the argument `path`, which no call of the SDK has."""
    if side == "client" and condition.path is not None:
        raise FaultError("path: a call of the SDK has no path; use when=lambda call: call.method == 'create'")


def require_known_flags_in_combination(fault: Fault, flags: Collection[str]) -> None:
    """Raise `FaultError` if the fault is limited to a combination with unknown flags.

    `flags` are the known flags, with their values if they have several: `streaming`, `model=haiku`.
    """
    for combination in sorted(fault.condition.combination or ()):
        for name in combination.split("+"):
            if name not in flags and combination != OFF_COMBINATION:
                near = checks.suggest_name(name, flags if "+" in combination else (*flags, OFF_COMBINATION))
                raise FaultError(f"{fault}: no flag is called {name!r}{near}; declared: {', '.join(flags)}")


def explain_faults_that_never_fired(faults: Iterable[Fault]) -> list[str]:
    """Return a sentence for each fault that never fired, leaving out faults that cannot fire under the test's
    combination.
    """
    return [_never_fired_message(fault) for fault in faults if not fault.fired and fault.can_fire]


def _never_fired_message(fault: Fault) -> str:
    """Return why a fault never fired, as a sentence."""
    counter, start = fault.counter, f"fault {fault} never fired: "
    calls = "call" if fault.side == "client" else "request"
    if not counter.request_count:
        return f"{start}it saw no {calls}"
    if fault.condition.combination is not None and fault.armed_combination is None:
        return f"{start}it is bound to a combination, and was armed for none; arm(combination=...) it"
    seen = f"{counter.request_count} {calls}{'s' if counter.request_count > 1 else ''}"
    if not counter.due_count:
        return f"{start}it saw {seen}, of which none was due"
    why = (
        f"; {'; '.join(counter.reasons_for_not_firing)}"
        if counter.reasons_for_not_firing
        else "; no answer to it was read"
    )
    return f"{start}it saw {seen}, {counter.due_count} due{why}"


def _hashable_arguments(arguments: dict[str, object]) -> tuple[tuple[str, object], ...]:
    """Return the arguments as pairs that can be compared and hashed."""
    return tuple((name, _comparable_value(value)) for name, value in arguments.items())


def _comparable_value(value: object) -> object:
    """Return an argument in the form in which it is compared and printed. A datetime becomes the text of a header."""
    if isinstance(value, datetime):
        return format_http_date(value)
    return tuple(sorted(value)) if isinstance(value, (list, set, frozenset, tuple, range)) else value


def format_http_date(moment: datetime) -> str:
    """Format a time as HTTP headers have it: `Wed, 21 Oct 2026 07:28:00 GMT`."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _format_value(value: object) -> str:
    """Format a value so that `parse_fault` reads it back. Text that looks like another type is quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "|".join(str(one) for one in value)
    if isinstance(value, str):
        return value if _UNQUOTED_TEXT_PATTERN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "none" if value is None else getattr(value, "__name__", str(value))
