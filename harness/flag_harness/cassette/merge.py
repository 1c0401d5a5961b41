"""Merge a test's recording into a cassette that other tests have recorded into, too.

Each interaction belongs to the test that recorded it: its own `case`, or the one that the envelope names. A test
replaces, or adds to, its own interactions and leaves those of other tests. Interactions are sorted by the names of
their tests, so that the file does not depend on which test was saved last.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Envelope, Interaction
from flag_harness.errors import CassetteError


def owner(cassette: Cassette, interaction: Interaction) -> str:
    """Return the test that recorded the interaction."""
    return interaction.case or cassette.envelope.case


def own_indices(cassette: Cassette, case: str) -> tuple[int, ...]:
    """Return the indices of the interactions that `case` recorded; all if the cassette has a single owner or none.

    Another test may play the cassette of a single test; in a shared cassette each test has its own part.
    """
    owners = [owner(cassette, one) for one in cassette.interactions]
    if len(set(owners)) < 2:
        return tuple(range(len(owners)))
    return tuple(index for index, name in enumerate(owners) if name == case)


def has_recording_of(cassette: Cassette, case: str) -> bool:
    """Return whether the cassette has an interaction that `case` recorded, or one without a known owner."""
    return any(owner(cassette, one) in ("", case) for one in cassette.interactions)


def can_add(old: Cassette, upstream: str) -> bool:
    """Return whether an upstream's answers can be added to `old`, since one envelope describes all of them.

    An imported cassette stays "imported" whatever is added, which claims the least.
    """
    return not old.interactions or old.envelope.upstream in (upstream, "imported")


def merge_recordings(
    old: Cassette | None,
    new: Cassette,
    *,
    keep_own: bool = False,
    is_gone: Callable[[str], bool] = lambda case: False,
    is_recorded_now: Callable[[str], bool] = lambda case: False,
) -> Cassette:
    """Merge `new`, which one test recorded, into `old`.

    The test's earlier interactions are replaced, or with `keep_own` kept before the new ones; interactions without a
    known owner count as its own. Those of other tests are kept. Unless `keep_own` is set, interactions of tests for
    which `is_gone` is true and of another upstream are dropped. Raise `CassetteError` if answers of two upstreams would
    have to be kept.

    The recording date is that of the oldest part: it stays that of `old` if anything is kept, unless `is_recorded_now`
    is true for all the tests whose interactions are kept.
    """
    if old is None or not old.interactions:
        return new
    case = new.envelope.case
    named = [replace(one, case=owner(old, one) or case) for one in old.interactions]
    same_upstream = old.envelope.upstream == new.envelope.upstream
    if keep_own and not can_add(old, new.envelope.upstream):
        raise CassetteError(_mixed_upstreams_message(old, new))
    kept = [one for one in named if keep_own or (same_upstream and one.case != case and not is_gone(one.case))]
    recorded = [replace(one, case=case) for one in new.interactions]
    interactions = sorted([*kept, *recorded], key=lambda one: one.case)
    keeps_old_part = any(one.case == case or not is_recorded_now(one.case) for one in kept)
    envelope = _merge_envelopes(old.envelope, new.envelope, interactions, keeps_old_part) if kept else new.envelope
    return replace(new, envelope=envelope, interactions=tuple(_omit_envelope_case(interactions, envelope)))


def _mixed_upstreams_message(old: Cassette, new: Cassette) -> str:
    return (
        f"{old.path or 'the cassette'} was recorded from: {old.envelope.upstream}; answers of another upstream "
        f"({new.envelope.upstream}) cannot be added. Record it again: --record-mode=rewrite"
    )


def _merge_envelopes(old: Envelope, new: Envelope, interactions: list[Interaction], keeps_old_part: bool) -> Envelope:
    """Merge the envelopes. The result names the first test, and the combination of that test if it is known."""
    first = interactions[0].case
    known = {old.case: old.combination, new.case: new.combination}
    return replace(
        new,
        upstream=old.upstream,
        case=first,
        combination=known.get(first, ""),
        recorded_at=min(old.recorded_at or new.recorded_at, new.recorded_at) if keeps_old_part else new.recorded_at,
        fidelity=old.fidelity,
        match_on=old.match_on,
        rebased=old.rebased,
    )


def _omit_envelope_case(interactions: list[Interaction], envelope: Envelope) -> Iterator[Interaction]:
    """Yield the interactions; leave `case` empty in those of the test that the envelope names already."""
    return (replace(one, case="" if one.case == envelope.case else one.case) for one in interactions)
