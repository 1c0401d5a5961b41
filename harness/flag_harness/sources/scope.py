"""The flags that the code of one test or `with` block runs under, and what that code reads through OpenFeature."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flag_harness.flag import Flag
from flag_harness.matrix import Combination
from flag_harness.owner import current_code_owner, current_flag_scope, use_flag_scope

ACTIVE_SCOPES: "list[FlagScope]" = []
"""The scopes whose code runs now, in the whole process. Threads of several tests can be active at the same time."""


@dataclass(frozen=True, slots=True)
class FlagRead:
    """One read of a flag through OpenFeature.

    Attributes:
        key: the OpenFeature key that the code read.
        requested_type: `boolean`, `string`, `integer`, `float` or `object`; `remote` if another process read the flag.
        value: the value that the code got.
        is_declared: True if the project declares a flag with this key.
        error: the error that OpenFeature hid by giving the code a default; empty if there was none.
    """

    key: str
    requested_type: str
    value: object
    is_declared: bool
    error: str = ""


@dataclass(eq=False, slots=True)
class FlagScope:
    """A test or `with` block that sets flags: all flag values, and what its code reads through OpenFeature.

    Attributes:
        combination: the values of all flags.
        parent: the scope in which this one was entered, if there is one.
        is_fallback: True for a test. Code that was started outside of any known scope belongs to the test.
        flag_reads: the reads through OpenFeature, in order.
    """

    combination: Combination
    parent: "FlagScope | None" = None
    is_fallback: bool = False
    flag_reads: list[FlagRead] = field(default_factory=list)

    def find_flag(self, key: str) -> tuple[Flag, int] | None:
        """Return the flag with the OpenFeature key `key` and the index of its current value, or None if no flag has
        this key.
        """
        rows = zip(self.combination.flags, self.combination.row, strict=True)
        return next(((flag, index) for flag, index in rows if flag.openfeature == key), None)

    @property
    def openfeature_keys(self) -> list[str]:
        """The OpenFeature keys of the declared flags."""
        return [flag.openfeature for flag in self.combination.flags if flag.openfeature]

    @property
    def swallowed_errors(self) -> list[str]:
        """The errors that OpenFeature hid from the code by giving it a default, each once."""
        return list(dict.fromkeys(read.error for read in self.flag_reads if read.error))

    @property
    def undeclared_keys(self) -> list[str]:
        """The OpenFeature keys that the code has read but that no declared flag has, each once."""
        return list(dict.fromkeys(read.key for read in self.flag_reads if not read.is_declared))

    @property
    def unread_flags(self) -> list[str]:
        """The names of the flags that have an OpenFeature key but were not read."""
        read = {one.key for one in self.flag_reads}
        return [flag.name for flag in self.combination.flags if flag.openfeature and flag.openfeature not in read]

    def add_read(self, read: FlagRead) -> None:
        """Record a read of a flag in this scope and in every scope that encloses this one."""
        self.flag_reads.append(read)
        if self.parent is not None:
            self.parent.add_read(read)

    def is_inside(self, other: "FlagScope") -> bool:
        """Return whether this scope is `other`, or was entered inside `other`."""
        return self is other or (self.parent is not None and self.parent.is_inside(other))


def running_scope() -> FlagScope | None:
    """Return the scope (test or `flags` block) of the running code: the result of `enclosing_scope`.

    If `enclosing_scope` returns None, return the active scope if exactly one is active, else None.
    """
    if (scope := enclosing_scope()) is not None:
        return scope
    active = list(ACTIVE_SCOPES)
    return active[0] if len(active) == 1 else None


def enclosing_scope() -> FlagScope | None:
    """Return the scope (test or `flags` block) in which the running thread or task was started.

    If that is unknown, return the scope of the test or fixture that owns the running code. If that is unknown too,
    return the scope of the running test, or None outside of tests.
    """
    owner = current_code_owner()
    for scope in (current_flag_scope(), owner.flag_scope if owner is not None else None):
        if isinstance(scope, FlagScope):
            return scope
    return next((scope for scope in list(ACTIVE_SCOPES) if scope.is_fallback), None)


@contextmanager
def activate_scope(scope: FlagScope) -> Iterator[None]:
    """Inside the context, let the running code and the threads and tasks that it starts belong to `scope`."""
    ACTIVE_SCOPES.append(scope)
    try:
        with use_flag_scope(scope):
            yield
    finally:
        ACTIVE_SCOPES.remove(scope)


@contextmanager
def use_scope_for_current_owner(scope: FlagScope) -> Iterator[None]:
    """Inside the context, let all code of the current test or fixture belong to `scope`, even tasks started before.

    Do nothing if the current test or fixture is unknown, or if several tests share the fixture.
    """
    owner = current_code_owner()
    if owner is None or owner.is_shared:
        yield
        return
    before, owner.flag_scope = owner.flag_scope, scope
    try:
        yield
    finally:
        owner.flag_scope = before
