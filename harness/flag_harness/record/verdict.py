"""The form in which a run record stores verdicts on flags."""

from typing import Literal, TypeAlias

import msgspec

VerdictWord: TypeAlias = Literal["pass", "fail", "harm within the margin", "inconclusive"]


class VerdictRecord(msgspec.Struct, frozen=True):
    """The verdict of a run on one flag: may the flag be changed from `base` to `value`?

    Attributes:
        flag: the name of the flag.
        verdict: the result in words; only `pass` says that the change is safe.
        is_simulated: True if the simulator gave answers, so that nothing is shown about a real model.
        summary: one sentence for people.
        base: the value of the flag in production, as a text.
        value: the value that was judged, as a text.
    """

    flag: str
    verdict: VerdictWord
    is_simulated: bool = False
    summary: str = ""
    base: str = ""
    value: str = ""
