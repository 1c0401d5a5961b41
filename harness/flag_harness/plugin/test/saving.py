"""Write the recording of a test, and keep the recordings of other tests in the same file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flag_harness.cassette import Cassette, CassetteMetadata, Filters, Interaction
from flag_harness.cassette.file.lock import lock_parent_folder
from flag_harness.cassette.merge import merge_recordings
from flag_harness.cassette.redact.privacy import personal_data_warning, refuse_personal_data
from flag_harness.cassette.redact.scan import refuse_api_keys
from flag_harness.errors import CassetteError
from flag_harness.plugin.test.plan import TrafficPlan
from flag_harness.transports import sdk_version
from flag_harness.wire.origin import UpstreamName, origin_of_answers
from flag_harness.wire.timeline import Request, Response


@dataclass(frozen=True, slots=True)
class SavedRecording:
    """What `save_recording` did.

    Attributes:
        is_written: False if the recording differed from the file only in times, so that the file was left unchanged.
        replaced_broken_file: True if an earlier file at the same path could not be read.
    """

    is_written: bool
    replaced_broken_file: bool


def upstream_that_answered(plan: TrafficPlan, exchanges: Iterable[tuple[Request, Response]]) -> UpstreamName:
    """Return the upstream that answered: the run's, unless a server of the harness names another one in its answers."""
    return origin_of_answers(exchanges) or plan.upstream


def make_metadata(plan: TrafficPlan, upstream: UpstreamName) -> CassetteMetadata:
    """Return the metadata of a recording that is made now from answers of `upstream`."""
    return CassetteMetadata(
        upstream=upstream,
        recorded_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        sdk=sdk_version(),
        case=plan.case,
        combination=plan.combination,
    )


def refuse_unsafe_recording(plan: TrafficPlan, recording: Sequence[Interaction]) -> None:
    """Raise `CassetteError` if a recording may not be written because of a key or of personal data."""
    parameters = plan.case.partition("[")[2]
    if plan.filters.filter_text(parameters) != parameters:
        raise CassetteError(
            f"{plan.cassette_path} was not written, because the id of the test holds what a filter of the fixture "
            '`harness_filters` removes. Give the parameter an id of its own, pytest.param(..., id="key"); or declare '
            "the filter in [tool.flag-harness.filters], which hides it in ids, too."
        )
    refuse_api_keys(plan.cassette_path, make_metadata(plan, plan.upstream), recording)
    refuse_personal_data(plan.cassette_path, recording, plan.filters.detectors)


def recording_warning(plan: TrafficPlan, recording: Sequence[Interaction]) -> str:
    """Return a warning if a detector finds personal data in a recording, or an empty string."""
    return personal_data_warning(plan.cassette_path, recording, plan.filters.detectors)


def save_recording(
    plan: TrafficPlan,
    recording: Sequence[Interaction],
    exchanges: Iterable[tuple[Request, Response]],
    excluded_from_effects: str = "",
) -> SavedRecording:
    """Write the recording, unless it differs from the file only in times.

    `exchanges` are all requests and answers of the test, and show which upstream answered. `excluded_from_effects` is
    the test's reason not to be compared with other combinations, or empty. Raise `CassetteError` if the recording holds
    secrets or cannot be written. The old file then stays as it is.
    """
    refuse_unsafe_recording(plan, recording)
    try:
        metadata = replace(
            make_metadata(plan, upstream_that_answered(plan, exchanges)), excluded_from_effects=excluded_from_effects
        )
        return _update_cassette_file(plan, Cassette(metadata, tuple(recording)))
    except OSError as error:
        raise CassetteError(
            f"{plan.cassette_path} was not written: {error.strerror}; what was there before is untouched. "
            "Mend that, and record the test again."
        ) from None


def _update_cassette_file(plan: TrafficPlan, new_cassette: Cassette) -> SavedRecording:
    with lock_parent_folder(plan.cassette_path):
        existing, is_broken = _load_existing_cassette(plan)
        known = _apply_filters(existing, plan.filters) if existing else None
        both = merge_recordings(
            known,
            new_cassette,
            keep_earlier=plan.mode != "rewrite",
            is_gone=plan.is_test_gone,
            is_recorded_now=plan.is_recorded_in_run,
        )
        both = replace(both, has_parts=plan.shares_parts and not any(one.case for one in both.interactions))
        is_written = both.save(plan.cassette_path, plan.blob_folder, stored=existing, max_age=plan.max_age_limit)
    return SavedRecording(is_written, is_broken)


def _load_existing_cassette(plan: TrafficPlan) -> tuple[Cassette | None, bool]:
    """Return the cassette on disk (or None), and whether its file is broken.

    Raise `CassetteError` if it is broken, unless the record mode is `rewrite`, which replaces it.
    """
    if not plan.cassette_path.exists():
        return None, False
    try:
        return Cassette.load(plan.cassette_path), False
    except CassetteError:
        if plan.mode != "rewrite":
            raise
        return None, True


def _apply_filters(cassette: Cassette, filters: Filters) -> Cassette:
    return replace(cassette, interactions=tuple(map(filters.filter_interaction, cassette.interactions)))
