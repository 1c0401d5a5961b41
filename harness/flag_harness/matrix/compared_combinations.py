"""Build the pairs of combinations that a verdict on flags compares: two combinations that differ in one flag only."""

from collections.abc import Collection, Mapping, Sequence

from flag_harness.matrix.combination import Combination, default_row, flag_space
from flag_harness.matrix.matrix_flag import value_index


def combinations_to_compare(
    bases: Sequence[Combination], names: Collection[str], baseline: Mapping[str, object]
) -> tuple[Combination, ...]:
    """Return the combinations of all pairs in which only one flag of `names` differs, starting from each of `bases`.

    In one combination of a pair, this flag has its value in `baseline`, or its default. In the other combination it has
    another value. Pairs that a constraint forbids are left out.
    """
    arms: dict[Combination, None] = {}
    for base in bases:
        space = flag_space(base.flags)
        for index, (flag, default) in enumerate(zip(base.flags, default_row(base.flags), strict=True)):
            if flag.name not in names:
                continue
            off = value_index(flag, baseline[flag.name]) if flag.name in baseline else default
            rows = [(*base.row[:index], value, *base.row[index + 1 :]) for value in range(len(flag.values))]
            allowed = [row for row in rows if space.is_allowed(row)]
            if rows[off] in allowed and len(allowed) > 1:
                arms.update(dict.fromkeys(Combination(base.flags, row) for row in (rows[off], *allowed)))
    return tuple(arms)
