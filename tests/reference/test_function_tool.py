"""Python functions as tools."""

import threading
from typing import Any

import pytest

from flag_harness.reference.tools.function_tool import function_tool


async def asynchronous(n: int) -> int:
    """An async function."""
    return n + 1


class Callable:
    """An object whose call is async."""

    async def __call__(self, n: int) -> str:
        return str(n)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("function", "text"),
    [
        (asynchronous, "2"),
        (Callable(), "1"),
        (lambda n: None, ""),
        (lambda n: "as it is\n", "as it is\n"),
        (lambda n: {"ü": (n, None)}, '{"ü": [1, null]}'),
    ],
)
async def test_what_a_function_returns_becomes_text(function: Any, text: str) -> None:
    """Strings as they are, nothing for None, all else as JSON."""
    assert text == await function_tool("f", "", {}, function).run({"n": 1})


@pytest.mark.asyncio
async def test_a_sync_function_runs_beside_the_loop() -> None:
    """A slow one does not stop the stream of another session."""
    threads: list[threading.Thread] = []
    await function_tool("f", "", {}, lambda: threads.append(threading.current_thread())).run({})
    assert threading.current_thread() not in threads
    assert len(threads) == 1
