"""What the warm server imports before it serves: whatever a test of the plugin imports, by running some."""

import contextlib
import importlib
import importlib.metadata
import io
import os
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARIES = (
    *(
        "aiohttp",
        "brotli",
        "httpx",
        "jinja2.ext",
        "rich.console",
        "streamlit.testing.v1",
        "streamlit.web.bootstrap",
        "trio",
        "uvicorn.lifespan.off",
    ),
    *("uvloop", "vcr", "yaml", "zstandard"),
)
XDIST = ("execnet.gateway_base", "execnet.multi", "xdist.dsession", "xdist.remote", "xdist.scheduler")
LATER = ("__main__", "conformance", "features")
"""Modules that are no libraries, belong to the cases, or are loaded by `import_plugin`, which wants to be the first."""

SUITE = """
import asyncio
import anthropic

ASK = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello."}]}

def test_create(cassette):
    anthropic.Anthropic(max_retries=0).messages.create(**ASK)

def test_stream(cassette):
    with anthropic.Anthropic(max_retries=0).messages.stream(**ASK) as stream:
        stream.get_final_message()

def test_async(cassette):
    async def ask():
        async with anthropic.AsyncAnthropic(max_retries=0) as client:
            await client.messages.create(**ASK)
            async with client.messages.stream(**ASK) as stream:
                await stream.get_final_message()

    asyncio.run(ask())

def test_fails():
    assert 1 == 2
"""


def warm_up(folder: Path) -> None:
    """Record and play a small suite in a folder of its own."""
    import pytest

    remember_distributions()
    remember_plugins()
    folder.joinpath("test_warm_up.py").write_text(SUITE)
    folder.joinpath("pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    here, environ = os.getcwd(), dict(os.environ)
    os.chdir(folder)
    try:
        for options in (("--record-mode=rewrite", "--harness-upstream=simulator"), ("--harness-report=report.html",)):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                pytest.main(["-p", "no:cacheprovider", "-p", "no:vcr", *options], plugins=[Importing()])
            assert "1 failed, 3 passed" in printed.getvalue(), printed.getvalue()
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(environ)


def remember_distributions() -> None:
    """Read the metadata of each installed distribution once: pytest reads all of it whenever it starts."""
    for name in ("entry_points", "files", "metadata"):
        setattr(importlib.metadata.PathDistribution, name, _remember(name))


def _remember(name: str) -> property:
    read = getattr(importlib.metadata.PathDistribution, name).fget
    values: dict[Path, Any] = {}

    def value(distribution: Any) -> Any:
        path = distribution._path
        if path not in values:
            values[path] = read(distribution)
        return values[path]

    return property(value)


def remember_plugins() -> None:
    """Search each plugin for fixtures once, as long as it has none: pytest looks at 2,600 names whenever it starts."""
    from _pytest.fixtures import FixtureManager

    search: Any = FixtureManager.parsefactories
    without_fixtures: set[object] = set()

    def search_once(manager: Any, *arguments: Any, **options: Any) -> None:
        plugin = options.get("holder") if options.get("node") is manager.session else None
        kind = plugin if isinstance(plugin, ModuleType) else type(plugin)
        if kind in without_fixtures:
            return
        register, found = manager._register_fixture, []
        manager._register_fixture = lambda **fixture: found.append(register(**fixture))
        search(manager, *arguments, **options)
        del manager._register_fixture
        if plugin is not None and not found:
            without_fixtures.add(kind)

    FixtureManager.parsefactories = search_once  # type: ignore[assignment,method-assign]


class Importing:
    """Imports, while pytest runs: it rewrites the assertions of plugins, and warns of those that came before it."""

    def pytest_collection(self) -> None:
        """Import the libraries, and every module of the package."""
        _import_the_rest()


def _import_the_rest() -> None:
    import flag_harness

    for name in (*LIBRARIES, *XDIST, "xdist.workermanage"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for module in pkgutil.walk_packages(flag_harness.__path__, "flag_harness."):
        if not set(module.name.split(".")) & set(LATER):
            importlib.import_module(module.name)
