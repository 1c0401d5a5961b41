"""Filters for a test that is run again: they hide in its requests what was hidden when its cassette was kept."""

import re
from dataclasses import dataclass, field, fields
from typing import Self

from flag_harness.cassette import Filters
from flag_harness.plugin.evidence.content import removed_values
from flag_harness.wire.timeline import Request


@dataclass(frozen=True, slots=True)
class RerunFilters(Filters):
    """Filters that also hide the values which they have removed from earlier requests, wherever else these occur."""

    removed: set[str] = field(default_factory=set, compare=False)

    @classmethod
    def of(cls, filters: Filters) -> Self:
        """Return such filters with the rules of `filters`."""
        return cls(**{one.name: getattr(filters, one.name) for one in fields(filters)})

    def filter_request(self, request: Request) -> Request:
        """Return the request without secrets, and without those of earlier requests."""
        self.removed.update(removed_values(Filters(self.headers, self.query, self.json), [(request, ())]))
        patterns = tuple(map(re.escape, sorted(self.removed, key=len, reverse=True)))
        return Filters(patterns=patterns).filter_request(Filters.filter_request(self, request))
