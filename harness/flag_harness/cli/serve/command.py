"""The command `flag-harness serve`, which serves cassettes or the simulated API over HTTP."""

import argparse
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flag_harness.cassette import Cassette, Normalisers, Replay
from flag_harness.cassette.redact.filters import project_filters
from flag_harness.cassette.redact.scan import redact_api_keys
from flag_harness.cli.serve.stop import catch_stop_signals
from flag_harness.config import read_project_config
from flag_harness.errors import CassetteMiss, HarnessError
from flag_harness.fault_arguments import fault_argument_help_lines
from flag_harness.faults import Fault, explain_faults_that_never_fired, parse_fault
from flag_harness.wire.origin import UpstreamName
from flag_harness.wire.timeline import Request, Response, Upstream

if TYPE_CHECKING:
    from flag_harness.transports.serve.server import LoopbackServer

_REPLAY_EXAMPLES = """examples:
  flag-harness serve replay recordings/matrix/*.json
  flag-harness serve replay recordings --repeat --port 8080 --pace 1 --fault overloaded:on=2

Point any SDK at it: ANTHROPIC_BASE_URL=http://127.0.0.1:8080. A request that no cassette holds is answered with 404 and
the number of the miss; standard error says how it differs from the nearest recording, without keys and without what
[tool.flag-harness.filters] names. It ends on Ctrl-C or SIGTERM, with exit code 1 if there were
misses."""
_SIMULATOR_EXAMPLES = """examples:
  flag-harness serve simulator
  flag-harness serve simulator --scenario fixtures/scenarios/kernel.toml --port 8080 --pace 1

Without a scenario, it repeats what the user says. Point any SDK at it: ANTHROPIC_BASE_URL=http://127.0.0.1:8080. A
request that no turn of the scenario answers is reported on standard error, and the exit code is 1."""

_OPEN_HOST_WARNING = (
    "warning: {} can be reached by other machines, and there is no authentication; without --host, it serves this "
    "machine alone"
)


def add_serve_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands `serve replay` and `serve simulator` to the parser."""
    serve = subparsers.add_parser("serve", help="serve cassettes or the simulated API over HTTP, on loopback")
    kinds = serve.add_subparsers(title="upstreams", required=True, metavar="UPSTREAM")
    replaying = _add_upstream_parser(kinds, "replay", "serve the recorded answers of cassettes", _REPLAY_EXAMPLES)
    replaying.add_argument("cassettes", nargs="+", type=Path, metavar="CASSETTE", help="a file, or a folder of them")
    replaying.add_argument("--repeat", action="store_true", help="play each answer any number of times, not once")
    replaying.set_defaults(run=_run_replay)
    simulating = _add_upstream_parser(kinds, "simulator", "serve the simulated API", _SIMULATOR_EXAMPLES)
    simulating.add_argument("--scenario", type=Path, metavar="FILE", help="a TOML file of turns (default: an echo)")
    simulating.add_argument("--seed", default="0", help="the seed of ids and signatures (default: 0)")
    simulating.set_defaults(run=_run_simulator)


def _add_upstream_parser(
    kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, description: str, examples: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = kinds.add_parser(
        name,
        help=description,
        epilog="\n".join((examples, "", *fault_argument_help_lines())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="the port (default: a free one, which is printed)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--allow-anyone", action="store_true", help="do not warn that other machines can reach --host")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name of this server that the Host header may have (repeatable, * stands for any characters)",
    )
    parser.add_argument(
        "--pace", type=float, default=0.0, help="0: answer at once (default); 1: in the recorded rhythm"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME:ARGS",
        help="a fault (repeatable). Stalls take real time at any pace; a fault that never fires is an error",
    )
    parser.add_argument("--json", action="store_true", help="print the address as one JSON object")
    return parser


class CassettesUpstream:
    """Answers each request from the first of several cassettes that has an answer to it.

    `options` are passed to the `Replay` of each cassette. `origin` is the upstream of all cassettes, or `imported` if
    they differ. Raise `CassetteMiss` if no cassette has an answer.
    """

    def __init__(self, cassettes: Sequence[Cassette], **options: Any) -> None:
        self._replays = [Replay(cassette, **options) for cassette in cassettes]
        origins = {cassette.metadata.upstream for cassette in cassettes}
        self.origin: UpstreamName = origins.pop() if len(origins) == 1 else "imported"

    def __call__(self, request: Request) -> Response:
        for one in self._replays:
            if (found := one.find_answer(request)) is not None:
                return found
        messages = []
        for one in self._replays:
            try:
                return one(request)  # another thread may have made an answer free
            except CassetteMiss as miss:
                messages.append(str(miss))
        raise CassetteMiss("\n".join(messages))


def _run_replay(arguments: argparse.Namespace) -> int:
    root, config = read_project_config()
    filters, normalisers = project_filters(config, root.absolute()), Normalisers(**config.normalise)
    cassettes = [Cassette.load(path) for path in _cassette_files(arguments.cassettes)]
    upstream = CassettesUpstream(cassettes, repeat=arguments.repeat, filters=filters, normalisers=normalisers)
    count = sum(len(cassette.interactions) for cassette in cassettes)
    faults = _parse_faults(arguments.fault)
    server = _serve_until_stopped(upstream, faults, arguments, f"{count} recorded interactions", upstream.origin)
    misses = len(server.refusals)
    if misses:
        print(f"{misses} request{'s' if misses > 1 else ''} missed", file=sys.stderr)
    return 1 if _print_unfired_faults(faults) or misses else 0


def _run_simulator(arguments: argparse.Namespace) -> int:
    from flag_harness.simulator import simulate  # imported here: it needs pydantic, which other commands do not
    from flag_harness.transports.clock import SystemClock

    faults = _parse_faults(arguments.fault)
    simulator = simulate(arguments.scenario, clock=SystemClock(), seed=arguments.seed)

    lock, printed = threading.Lock(), 0

    def answer_and_print_unmatched(request: Request) -> Response:
        nonlocal printed
        response = simulator(request)
        with lock:
            for unmatched in simulator.unmatched_requests[printed:]:
                print(
                    redact_api_keys(f"{unmatched.message}\n\n{unmatched.proposed_turn}\n"), file=sys.stderr, flush=True
                )
                printed += 1
        return response

    _serve_until_stopped(
        answer_and_print_unmatched,
        faults,
        arguments,
        f"the simulated API ({arguments.scenario or 'echo'})",
        "simulator",
    )
    return 1 if _print_unfired_faults(faults) or simulator.unmatched_requests else 0


def _cassette_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the given cassettes and all cassettes in the given folders.

    Raise `HarnessError` if a folder contains none.
    """
    for path in paths:
        inside = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise HarnessError(f"{path}: there is no cassette in this folder (*.json)")
        yield from inside


