"""The requests and responses of one test. Decoded bodies and figures are computed once, not at each access."""

from typing import TYPE_CHECKING, Any

from flag_harness.analysis.metrics import Metrics, RequestMetrics, combine_metrics, measure_request
from flag_harness.wire.json import decode_json
from flag_harness.wire.traffic_log import TrafficLog

if TYPE_CHECKING:
    from flag_harness.wire.timeline import Request, Response


class ExchangeLog:
    """The exchanges (request and response) in a `TrafficLog`, with their decoded bodies and figures."""

    def __init__(self, traffic_log: TrafficLog) -> None:
        self._traffic_log = traffic_log
        self._lengths: tuple[int, ...] = ()
        self._exchanges: tuple[tuple[Request, Response], ...] = ()
        self._bodies: tuple[Any, ...] = ()
        self._measured: tuple[tuple[int, ...], tuple[RequestMetrics, ...], Metrics] = (), (), combine_metrics(())

    @property
    def exchanges(self) -> "tuple[tuple[Request, Response], ...]":
        """Requests in the order in which they were sent, each with the part of its response that has arrived."""
        lengths = tuple(len(pieces) for _, pieces in self._traffic_log.entries_from())
        if lengths != self._lengths:
            self._exchanges, self._lengths = self._traffic_log.exchanges, lengths
        return self._exchanges

    @property
    def bodies(self) -> tuple[Any, ...]:
        """The JSON bodies of the requests: None for an empty body, bytes for a body that is not JSON."""
        known = len(self._bodies)
        self._bodies += tuple(_decode_body(request.body) for request, _ in self.exchanges[known:])
        return self._bodies

    @property
    def metrics(self) -> Metrics:
        """The number of requests, tokens, cost and times of the exchanges."""
        return self._measure_exchanges()[1]

    @property
    def request_metrics(self) -> tuple[RequestMetrics, ...]:
        """The tokens, cost and times of each exchange, in the order in which the requests were sent."""
        return self._measure_exchanges()[0]

    def _measure_exchanges(self) -> tuple[tuple[RequestMetrics, ...], Metrics]:
        exchanges = self.exchanges
        lengths, requests, metrics = self._measured
        if lengths != self._lengths:
            requests = tuple(measure_request(request, response) for request, response in exchanges)
            metrics = combine_metrics(requests)
            self._measured = self._lengths, requests, metrics
        return requests, metrics


def _decode_body(data: bytes) -> Any:
    return decode_json(data, default=data) if data else None
