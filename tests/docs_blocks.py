"""The blocks of code of the README and the docs, and which of them cannot be run here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROJECT = Path(__file__).with_name("docs_project")
"""The agent, the tests and the scenarios of which the pages speak."""
RUN_PAGES = {
    "tutorial": "tests/test_tutorial.py",
    "monorepos": "tests/test_tutorial.py",
    "moving-in-flags": "tests/test_tutorial.py",
    "gate": "tests/gate/test_walk_through.py",
}
"""Pages whose blocks with a language are all run, in their order, with the tests that do so."""
RUN_ELSEWHERE = {
    "from flag_harness import CassetteTraffic": "tests/plugin/test_api.py",
    "import anthropic\nimport httpx\nimport pytest": "tests/plugin/test_api.py",
    "from flag_harness.analysis.blame": "tests/analysis/test_locate.py",
    "from flag_harness.analysis.locate": "tests/analysis/test_locate.py",
    "from flag_harness.reference.logs import json_lines_handler": "tests/test_readme.py",
    "# test_refund.py": "tests/test_readme.py",
    "async def test_refund_async": "tests/test_readme.py",
    "from settings import config": "tests/plugin/test_settings_sources.py",
    "from settings import get_settings": "tests/plugin/test_settings_sources.py",
    "import agent": "tests/plugin/test_settings_sources.py",
    "from program import main": "tests/plugin/test_settings_sources.py",
    "import ldclient": "tests/sources/test_vendors.py",
    "from UnleashClient import": "tests/sources/test_vendors.py",
    "from growthbook import": "tests/sources/test_vendors.py",
    '"""The chat under every combination': "tests/plugin/test_streamlit.py",
    '"""The chat in a real browser': "tests/plugin/test_streamlit.py",
    "flag-harness demo": "tests/cli/test_demo.py",
    "pytest --feature=all": "the cases themselves, with all other tests",
    "pytest --record-mode=once --harness-upstream=simulator": "tests/test_readme.py",
}
"""The beginnings of further blocks and of commands, with the tests that run them."""
_LIVE = "it asks the live API, with a key"
_SERVES = "it serves until it is stopped; tests/cli/test_serve.py does that"
_CHATS = "it opens a page, and serves it until it is stopped; tests/cli/test_ui.py does that"
_INSTALLS = "it installs packages from the index"
NOT_RUN = {
    "pip install .": _INSTALLS,
    "python3 -m venv .venv": _INSTALLS,
    "pytest --record-mode=once": _LIVE,
    "pytest --disable-recording --harness-upstream=live --harness-max-cost=1": _LIVE,
    (
        "pytest --harness-verdict=all --harness-repeat=200 "
        "--disable-recording --harness-upstream=live --harness-max-cost=5"
    ): _LIVE,
    "pytest --feature=all --disable-recording --harness-upstream=live --harness-max-cost=1": _LIVE,
    "flag-harness serve replay recordings/matrix/ --port 8000 --repeat": _SERVES,
    "flag-harness serve simulator --scenario fixtures/scenarios/round_trip.toml --fault overloaded:on=2": _SERVES,
    "flag-harness serve simulator --fault stall:seconds=90": _SERVES,
    "flag-harness ui": _CHATS,
    "flag-harness ui --scenario example": _CHATS,
    "flag-harness ui --scenario example --fault overloaded:on=1": _CHATS,
    "flag-harness ui --upstream=cassette recordings/matrix/streaming.json": _CHATS,
    "flag-harness ui --upstream=live": _CHATS,
    "from presidio_analyzer import": "presidio brings language models of hundreds of megabytes",
}
"""The beginnings of blocks, and commands, that no test runs, and why."""
SHORTER = {
    "--harness-repeat=200": "--harness-repeat=2",
    "--harness-runs=100": "--harness-runs=1 -k off",
    "--harness-sweep-budget=60s": "--harness-sweep-budget=1s",
    "--harness-sweep\n": "--harness-sweep -k 'overloaded and off'\n",
    "new_planner,model=sonnet": "new_planner,model=sonnet --disable-recording --harness-upstream=simulator",
    "effects recordings/test_refund": "effects recordings/tests",
    "-n 4": "-k 'overloaded and new_planner'",
    "--harness-sweep-baseline=sweep.json": "--harness-sweep-baseline=sweep.json -k 'overloaded and off'",
    "overloaded or reset": "overloaded and new_planner",
    "stall or ping_only": "stall and new_planner",
    ".py --harness-sweep=faults\n": ".py --harness-sweep=faults -k 'overloaded and off'\n",
    "--harness-agent=myapp.agent:run": "--harness-agent=myapp.agent:SweptBot -k overloaded",
}
"""Parts of commands that a test replaces, because they would take minutes, or play what is not recorded."""


@dataclass(frozen=True)
class Block:
    """A block of code, the name of its page without a suffix, and its index on the page."""

    page: str
    index: int
    language: str
    text: str

    def begins_as(self, beginnings: dict[str, str]) -> bool:
        """Return whether the text, or what follows its imports, begins in one of these ways."""
        return any(re.search(f"^{re.escape(one)}", self.text, re.MULTILINE) for one in beginnings)


def page_blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page."""
    pattern = re.compile(r"^```([a-z]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
    for index, (language, text) in enumerate(pattern.findall(page.read_text(encoding="utf-8"))):
        yield Block(page.stem, index, language, text)


def all_blocks(language: str) -> list[Block]:
    """Return the blocks in a language, of all pages that no other test runs as a whole."""
    return [
        one for page in PAGES for one in page_blocks(page) if one.language == language and page.stem not in RUN_PAGES
    ]


def strip_comment(line: str) -> str:
    """Return a line of shell without its comment."""
    return re.sub(r"(^|\s\s)#.*", "", line).strip()


def commands_to_run(block: Block) -> str:
    """Return the lines of a block of shell that can be run here, shortened; empty if there are none."""
    lines = (strip_comment(line) for line in block.text.splitlines())
    left_out = {**NOT_RUN, **RUN_ELSEWHERE}
    text = "".join(f"{line}\n" for line in lines if line and line.partition(" && ")[0] not in left_out)
    for part, shorter in SHORTER.items():
        text = text.replace(part, shorter)
    return text
