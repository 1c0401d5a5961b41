"""Compute what the prompt cache did in a test: which cached prefixes a changed block made useless, and what the cache
marks cost or saved.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.record import RunRow
    from flag_harness.record.cache import CacheUse
    from flag_harness.wire.timeline import Request

_CACHE_MARK_KEY = b'"cache_control"'


def cache_use_of_traffic(traffic: "CassetteTraffic") -> "CacheUse | None":
    """Return what the prompt cache did for the requests of a test, or None if none of them has a cache mark."""
    exchanges = traffic.exchanges
    if not any(_CACHE_MARK_KEY in request.body for request, _ in exchanges):
        return None
    from flag_harness.analysis.cache_use import AnsweredRequest, measure_cache_use

    measured = zip(exchanges, traffic.request_metrics, traffic.times, strict=False)
    requests = [
        AnsweredRequest(index, request, metrics.model, metrics.usage, at)
        for index, ((request, _), metrics, at) in enumerate(measured)
        if metrics.status == 200 and metrics.usage is not None and metrics.usage.total_input
    ]
    return measure_cache_use(
        requests, lambda request: _remove_secrets_and_personal_data(traffic, request), traffic.mask
    )


def remove_text_around_prefix_changes(row: "RunRow") -> "RunRow":
    """Return a row of the run record without the texts around each change that made a cached prefix useless.

    A record that keeps no content of requests must not have these texts.
    """
    if row.cache_use is None or not row.cache_use.breaks:
        return row
    import msgspec

    breaks = tuple(msgspec.structs.replace(broken, old_text="", new_text="") for broken in row.cache_use.breaks)
    return msgspec.structs.replace(row, cache_use=msgspec.structs.replace(row.cache_use, breaks=breaks))


def _remove_secrets_and_personal_data(traffic: "CassetteTraffic", request: "Request") -> "Request":
    """Return a request as a report shows it, without secrets and personal data.

    What a detector of personal data finds is hidden even if the detector is set to warn only.
    """
    from flag_harness.cassette.interaction import make_storable_request

    filters = traffic.plan.filters
    detectors = tuple(replace(detector, action="mask") for detector in filters.detectors)
    filtered: Request = replace(filters, detectors=detectors).filter_request(make_storable_request(request))
    return filtered
