"""Run Streamlit's server for the chat."""

import gc
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from flag_harness.cassette import Cassette
from flag_harness.errors import require_extra
from flag_harness.faults import parse_fault
from flag_harness.reference.ui.chat.upstreams import require_api_key
from flag_harness.reference.ui.options import UiOptions

STREAMLIT_SCRIPT = Path(__file__).with_name("script") / "streamlit_app.py"

STREAMLIT_SETTINGS = {
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "global.developmentMode": "false",
    "logger.level": "error",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "server.showEmailPrompt": "false",
}
"""The settings of Streamlit: it sends no statistics, asks for no e-mail address, shows no traceback, and watches no
files.
"""


def server_arguments(options: UiOptions, *, host: str, port: int, opens_browser: bool) -> list[str]:
    """Return the arguments of the command `streamlit`."""
    settings = {
        **STREAMLIT_SETTINGS,
        "server.address": host,
        "server.port": str(port),
        "server.headless": "false" if opens_browser else "true",
    }
    return [
        "run",
        str(STREAMLIT_SCRIPT),
        *(f"--{name}={value}" for name, value in settings.items()),
        "--",
        options.to_argument(),
    ]


def run_server(options: UiOptions, *, host: str, port: int, opens_browser: bool) -> int:
    """Serve the chat until Ctrl-C or SIGTERM, and return the exit code.

    Before starting, raise `HarnessError` if the upstream cannot be opened or Streamlit is not installed.
    """
    with require_extra("ui"):
        from streamlit.web.cli import main
    check_upstream(options)
    _preload_page_modules()
    arguments: Sequence[str] = server_arguments(options, host=host, port=port, opens_browser=opens_browser)
    result = main(args=list(arguments), prog_name="flag-harness ui", standalone_mode=False)
    return int(result or 0)


def _preload_page_modules() -> None:
    """Import what the first page needs, and exclude these objects from garbage collection.

    Streamlit collects garbage after each run of the script, which would take 150 ms with all these modules.
    """
    for name in ("anthropic", "flag_harness.reference.ui.page.page"):
        import_module(name)
    gc.collect()
    gc.freeze()


def check_upstream(options: UiOptions) -> None:
    """Raise `HarnessError` if the options name a file that cannot be read, an unknown fault, or the live API without a
    key for it.
    """
    for fault in options.faults:
        parse_fault(fault)
    if options.upstream == "live":
        require_api_key()
    elif options.upstream == "cassette":
        Cassette.load(Path(options.file))
    elif options.file:
        from flag_harness.simulator import load_scenario

        load_scenario(options.file)
