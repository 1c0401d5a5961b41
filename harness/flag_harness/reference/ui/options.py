"""The options of the chat, which the command passes to Streamlit's script as one argument."""

from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

EXAMPLE_SCENARIO = Path(__file__).with_name("example.toml")
"""A scenario of the package, in which the agent calls a tool."""

UpstreamName: TypeAlias = Literal["simulator", "cassette", "live"]


class UiOptions(msgspec.Struct, frozen=True):
    """The upstream that answers the chat, and the folder of its sessions.

    `file` is the scenario of the simulator, or the cassette. If `asks_before_tools` is true, the chat starts with "ask
    before running a tool" switched on. An empty `model` stands for the default one. `faults` are written as in
    `flag-harness serve --fault`; they are counted separately in each session.
    """

    upstream: UpstreamName = "simulator"
    file: str = ""
    folder: str = "sessions"
    asks_before_tools: bool = True
    model: str = ""
    faults: tuple[str, ...] = ()

    @property
    def folder_path(self) -> Path:
        """The folder of the session files."""
        return Path(self.folder)

    def to_argument(self) -> str:
        """Return the options as one argument of a command."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_argument(cls, argument: str) -> "UiOptions":
        """Return the options in an argument that `to_argument` made."""
        return msgspec.json.decode(argument, type=cls)
