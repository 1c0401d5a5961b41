"""Filters for a test that is run again: they hide in its requests what was hidden in the kept cassette of the test."""

import re
from dataclasses import dataclass, field, fields
from typing import Self

from flag_harness.cassette import Filters
from flag_harness.plugin.evidence.content import find_values_to_remove
from flag_harness.wire.timeline import Request


@dataclass(frozen=True, slots=True)
class FiltersForRerun(Filters):
    """Filters that also remember which values they removed from a request, and hide these values in later requests."""

    removed_values: set[str] = field(default_factory=set, compare=False)

    @classmethod
    def from_filters(cls, filters: Filters) -> Self:
        """Return rerun filters with the rules of `filters`."""
        return cls(**{one.name: getattr(filters, one.name) for one in fields(filters)})

    def filter_sent_request(self, request: Request) -> Request:
        """Return a request that the test sends, as the kept cassette would store it.

        The values of headers that cassettes do not store are remembered and hidden, too.
        """
        self._remember_removed_values(request)
        return Filters.filter_sent_request(self, request)

    def filter_request(self, request: Request) -> Request:
        """Return the request without its own secrets and without the secrets that were found in earlier requests."""
        self._remember_removed_values(request)
        patterns = tuple(map(re.escape, sorted(self.removed_values, key=len, reverse=True)))
        rules = Filters(*(getattr(self, one.name) for one in fields(Filters)))
        return (rules + Filters(patterns=patterns)).filter_request(request)

    def _remember_removed_values(self, request: Request) -> None:
        self.removed_values.update(find_values_to_remove(self, [(request, ())]))
