"""Writing what a test recorded, into what others may have written meanwhile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from flag_harness.cassette import Cassette, Envelope, Filters, Interaction
from flag_harness.cassette.file.lock import lock_folder
from flag_harness.cassette.merge import merged
from flag_harness.errors import CassetteError
from flag_harness.plugin.test.plan import Plan
from flag_harness.transports import sdk_version


def envelope_of(plan: Plan) -> Envelope:
    """The envelope of what is recorded now."""
    return Envelope(
        upstream=plan.upstream,
        recorded_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        sdk=sdk_version(),
        case=plan.case,
        combination=plan.combination,
    )


def save(plan: Plan, recorded: Sequence[Interaction]) -> bool:
    """Write what was recorded. Returns whether that took the place of a file that could not be read."""
    with lock_folder(plan.path):
        old, broken = _old(plan)
        new = Cassette(envelope_of(plan), tuple(recorded))
        known = _filtered(old, plan.filters) if old else None
        both = merged(known, new, keeps_own=plan.mode != "rewrite", gone=plan.gone, anew=plan.anew)
        both.save(plan.path, plan.blobs, instead_of=old, most_age=plan.most_age)
    return broken


def _old(plan: Plan) -> tuple[Cassette | None, bool]:
    """What is there, and whether it cannot be read: a rewrite need not."""
    if not plan.path.exists():
        return None, False
    try:
        return Cassette.load(plan.path), False
    except CassetteError:
        if plan.mode != "rewrite":
            raise
        return None, True


def _filtered(cassette: Cassette, filters: Filters) -> Cassette:
    return replace(cassette, interactions=tuple(map(filters.interaction, cassette.interactions)))
