"""What a sweep found in one test under one kind of trouble."""

import msgspec


class SweepCause(msgspec.Struct, frozen=True):
    """The failures in a sweep that have the same cause. A trouble is one fault or unusual answer that the sweep tries.

    Attributes:
        oracle: the rule that was broken, such as `illegal request`.
        reason: what happened under the first trouble, without secrets.
        place: the file and line of the exception, or empty.
        count: how many troubles failed for this cause.
        example: the first of these troubles, such as `reset:at=inside_text,on=1`; empty for the run without troubles.
    """

    oracle: str
    reason: str
    place: str
    count: int
    example: str


class SweepRecord(msgspec.Struct, frozen=True):
    """The result of trying all troubles (faults and unusual answers) of one kind on one test.

    Attributes:
        test: the node id of the test that was run.
        kind: the kind of trouble, such as `reset`, or `baseline` for the run without troubles.
        outcomes: how many troubles had each outcome; those that did not apply are left out. `not tried`
            counts the troubles for which `--harness-sweep-budget` was too small.
        causes: the failures by cause, most frequent first.
    """

    test: str
    kind: str
    outcomes: dict[str, int]
    causes: tuple[SweepCause, ...] = ()
