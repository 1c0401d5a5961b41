"""Merging: what a test recorded, put into a cassette that other tests have recorded into too.

Each interaction belongs to the test that recorded it: the one that the envelope names, or its own `case`. A test
replaces, or adds to, what is its own, and leaves what is the others'. The interactions stand in the order of their
tests' names, so that the file is the same whoever wrote last.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Envelope, Interaction
from flag_harness.errors import CassetteError


def owner(cassette: Cassette, interaction: Interaction) -> str:
    """The test that recorded the interaction."""
    return interaction.case or cassette.envelope.case


def own_places(cassette: Cassette, case: str) -> tuple[int, ...]:
    """The positions of what a test recorded; all of them where nobody but one, or nobody known, recorded any.

    A cassette of one test may be played by another; in one that several share, each has its part.
    """
    owners = [owner(cassette, one) for one in cassette.interactions]
    if len(set(owners)) < 2:
        return tuple(range(len(owners)))
    return tuple(place for place, name in enumerate(owners) if name == case)


def holds_recording_of(cassette: Cassette, case: str) -> bool:
    """Whether a test need not record: something is its own, or of nobody known."""
    return any(owner(cassette, one) in ("", case) for one in cassette.interactions)


def can_add(old: Cassette, upstream: str) -> bool:
    """Whether an upstream's answers can stand beside those of `old`: one envelope tells of all.

    An imported one stays an imported one, whatever is added: that claims least.
    """
    return not old.interactions or old.envelope.upstream in (upstream, "imported")


def merged(
    old: Cassette | None,
    new: Cassette,
    *,
    keeps_own: bool = False,
    gone: Callable[[str], bool] = lambda case: False,
    anew: Callable[[str], bool] = lambda case: False,
) -> Cassette:
    """`new`, which one test recorded, put into `old`.

    What the test had recorded before is replaced, or kept before what is new (`keeps_own`); what nobody is known to
    have recorded counts as its own. What others recorded is kept. Where the test's own is replaced, that of tests that
    are `gone` goes too, and that of another upstream: one envelope tells of one. Raises `CassetteError` where that
    would have to be kept.

    The moment is that of the oldest part: what is kept is no younger than `old` says, unless all of it is of tests
    that were recorded `anew`, as this one was.
    """
    if old is None or not old.interactions:
        return new
    case = new.envelope.case
    named = [replace(one, case=owner(old, one) or case) for one in old.interactions]
    same_upstream = old.envelope.upstream == new.envelope.upstream
    if keeps_own and not can_add(old, new.envelope.upstream):
        raise CassetteError(_mixed(old, new))
    kept = [one for one in named if keeps_own or (same_upstream and one.case != case and not gone(one.case))]
    recorded = [replace(one, case=case) for one in new.interactions]
    interactions = sorted([*kept, *recorded], key=lambda one: one.case)
    aged = any(one.case == case or not anew(one.case) for one in kept)
    envelope = _envelope(old.envelope, new.envelope, interactions, aged) if kept else new.envelope
    return replace(new, envelope=envelope, interactions=tuple(_unnamed(interactions, envelope)))


def _mixed(old: Cassette, new: Cassette) -> str:
    return (
        f"{old.path or 'the cassette'} was recorded from: {old.envelope.upstream}; nothing of another upstream "
        f"({new.envelope.upstream}) can be added. Record it anew: --record-mode=rewrite"
    )


def _envelope(old: Envelope, new: Envelope, interactions: list[Interaction], aged: bool) -> Envelope:
    """The envelope of both. It names the first test, and the flags that this one ran under where they are known."""
    first = interactions[0].case
    known = {old.case: old.combination, new.case: new.combination}
    return replace(
        new,
        upstream=old.upstream,
        case=first,
        combination=known.get(first, ""),
        recorded_at=min(old.recorded_at or new.recorded_at, new.recorded_at) if aged else new.recorded_at,
        fidelity=old.fidelity,
        match_on=old.match_on,
        rebased=old.rebased,
    )


def _unnamed(interactions: list[Interaction], envelope: Envelope) -> Iterator[Interaction]:
    """The interactions, each with its test's name only where the envelope does not say it."""
    return (replace(one, case="" if one.case == envelope.case else one.case) for one in interactions)
