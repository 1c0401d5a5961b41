"""A fault as a value: a named layer that spoils the requests that are due, and counts."""

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
from flag_harness.faults.errors import FaultConditionError, FaultError
from flag_harness.faults.when import CONDITION_ARGUMENTS, FaultCondition
from flag_harness.flags import OFF
from flag_harness.wire.timeline import Edit, Request, Response

P = ParamSpec("P")
_PLAIN_TEXT = re.compile(r"(?!(?:none|true|false|nan|inf|infinity)$)[A-Za-z][\w.:/+-]*(?: [\w.:/+-]+)*", re.IGNORECASE)
"""A text that can be nothing else on the command line."""
Side: TypeAlias = Literal["wire", "client"]


class FaultCounter:
    """What one armed fault has seen and done; safe under threads and tasks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seen = self.due = self.fired = 0
        self.reasons: tuple[str, ...] = ()

    def count_request(self) -> int:
        """Count a request, and return its number."""
        with self._lock:
            self.seen += 1
            return self.seen

    def count_due(self) -> None:
        """A request was due."""
        with self._lock:
            self.due += 1

    def count_firing(self) -> None:
        """Something was spoiled."""
        with self._lock:
            self.fired += 1

    def add_miss_reason(self, reason: str) -> None:
        """A request was due, and there was nothing to spoil."""
        with self._lock:
            if reason not in self.reasons:
                self.reasons += (reason,)


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A request that is due, as an effect sees it."""

    request: Request
    number: int
    when: FaultCondition
    count: FaultCounter

    def fire(self) -> None:
        """Say that the answer was spoiled."""
        self.count.count_firing()

    def miss(self, reason: str) -> None:
        """Say why it could not be."""
        self.count.add_miss_reason(reason)

    def random(self, purpose: str) -> Random:
        """Randomness for this request and one purpose."""
        return self.when.random(self.number, purpose)


Effect: TypeAlias = Callable[[DueRequest], "Response | Edit | None"]
"""What a fault does to a request that is due: answers it, edits its answer, or finds nothing to spoil."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault bound to its `when`: a layer, to be handed to `with_layers`, `http_client` or a test's mark.

    Its counters are its own; `arm` gives the same fault with fresh ones, for the next test.
    """

    name: str
    family: str
    arguments: tuple[tuple[str, object], ...]
    when: FaultCondition
    effect: Effect = field(compare=False, repr=False)
    transport_only: bool = False
    side: Side = "wire"
    armed_for: str | None = None
    count: FaultCounter = field(default_factory=FaultCounter, compare=False, repr=False)

    def __call__(self, request: Request) -> Response | Edit | None:
        """Answer or edit the request if it is due, else return None. Raise `FaultConditionError` if `when` raises."""
        if self.side == "client":
            return None
        due = self.due(request)
        return None if due is None else self.effect(due)

    def due(self, request: Request) -> DueRequest | None:
        """Count `request`, and return it where it is due."""
        number = self.count.count_request()
        try:
            holds = self.when.under(self.armed_for) and self.when.holds(number, request)
        except Exception as error:
            raise FaultConditionError(f"{self}: its `when` raised {type(error).__name__}: {error}") from error
        if not holds:
            return None
        self.count.count_due()
        return DueRequest(request, number, self.when, self.count)

    def arm(self, combination: str | None = None) -> "Fault":
        """The same fault, counting from nothing, under the flag combination of this id."""
        return replace(self, armed_for=combination, count=FaultCounter())

    @property
    def fired(self) -> int:
        """How often it has spoiled something."""
        return self.count.fired

    @property
    def can_fire(self) -> bool:
        """Whether it can fire under the combination that it is armed for."""
        return self.armed_for is None or self.when.under(self.armed_for)

    def __str__(self) -> str:
        """The fault as the command line spells it: `overloaded:on=2`."""
        given = ",".join(f"{name}={_spelled(value)}" for name, value in self.arguments)
        return f"{self.name}:{given}" if given else self.name


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One row of the table of faults.

    `stream_result` and `create_result` say what the unguarded SDK makes of it (anthropic 2.12, `max_retries=0`) with
    `messages.stream(...).get_final_message()` and with `messages.create(...)`: `raises ...`, `answers as ever`,
    `answers otherwise: ` and the fields of the message that silently differ, `late` where it waited longer, or
    `does not apply`.
    """

    name: str
    family: str
    make: Callable[..., Fault]
    description: str
    stream_result: str
    create_result: str
    points: tuple[str, ...] = ()
    transport_only: bool = False
    side: Side = "wire"


def fault_kind(
    family: str,
    *,
    stream_result: str,
    create_result: str,
    points: tuple[str, ...] = (),
    transport_only: bool = False,
    side: Side = "wire",
) -> Callable[[Callable[P, Effect]], Callable[P, Fault]]:
    """Make a function that returns an effect into one that returns a checked `Fault` of the function's name."""

    def decorate(build: Callable[P, Effect]) -> Callable[P, Fault]:
        own = tuple(name for name in build.__annotations__ if name not in {"when", "return"})

        @wraps(build)
        def make(*args: P.args, **kwargs: P.kwargs) -> Fault:
            try:
                checks.require_known_arguments(
                    kwargs, (*own, *CONDITION_ARGUMENTS), lambda name: f"no argument {name!r}"
                )
                when = FaultCondition.of({name: value for name, value in kwargs.items() if name in CONDITION_ARGUMENTS})
                effect = build(*args, **kwargs)
            except FaultError as error:
                raise FaultError(f"{build.__name__}: {error}") from None
            return Fault(build.__name__, family, _frozen(kwargs), when, effect, transport_only, side)

        what = (build.__doc__ or "").partition("\n")[0]
        kind = FaultKind(build.__name__, family, make, what, stream_result, create_result, points, transport_only, side)
        make.__dict__["kind"] = kind
        return make

    return decorate


