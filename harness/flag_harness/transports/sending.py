"""Send one request over the network, unchanged and without retries."""

from contextlib import suppress

from flag_harness.transports.clients import CONNECT_TIMEOUT_SECONDS, TIMEOUT_SECONDS, sdk_http_library
from flag_harness.transports.clock import SystemClock
from flag_harness.transports.transport import make_transport_class
from flag_harness.wire.timeline import Request, Response
from flag_harness.wire.traffic_log import TrafficLog


def send_request(request: Request) -> Response:
    """Send a request and return its response, or the part of it that arrived. Redirects are not followed."""
    http, tap = sdk_http_library(), TrafficLog()
    timeout = http.Timeout(TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    transport = make_transport_class(http)(http.HTTPTransport(), tap, clock=SystemClock())
    broken = suppress(http.TransportError)  # the response ends with how it broke
    with broken, http.Client(transport=transport, timeout=timeout) as client:
        client.request(request.method, request.url, headers=list(request.headers), content=request.body)
    return tap.exchanges[0][1]
