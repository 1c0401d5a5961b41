"""The result of a sweep (a run of a test under all faults and unusual answers) for one test and one kind of trouble."""

import msgspec


class SweepCause(msgspec.Struct, frozen=True):
    """The failures in a sweep that have the same cause. A trouble is one fault or unusual answer that the sweep tries.

    Attributes:
        oracle: the rule that was broken, such as `illegal request`.
        reason: what happened under the first trouble, without secrets.
        error_location: the file and line of the exception, or empty.
        trouble_count: the number of troubles under which the test failed for this cause.
        first_trouble: the first of these troubles, such as `reset:at=inside_text,on=1`; empty if the test fails without
            any trouble.
    """

    oracle: str
    reason: str
    error_location: str = msgspec.field(name="place")
    trouble_count: int = msgspec.field(name="count")
    first_trouble: str = msgspec.field(name="example")


class SweepRecord(msgspec.Struct, frozen=True):
    """The result of running one test under all troubles (faults and unusual answers) of one kind.

    Attributes:
        nodeid: the node id of the test.
        trouble_kind: the kind of trouble, such as `reset`, or `baseline` for the run without troubles.
        count_by_outcome: the number of troubles with each outcome. Troubles that do not apply to the test are left out.
            `not tried` counts the troubles for which `--harness-sweep-budget` was too small.
        causes: the failures by cause, most frequent first.
    """

    nodeid: str = msgspec.field(name="test")
    trouble_kind: str = msgspec.field(name="kind")
    count_by_outcome: dict[str, int] = msgspec.field(name="outcomes")
    causes: tuple[SweepCause, ...] = ()
