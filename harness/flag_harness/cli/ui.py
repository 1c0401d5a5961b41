"""The command `flag-harness ui`, which opens a chat with the reference agent in the browser."""

import argparse
import sys
from pathlib import Path

from flag_harness.errors import HarnessError

_EXAMPLES = """examples:
  flag-harness ui
  flag-harness ui --scenario example                # ask which kernel runs here: the agent calls a tool
  flag-harness ui --scenario refund                 # fixtures/scenarios/refund.toml of your project
  flag-harness ui --fault overloaded:on=1           # see how the agent deals with it
  flag-harness ui --upstream=cassette recordings/matrix/streaming.json
  ENABLE_STREAMING=true flag-harness ui --upstream=live --port 8501

The page has a switch for each flag. Conversations are saved after each step in the folder `sessions`; the address of
the page names the session. It ends on Ctrl-C or SIGTERM."""

_OPEN_HOST_WARNING = (
    "warning: {} can be reached by other machines, and there is no authentication: who reaches the page can run the "
    "agent's tools; without --host, it serves this machine alone"
)


def add_ui_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `ui` to the parser."""
    parser = subparsers.add_parser(
        "ui",
        help="chat with the reference agent in the browser, under any flags",
        description="Chat with the reference agent in the browser, under any flags.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", default="", metavar="FILE", help="the cassette, with --upstream=cassette")
    parser.add_argument("--upstream", choices=("simulator", "cassette", "live"), default="simulator")
    parser.add_argument("--scenario", default="", metavar="NAME", help="what the simulator answers (default: an echo)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME:ARGS",
        help="a fault of each session (repeatable; not with --upstream=live), as in: flag-harness serve --help",
    )
    parser.add_argument("--model", default="", help="the model (default: that of the session)")
    parser.add_argument("--folder", default="sessions", help="the folder of saved sessions (default: sessions)")
    parser.add_argument("--port", type=int, default=8501, help="the port (default: 8501)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--no-ask", action="store_true", help="run tools without asking first")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.set_defaults(run=_run_ui)


def _run_ui(arguments: argparse.Namespace) -> int:
    from flag_harness.reference.ui.checks import check_address, check_folder
    from flag_harness.reference.ui.options import UiOptions
    from flag_harness.reference.ui.server import run_server
    from flag_harness.transports.serve.limits import listens_on_loopback

    options = UiOptions(
        upstream=arguments.upstream,
        file=_check_upstream_file(arguments),
        folder=arguments.folder,
        asks_before_tools=not arguments.no_ask,
        model=arguments.model,
        faults=tuple(arguments.fault),
    )
    check_folder(options.folder_path)
    check_address(arguments.host, arguments.port)
    if not listens_on_loopback(arguments.host):
        print(_OPEN_HOST_WARNING.format(arguments.host), file=sys.stderr, flush=True)
    return run_server(options, host=arguments.host, port=arguments.port, opens_browser=not arguments.no_browser)


def _check_upstream_file(arguments: argparse.Namespace) -> str:
    """Return the path of the cassette or scenario.

    Raise `HarnessError` if a file is needed and none is given, or if one is given and not needed.
    """
    if arguments.fault and arguments.upstream == "live":
        raise HarnessError("--fault: the live API gets no faults; use --upstream=simulator, or leave it out")
    if arguments.upstream == "cassette":
        if not arguments.file:
            raise HarnessError(
                "--upstream=cassette needs the file of a cassette: flag-harness ui --upstream=cassette FILE"
            )
        return str(arguments.file)
    if arguments.file:
        raise HarnessError(f"{arguments.file}: a cassette needs --upstream=cassette; a scenario needs --scenario NAME")
    if not arguments.scenario:
        return ""
    if arguments.upstream != "simulator":
        raise HarnessError(f"--scenario is for --upstream=simulator, not {arguments.upstream}; leave one of them out")
    return str(_find_scenario(arguments.scenario))


def _find_scenario(name: str) -> Path:
    from flag_harness.config import read_project_config
    from flag_harness.flag import nearest_name_hint
    from flag_harness.reference.ui.options import EXAMPLE_SCENARIO

    root, config = read_project_config()
    folder = root / config.fixtures / "scenarios"
    for path in (Path(name), folder / f"{name}.toml"):
        if path.is_file():
            return path
    if name == EXAMPLE_SCENARIO.stem:
        return EXAMPLE_SCENARIO
    names = [EXAMPLE_SCENARIO.stem, *(path.stem for path in sorted(folder.glob("*.toml")))]
    raise HarnessError(
        f"--scenario {name}: there is no such file, and none of that name in {folder}; {nearest_name_hint(name, names)}"
    )
