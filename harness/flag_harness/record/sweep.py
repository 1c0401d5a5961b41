"""The result of a sweep (a run of a test under all faults and unusual answers) for one test and one kind of trouble."""

import msgspec


class SweepCause(msgspec.Struct, frozen=True):
    """The failures in a sweep that have the same cause. A trouble is one fault or unusual answer that the sweep tries.

    Attributes:
        oracle: the rule that was broken, such as `illegal request`.
        reason: what happened under the first trouble, without secrets.
        place: the file and line of the exception, or empty.
        count: the number of troubles under which the test failed for this cause.
        example: the first of these troubles, such as `reset:at=inside_text,on=1`; empty for the run without troubles.
    """

    oracle: str
    reason: str
    place: str
    count: int
    example: str


class SweepRecord(msgspec.Struct, frozen=True):
    """The result of running one test under all troubles (faults and unusual answers) of one kind.

    Attributes:
        test: the node id of the test.
        kind: the kind of trouble, such as `reset`, or `baseline` for the run without troubles.
        outcomes: the number of troubles with each outcome. Troubles that do not apply to the test are left out.
            `not tried` counts the troubles for which `--harness-sweep-budget` was too small.
        causes: the failures by cause, most frequent first.
    """

    test: str
    kind: str
    outcomes: dict[str, int]
    causes: tuple[SweepCause, ...] = ()
