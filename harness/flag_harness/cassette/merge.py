"""Merge a test's recording into a cassette that several tests share.

Each interaction belongs to the test that recorded it: the one in its `case` or, if that is empty, the one in the
metadata. A test replaces its own interactions, or adds to them, and leaves those of other tests. Interactions are
sorted by test, so that the file does not depend on which test was saved last.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import CassetteMetadata, Interaction
from flag_harness.errors import CassetteError


def name_of_recording_test(cassette: Cassette, interaction: Interaction) -> str:
    """Return the name of the test that recorded the interaction, or an empty string if it is unknown."""
    return interaction.case or cassette.metadata.case


def indices_recorded_by(cassette: Cassette, case: str) -> tuple[int, ...]:
    """Return the indices of the interactions that the test `case` recorded.

    If a single test recorded the whole cassette, return all indices for any test, because other tests may play it too.
    """
    owners = [name_of_recording_test(cassette, one) for one in cassette.interactions]
    if len(set(owners)) < 2:
        return tuple(range(len(owners)))
    return tuple(index for index, name in enumerate(owners) if name == case)


def is_recorded_by(cassette: Cassette, case: str) -> bool:
    """Return whether the cassette has an interaction recorded by the test `case` or by an unknown test."""
    return any(name_of_recording_test(cassette, one) in ("", case) for one in cassette.interactions)


def can_add_answers_from(old: Cassette, upstream: str) -> bool:
    """Return whether answers from `upstream` may be added to `old`, because a cassette has only one upstream.

    An imported cassette accepts any answers; its upstream stays "imported".
    """
    return not old.interactions or old.metadata.upstream in (upstream, "imported")


def merge_recordings(
    old: Cassette | None,
    new: Cassette,
    *,
    keep_earlier: bool = False,
    is_gone: Callable[[str], bool] = lambda case: False,
    is_recorded_now: Callable[[str], bool] = lambda case: False,
) -> Cassette:
    """Merge `new`, which one test recorded, into the cassette `old`.

    The test's earlier interactions are replaced or, with `keep_earlier`, kept before the new ones. Interactions of an
    unknown test count as the test's own. Interactions of other tests are kept, with two exceptions: those for whose
    test `is_gone` returns True and, without `keep_earlier`, those from another upstream. With `keep_earlier`, raise
    `CassetteError` if the upstreams differ.

    The recording date of the result is the oldest date of its parts. Kept interactions count as recorded now if
    `is_recorded_now` returns True for their test.
    """
    if old is None or not old.interactions:
        return new
    case = new.metadata.case
    named = [replace(one, case=name_of_recording_test(old, one) or case) for one in old.interactions]
    same_upstream = old.metadata.upstream == new.metadata.upstream
    if keep_earlier and not can_add_answers_from(old, new.metadata.upstream):
        raise CassetteError(_mixed_upstreams_message(old, new))
    kept = [one for one in named if keep_earlier or (same_upstream and one.case != case and not is_gone(one.case))]
    recorded = [replace(one, case=case) for one in new.interactions]
    interactions = sorted([*kept, *recorded], key=lambda one: one.case)
    keeps_old_part = any(one.case == case or not is_recorded_now(one.case) for one in kept)
    metadata = _merge_metadata(old.metadata, new.metadata, interactions, keeps_old_part) if kept else new.metadata
    return replace(new, metadata=metadata, interactions=tuple(_remove_redundant_test_names(interactions, metadata)))


def _mixed_upstreams_message(old: Cassette, new: Cassette) -> str:
    return (
        f"{old.path or 'the cassette'} was recorded from: {old.metadata.upstream}; answers of another upstream "
        f"({new.metadata.upstream}) cannot be added. Record it again: --record-mode=rewrite"
    )


def _merge_metadata(
    old: CassetteMetadata, new: CassetteMetadata, interactions: list[Interaction], keeps_old_part: bool
) -> CassetteMetadata:
    """Merge the metadata of two cassettes. The result names the test and, if known, the combination of the first of
    `interactions`.

    `keeps_old_part` says whether the result has interactions from the old cassette.
    """
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
        is_rebased=old.is_rebased,
    )


def _remove_redundant_test_names(interactions: list[Interaction], metadata: CassetteMetadata) -> Iterator[Interaction]:
    """Yield the interactions. Those that were recorded by the test that the metadata names have an empty `case`."""
    return (replace(one, case="" if one.case == metadata.case else one.case) for one in interactions)
