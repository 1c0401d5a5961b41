"""Find the combinations that flags and their constraints allow: list, count, check and complete them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from random import Random

from flag_harness.errors import FlagError
from flag_harness.matrix.constraints import Clause, Constraint, Row, build_constraints, flag_index, row_satisfies_clause
from flag_harness.matrix.matrix_flag import FlagLike, value_index


class FlagSpace:
    """All combinations that some flags and their constraints allow, as rows: for each flag, the index of its value.

    In each of `groups` exactly one flag is on, and each flag in `pins` has the value given there. Raise `FlagError` if
    a constraint names an unknown flag or value, or if the defaults or the pins break a constraint.
    """

    def __init__(
        self,
        flags: Sequence[FlagLike],
        groups: Sequence[Sequence[str]] = (),
        pins: Mapping[str, object] | None = None,
    ) -> None:
        self.flags = tuple(flags)
        own_groups = (flag.group for flag in self.flags if flag.group)
        self.groups = tuple(dict.fromkeys(tuple(group) for group in (*groups, *own_groups)))
        self._index_by_name = {flag.name: index for index, flag in enumerate(self.flags)}
        self.value_counts = tuple(len(flag.values) for flag in self.flags)
        self.default_row: Row = tuple(value_index(flag, flag.default) for flag in self.flags)
        self.constraints = tuple(build_constraints(self.flags, self.groups, self._index_by_name))
        if (broken := self.find_broken_constraint(self.default_row)) is not None:
            raise FlagError(f"the defaults of the flags break a constraint: {broken}; change a default or drop it")
        self.pins = {
            index: value_index(self.flags[index], value) for index, value in self._pins_with_flag_indices(pins or {})
        }
        self._collect_clauses()
        if self.pins:
            self.default_row = self._row_with_pins()

    def _pins_with_flag_indices(self, values: Mapping[str, object]) -> Iterator[tuple[int, object]]:
        """Yield `(index of the flag, value)` for each pin, given the pinned values by name."""
        for name, value in values.items():
            yield flag_index(self._index_by_name, name, "the pinned flags name"), value

    def _collect_clauses(self) -> None:
        """Collect the clauses of all constraints and pins, and list for each flag the clauses that involve it."""
        clauses = [clause for one in self.constraints for clause in one.clauses]
        clauses += [((index, 1 << value),) for index, value in self.pins.items()]
        self.clauses: tuple[Clause, ...] = tuple(clauses)
        self._clauses_by_flag: list[list[Clause]] = [[] for _ in self.flags]
        for clause in self.clauses:
            for index, _ in clause:
                self._clauses_by_flag[index].append(clause)

    def _row_with_pins(self) -> Row:
        """Return the allowed row that has the pinned values and differs least from the defaults.

        Raise `FlagError` if no allowed row has the pinned values.
        """
        if (row := self.nearest_row(self.default_row, self.pins)) is not None:
            return row
        pinned = list(self.default_row)
        for index, value in self.pins.items():
            pinned[index] = value
        names = ", ".join(
            f"{self.flags[index].name}={self.flags[index].labels[value]}" for index, value in self.pins.items()
        )
        raise FlagError(
            f"no combination has {names}: {self.find_broken_constraint(tuple(pinned))}; leave one of them out"
        )

    @property
    def is_boolean(self) -> bool:
        """Whether there are no constraints, and every flag that is not pinned has two values."""
        return not self.constraints and all(
            size == 2 or index in self.pins for index, size in enumerate(self.value_counts)
        )

    @cached_property
    def row_count(self) -> int:
        """The number of allowed rows."""
        domains = self._narrow_value_masks({})
        return 0 if domains is None else self._count_rows(domains, range(len(self.flags)))

    def _count_rows(self, value_masks: list[int], indices: Iterable[int]) -> int:
        """Count the allowed ways to choose values for the flags at `indices`.

        `value_masks` has a bit mask of the possible values of every flag. Flags that a constraint connects are counted
        together; the counts of independent groups are multiplied.
        """
        count = 1
        for part in self._independent_groups(value_masks, indices):
            if len(part) == 1:
                count *= value_masks[part[0]].bit_count()
                continue
            branch = max(part, key=lambda index: len(self._clauses_by_flag[index]))
            total = 0
            for value in range(self.value_counts[branch]):
                narrowed = value_masks.copy()
                narrowed[branch] = 1 << value
                if value_masks[branch] >> value & 1 and self._remove_forbidden_values(
                    narrowed, self._clauses_by_flag[branch]
                ):
                    total += self._count_rows(narrowed, part)
            count *= total
        return count

    def _independent_groups(self, value_masks: list[int], indices: Iterable[int]) -> Iterator[list[int]]:
        """Divide the undecided flags at `indices` into groups, and yield the indices of each.

        No constraint that could still be broken involves flags of two groups.
        """
        left = {index: None for index in indices if value_masks[index] & (value_masks[index] - 1)}
        while left:
            part = [next(iter(left))]
            del left[part[0]]
            for index in part:
                for clause in self._clauses_by_flag[index]:
                    if not any(value_masks[other] & ~mask == 0 for other, mask in clause):
                        neighbours = {other for other, _ in clause if other in left}
                        part.extend(neighbours)
                        for other in neighbours:
                            del left[other]
            yield part

    def has_at_most_rows(self, limit: int) -> bool:
        """Return whether there are at most `limit` allowed rows."""
        return self.row_count <= limit

    def has_constraint(self, flag_index: int) -> bool:
        """Return whether any constraint involves the flag at this index."""
        return bool(self._clauses_by_flag[flag_index])

    def find_broken_constraint(self, row: Row) -> Constraint | None:
        """Return the first constraint that a row breaks, or None if the row is allowed."""
        for constraint in self.constraints:
            if not all(row_satisfies_clause(clause, row) for clause in constraint.clauses):
                return constraint
        return None

    def is_allowed(self, row: Row) -> bool:
        """Return whether a row satisfies every constraint."""
        return all(row_satisfies_clause(clause, row) for clause in self.clauses)

    def rows(self) -> Iterator[Row]:
        """Yield every allowed row once, the row of all defaults first."""
        for domains in self._complete_rows(self._narrow_value_masks({}), range(len(self.flags)), self.default_row):
            yield tuple(domain.bit_length() - 1 for domain in domains)

    def complete_row(self, fixed: Mapping[int, int], random: Random | None = None) -> Row | None:
        """Return an allowed row that has the `fixed` values, or None if there is no such row.

        `fixed` maps the index of a flag to the index of its value. The other flags keep their defaults as far as
        possible, or get random values if `random` is given.
        """
        return self.complete_row_within({index: 1 << value for index, value in fixed.items()}, self.default_row, random)

    def nearest_row(self, base: Row, fixed: Mapping[int, int]) -> Row | None:
        """Return the allowed row with the `fixed` values that differs least from `base`, or None if no allowed row has
        them.

        `fixed` maps the index of a flag to the index of its value.
        """
        return self.complete_row_within({index: 1 << value for index, value in fixed.items()}, base)

    def complete_row_within(
        self, allowed: Mapping[int, int], preferred: Row, random: Random | None = None
    ) -> Row | None:
        """Return an allowed row whose values lie within `allowed`, or None if there is no such row.

        `allowed` maps the index of a flag to a bit mask of its values. Values of the row `preferred` are tried first,
        or random values if `random` is given.
        """
        order = list(range(len(self.flags)))
        if random is not None:
            random.shuffle(order)
        for domains in self._complete_rows(self._narrow_value_masks(allowed), order, preferred, random):
            return tuple(domain.bit_length() - 1 for domain in domains)
        return None

    def is_possible(self, fixed: Mapping[int, int]) -> bool:
        """Return whether at least one allowed row has the `fixed` values, given as {index of flag: index of value}."""
        if not any(self._clauses_by_flag[index] for index in fixed):
            return True
        return self.complete_row(fixed) is not None

    def flag_values_of_row(self, row: Row) -> dict[str, object]:
        """Return the value of each flag in `row`, by the flag's name."""
        return {flag.name: flag.values[value] for flag, value in zip(self.flags, row, strict=True)}

    def row_with_values(self, value_by_name: Mapping[str, object]) -> Row:
        """Return the row that has these flag values, given by name. Flags that are not named have their default.

        Raise `FlagError` if a flag or a value is unknown.
        """
        values = list(self.default_row)
        for name, value in value_by_name.items():
            index = flag_index(self._index_by_name, name, "the assignment")
            values[index] = value_index(self.flags[index], value)
        return tuple(values)

    def _narrow_value_masks(self, allowed: Mapping[int, int]) -> list[int] | None:
        """Return, for each flag, a bit mask of the values that it can still have under the constraints.

        Return None if a constraint cannot be met. `allowed` maps the index of a flag to a bit mask of its permitted
        values; other flags may have any value.
        """
        if self._possible_value_masks is None:
            return None
        domains, clauses = self._possible_value_masks.copy(), list[Clause]()
        for index, mask in allowed.items():
            if domains[index] & ~mask:
                domains[index] &= mask
                clauses += self._clauses_by_flag[index]
        return domains if all(domains) and self._remove_forbidden_values(domains, clauses) else None

    @cached_property
    def _possible_value_masks(self) -> list[int] | None:
        """For each flag, a bit mask of the values that the constraints permit; None if they permit no value for some
        flag.
        """
        domains = [(1 << size) - 1 for size in self.value_counts]
        return domains if self._remove_forbidden_values(domains, self.clauses) else None

    def _remove_forbidden_values(self, value_masks: list[int], clauses: Sequence[Clause]) -> bool:
        """Remove the values that the clauses forbid from the bit masks in `value_masks`, in place.

        Return False if a clause cannot be met, and True otherwise.
        """
        queue = list(clauses)
        while queue:
            clause = queue.pop()
            open_literals = [(index, mask) for index, mask in clause if value_masks[index] & mask]
            if not open_literals:
                return False
            if len(open_literals) == 1:
                index, mask = open_literals[0]
                if value_masks[index] & ~mask:
                    value_masks[index] &= mask
                    queue.extend(self._clauses_by_flag[index])
        return True

    def _complete_rows(
        self, value_masks: list[int] | None, order: Sequence[int], preferred: Row, random: Random | None = None
    ) -> Iterator[list[int]]:
        """Yield every allowed row within `value_masks`, in which each flag's mask has a single bit: its value.

        `value_masks` has a bit mask of the possible values of each flag (None: there is no row). Flags are decided in
        the `order` of their indices. Values of the row `preferred` are tried first, or values in random order if
        `random` is given.
        """
        if value_masks is None:
            return
        branch = next((index for index in order if value_masks[index] & (value_masks[index] - 1)), None)
        if branch is None:
            yield value_masks
            return
        values = [value for value in range(self.value_counts[branch]) if value_masks[branch] >> value & 1]
        if random is None:
            values.sort(key=lambda value: value != preferred[branch])
        else:
            random.shuffle(values)
        for value in values:
            narrowed = value_masks.copy()
            narrowed[branch] = 1 << value
            if self._remove_forbidden_values(narrowed, self._clauses_by_flag[branch]):
                yield from self._complete_rows(narrowed, order, preferred, random)
