"""Make the client of a chat: for the simulator, a cassette, or the live API."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from flag_harness.cassette import Cassette, replay
from flag_harness.errors import HarnessError
from flag_harness.faults import parse_fault
from flag_harness.reference.ui.options import UiOptions
from flag_harness.transports.clients import async_http_client, live_async_http_client
from flag_harness.transports.clock import SystemClock

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

    from flag_harness.wire.timeline import Layer, Upstream

_MISSING_KEY_MESSAGE = (
    "ANTHROPIC_API_KEY is not set: set it and start again, or use --upstream=simulator, which needs no key"
)


def make_client(options: UiOptions, seed: str, *layers: "Layer") -> "AsyncAnthropic":
    """Return a client for one session, in real time, whose requests pass through `layers`.

    Ids of the simulator depend on `seed`.

    Raise `HarnessError` if the upstream's file cannot be read, or if there is no key for the live API.
    """
    from anthropic import AsyncAnthropic

    if options.upstream == "live":
        require_api_key()
        return AsyncAnthropic(http_client=live_async_http_client(*layers))
    faults = map(parse_fault, options.faults)
    http_client = async_http_client(_make_upstream(options, seed), *layers, *faults, pace=1)
    return AsyncAnthropic(api_key="unused", base_url="https://api.anthropic.com", http_client=http_client)


def require_api_key() -> None:
    """Raise `HarnessError` if the environment has no key for the live API."""
    if not (os.environ.get("ANTHROPIC_API_KEY") or os.environ.get("ANTHROPIC_AUTH_TOKEN")):
        raise HarnessError(_MISSING_KEY_MESSAGE)


def _make_upstream(options: UiOptions, seed: str) -> "Upstream":
    if options.upstream == "cassette":
        return replay(Cassette.load(Path(options.file)))
    from flag_harness.simulator import simulate  # imported here: it needs pydantic, which takes time to load

    return simulate(Path(options.file) if options.file else None, clock=SystemClock(), seed=seed)
