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
    """The values of the headers of one answer. `limits` has the rate-limit headers of the answer, or is empty."""

    request_id: str
    organization: str
    date: datetime
    ray: str
    trace: str
    limits: Headers = ()

    def to_headers(self, content_headers: Headers, service_milliseconds: int, *, organization: bool = True) -> Headers:
        """Return all headers in the order of the API.

        `content_headers` are those that depend on the kind of answer, the content type first. `service_milliseconds` is
        the time that the API took to answer. `organization` says whether the header with the organization's id is
        included.
        """
        return (
            ("date", self.date.strftime("%a, %d %b %Y %H:%M:%S GMT")),
            *content_headers,
            *self.limits,
            ("request-id", self.request_id),
            ("strict-transport-security", _STRICT_TRANSPORT_SECURITY),
            *((("anthropic-organization-id", self.organization),) if organization else ()),
            ("traceresponse", self.trace),
            ("server", "cloudflare"),
            ("x-envoy-upstream-service-time", str(service_milliseconds)),
            ("vary", "Accept-Encoding"),
            ("cf-cache-status", "DYNAMIC"),
            ("content-security-policy", _CONTENT_SECURITY_POLICY),
            ("x-robots-tag", "none"),
            ("cf-ray", self.ray),
        )


def make_response_headers(
    random: SeededRandom, organization: str, date: datetime, request_id: str, limits: Headers = ()
) -> ResponseHeaders:
    """Return the values of the headers of one answer. Ids in them are drawn from `random`."""
    digits = random.characters(HEX_DIGITS, 64)
    ray = f"9{digits[:15]}-{_CLOUDFLARE_DATA_CENTERS[random.integer_below(len(_CLOUDFLARE_DATA_CENTERS))]}"
    trace = f"00-{digits[16:48]}-{digits[48:64]}-01"
    return ResponseHeaders(request_id, organization, date, ray, trace, limits)