def check_combinations(fault: Fault, flags: Collection[str]) -> None:
    """Raise `FaultError` where the fault is bound to a combination of flags that are not among these."""
    for combination in sorted(fault.when.combination or ()):
        for name in combination.split("+"):
            if name not in flags and combination != OFF:
                near = checks.suggest_name(name, flags if "+" in combination else (*flags, OFF))
                raise FaultError(f"{fault}: no flag is called {name!r}{near}; declared: {', '.join(flags)}")


def explain_unfired(faults: Iterable[Fault]) -> list[str]:
    """One sentence for each fault that has spoiled nothing, though the combination that it is armed for let it."""
    return [_why(fault) for fault in faults if not fault.fired and fault.can_fire]


def _why(fault: Fault) -> str:
    count, start = fault.count, f"fault {fault} never fired: "
    calls = "call" if fault.side == "client" else "request"
    if not count.seen:
        return f"{start}it saw no {calls}"
    if fault.when.combination is not None and fault.armed_for is None:
        return f"{start}it is bound to a combination, and was armed for none; arm(combination=...) it"
    seen = f"{count.seen} {calls}{'s' if count.seen > 1 else ''}"
    if not count.due:
        return f"{start}it saw {seen}, of which none was due"
    why = f"; {'; '.join(count.reasons)}" if count.reasons else "; no answer to it was read"
    return f"{start}it saw {seen}, {count.due} due{why}"


def _frozen(given: dict[str, object]) -> tuple[tuple[str, object], ...]:
    return tuple((name, _hashable(value)) for name, value in given.items())


def _hashable(value: object) -> object:
    """The value of an argument, as it is compared and spelled; a moment as what is sent for it."""
    if isinstance(value, datetime):
        return http_date(value)
    return tuple(sorted(value)) if isinstance(value, (list, set, frozenset, tuple, range)) else value


def http_date(moment: datetime) -> str:
    """A moment as headers hold it: `Wed, 21 Oct 2026 07:28:00 GMT`."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _spelled(value: object) -> str:
    """A value as `parse` reads it again; a text in quotes where it would be read as something else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "|".join(str(one) for one in value)
    if isinstance(value, str):
        return value if _PLAIN_TEXT.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "none" if value is None else getattr(value, "__name__", str(value))
