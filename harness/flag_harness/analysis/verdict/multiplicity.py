"""Correct for testing many hypotheses at once, so that the chance of any false result stays small."""

from collections.abc import Sequence


def holm_rejections(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Return, for each p-value, whether Holm's method rejects its hypothesis.

    The chance of one or more false rejections is at most `alpha`, even if the p-values depend on each other. If each
    p-value is valid however often one looks, so are the rejections.
    """
    rejected = [False] * len(p_values)
    for position, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        if p_values[index] > alpha / (len(p_values) - position):
            break
        rejected[index] = True
    return rejected
