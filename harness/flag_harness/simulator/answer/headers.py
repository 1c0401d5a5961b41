"""Response headers of the simulated API: those that nearly every recorded answer of 2026 has, in the recorded order."""

from dataclasses import dataclass
from datetime import datetime

from flag_harness.simulator.answer.randomness import HEX_DIGITS, SeededRandom
from flag_harness.wire.timeline import Headers

_CLOUDFLARE_DATA_CENTERS = ("EWR", "LHR", "SJC")
_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'"
_STRICT_TRANSPORT_SECURITY = "max-age=31536000; includeSubDomains; preload"


@dataclass(frozen=True, slots=True)
class ResponseHeaders:
    """The values of the headers of one answer that differ from answer to answer.

    `rate_limit_headers` may be empty. `cloudflare_ray` and `trace_parent` are random ids that the API's servers add.
    """

    request_id: str
    organization_id: str
    date: datetime
    cloudflare_ray: str
    trace_parent: str
    rate_limit_headers: Headers = ()

    def to_headers(
        self, content_headers: Headers, service_milliseconds: int, *, with_organization_id: bool = True
    ) -> Headers:
        """Return all headers in the order of the API.

        `content_headers` are those that depend on the kind of answer, the content type first. `service_milliseconds` is
        the time that the API took to answer. If `with_organization_id` is false, the header with the organization's id
        is left out.
        """
        return (
            ("date", self.date.strftime("%a, %d %b %Y %H:%M:%S GMT")),
            *content_headers,
            *self.rate_limit_headers,
            ("request-id", self.request_id),
            ("strict-transport-security", _STRICT_TRANSPORT_SECURITY),
            *((("anthropic-organization-id", self.organization_id),) if with_organization_id else ()),
            ("traceresponse", self.trace_parent),
            ("server", "cloudflare"),
            ("x-envoy-upstream-service-time", str(service_milliseconds)),
            ("vary", "Accept-Encoding"),
            ("cf-cache-status", "DYNAMIC"),
            ("content-security-policy", _CONTENT_SECURITY_POLICY),
            ("x-robots-tag", "none"),
            ("cf-ray", self.cloudflare_ray),
        )


def make_response_headers(
    random: SeededRandom, organization_id: str, date: datetime, request_id: str, rate_limit_headers: Headers = ()
) -> ResponseHeaders:
    """Return the values of the headers of one answer, with random ids drawn from `random`."""
    digits = random.characters(HEX_DIGITS, 64)
    ray = f"9{digits[:15]}-{_CLOUDFLARE_DATA_CENTERS[random.integer_below(len(_CLOUDFLARE_DATA_CENTERS))]}"
    trace_parent = f"00-{digits[16:48]}-{digits[48:64]}-01"
    return ResponseHeaders(request_id, organization_id, date, ray, trace_parent, rate_limit_headers)