def _parse_faults(texts: Sequence[str]) -> list[Fault]:
    faults = [parse_fault(text) for text in texts]
    for fault in faults:
        if fault.is_transport_only or fault.side == "client":
            raise HarnessError(
                f"--fault {fault}: a server cannot do this, it happens in the client before a byte is sent; use it in "
                "process, with flag_harness.http_client or pytest's --harness-fault"
            )
        if fault.condition.combination is not None:
            raise HarnessError(f"--fault {fault}: a server runs under no combination; leave that argument out")
    return faults


def _print_unfired_faults(faults: Sequence[Fault]) -> bool:
    """Print the faults that never took effect, and return whether there are any."""
    problems = explain_faults_that_never_fired(faults)
    for problem in problems:
        print(f"--fault: {problem}", file=sys.stderr)
    return bool(problems)


def _remove_delays(upstream: Upstream) -> Upstream:
    """Return the upstream without recorded delays, so that only faults delay an answer."""
    return lambda request: tuple(replace(piece, at=0.0) for piece in upstream(request))


def _serve_until_stopped(
    upstream: Upstream, faults: Sequence[Fault], arguments: argparse.Namespace, description: str, origin: UpstreamName
) -> "LoopbackServer":
    """Serve the upstream until Ctrl-C or SIGTERM, and return the server.

    A stall fault waits in real time, even if `--pace` is 0. Each answer names `origin` in a header.
    """
    pace = arguments.pace
    if not pace and any(fault.family == "stall" for fault in faults):
        upstream, pace = _remove_delays(upstream), 1.0
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    from flag_harness.transports.serve.limits import ServerLimits, listens_on_loopback
    from flag_harness.transports.serve.server import LoopbackServer

    server = LoopbackServer(
        upstream,
        *faults,
        pace=pace,
        host=arguments.host,
        port=arguments.port,
        allow_any_host=True,
        limits=ServerLimits(accepted_hosts=(arguments.host, *arguments.allow_host)),
        threaded=True,
        origin=origin,
    )
    try:
        with catch_stop_signals() as wait_for_signal, server:
            if not arguments.allow_anyone and not listens_on_loopback(arguments.host):
                print(_OPEN_HOST_WARNING.format(arguments.host), file=sys.stderr, flush=True)
            _print_address(server, description, as_json=arguments.json)
            wait_for_signal()
    except (OSError, OverflowError) as error:
        words = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise HarnessError(f"cannot listen on {arguments.host}, port {arguments.port}: {words}") from None
    return server


def _print_address(server: "LoopbackServer", description: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"url": server.url, "port": server.port}), flush=True)
    else:
        print(f"serving {description} at {server.url}\nANTHROPIC_BASE_URL={server.url}", flush=True)
