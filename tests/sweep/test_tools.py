"""The tools of a swept agent: which functions are replaced, and what they return."""

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flag_harness.config import SweepSettings
from flag_harness.errors import ConfigError
from flag_harness.plugin.sweep.tools.results import BaselineToolResults, NotRecordedError, StoredToolResult, ToolCallKey
from flag_harness.plugin.sweep.tools.tools import SweepToolReplacer
from flag_harness.sweep.probe import TrafficProbe
from flag_harness.sweep.troubles import Interruption, ToolTroubleError, Trouble, parse_tool_trouble
from flag_harness.sweep.troubles.schedule import join_troubles
from flag_harness.transports.scope import ApiScope
from flag_harness.wire.timeline import Request

SHOP = """
RUNS = []

def count(item, *, box=None):
    RUNS.append(item)
    if item == "none":
        raise LookupError("no such item")
    return [len(RUNS)]

async def fetch(item):
    return count(item)

class Shop:
    def sell(self, item):
        return count(item)

    @staticmethod
    def sell_any(item):
        return count(item)

    @classmethod
    def open(cls, item):
        return cls, count(item)

class Tool:
    def __init__(self, func):
        self.func = func

buy = Tool(count)
PAIR, TABLE, LIST = (count, 1), {"count": count}, [count]
lock = open(__file__)
lock.close()

def connect():
    RUNS.append("connect")
    return lock
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return a module of a project with functions, a class and an object."""
    tmp_path.joinpath("swept_shop.py").write_text(SHOP)
    monkeypatch.syspath_prepend(tmp_path)
    import swept_shop

    yield swept_shop
    del sys.modules["swept_shop"]


def _make_tools(shop: ModuleType, *functions: str, stub: dict[str, Any] | None = None) -> SweepToolReplacer:
    names = tuple(f"swept_shop:{name}" for name in functions)
    return SweepToolReplacer(
        SweepSettings(tool_functions=names, tool_stubs=stub or {}), Path(str(shop.__file__)).parent, ApiScope()
    )


def _call(shop: ModuleType, name: str, *args: Any) -> Any:
    """Call a function of the shop by its name. Return what it returns, or the exception that it raises."""
    owner, _, attribute = name.rpartition(".")
    found = getattr(shop, owner) if owner else shop
    function = getattr(found() if name == "Shop.sell" else found, attribute)
    try:
        value = function(*args)
        return asyncio.run(value) if asyncio.iscoroutine(value) else value
    except Exception as error:
        return error


EVERY_KIND = ["count", "fetch", "Shop.sell", "Shop.sell_any", "Shop.open", "buy.func"]


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_recorded_function_runs_in_the_baseline_only(shop: ModuleType, name: str) -> None:
    """Under a trouble it returns, or raises, the same in the same order, and then the last result again."""
    tools = _make_tools(shop, name)
    with tools.replace_tools("test", "record", is_baseline=True, probe=TrafficProbe(None)):
        tools.begin_test_call()
        first = [_call(shop, name, item) for item in ("a", "a", "none")]
    assert isinstance(first[2], LookupError)
    assert first[0] != first[1]
    with tools.replace_tools("test", "record", is_baseline=False, probe=TrafficProbe(None)):
        tools.begin_test_call()
        assert first == [_call(shop, name, item) for item in ("a", "a", "none")]
        assert first[1] == _call(shop, name, "a")
        error = _call(shop, name, "b")
    assert isinstance(error, NotRecordedError)
    assert f'swept_shop:{name} was not called with {{"item":"b"}} without a trouble' in str(error)
    assert ["a", "a", "none"] == shop.RUNS


class SlowCounter(Counter[ToolCallKey]):
    """Lets other threads run after each count that it returns."""

    def __getitem__(self, key: ToolCallKey) -> int:
        count = super().__getitem__(key)
        time.sleep(0.002)
        return count


def test_calls_in_several_threads_get_different_recorded_results() -> None:
    """None of the kept results is returned twice."""
    key, recording = ("swept_shop:count", b""), BaselineToolResults(used_count_by_call=SlowCounter())
    for number in range(4):
        recording.keep_result(key, StoredToolResult(number))
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(recording.find_next_result, [key] * 4)]
    assert [0, 1, 2, 3] == sorted(one.return_or_raise() for one in found if one)


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_stub_never_runs(shop: ModuleType, name: str) -> None:
    """It returns what the configuration says, and takes the arguments that the function takes."""
    tools = _make_tools(shop, name)
    with tools.replace_tools("test", "stub", is_baseline=True, probe=TrafficProbe(None)):
        assert "ok" == _call(shop, name, "a")
        assert isinstance(_call(shop, name), TypeError)
    tools = _make_tools(shop, stub={f"swept_shop:{name}": {"sold": [1]}})
    with tools.replace_tools("test", "stub", is_baseline=False, probe=TrafficProbe(None)):
        _call(shop, name, "a")["sold"].append(2)
        assert {"sold": [1]} == _call(shop, name, "a")
    assert [] == shop.RUNS


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_real_function_runs_each_time(shop: ModuleType, name: str) -> None:
    """So does every function after the sweep has run its test."""
    tools = _make_tools(shop, name)
    with tools.replace_tools("test", "real", is_baseline=False, probe=TrafficProbe(None)):
        tools.begin_test_call()
        _call(shop, name, "a")
    assert isinstance(_call(shop, name, "none"), LookupError)
    assert ["a", "none"] == shop.RUNS


def test_a_function_is_replaced_in_the_containers_of_a_module(shop: ModuleType) -> None:
    """An agent may look its tools up in a list, a tuple or a dict."""
    tools = _make_tools(shop, "count")
    with tools.replace_tools("test", "stub", is_baseline=True, probe=TrafficProbe(None)):
        assert ["ok"] * 3 == [count("a") for count in (shop.PAIR[0], shop.TABLE["count"], shop.LIST[0])]
    assert [] == shop.RUNS


def test_a_result_that_cannot_be_copied_is_returned_as_it_is(shop: ModuleType) -> None:
    """A connection, for example."""
    tools = _make_tools(shop, "connect")
    with tools.replace_tools("test", "record", is_baseline=True, probe=TrafficProbe(None)):
        assert shop.lock is shop.connect()
    with tools.replace_tools("test", "record", is_baseline=False, probe=TrafficProbe(None)):
        assert shop.lock is shop.connect()
    assert ["connect"] == shop.RUNS


def test_an_argument_without_a_json_form_is_known_by_its_type(shop: ModuleType) -> None:
    """Two calls with different objects of one type have the same result."""
    tools = _make_tools(shop, "count")
    with tools.replace_tools("test", "record", is_baseline=True, probe=TrafficProbe(None)):
        first = shop.count("a", box=object())
    with tools.replace_tools("test", "record", is_baseline=False, probe=TrafficProbe(None)):
        assert first == shop.count("a", box=object())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "buy",
            r"'swept_shop:buy' is no function; name the function that the agent calls, such as swept_shop:buy\.func",
        ),
        ("RUNS", "'swept_shop:RUNS' is no function; name the function that the agent calls$"),
        ("cout", "'swept_shop:cout' cannot be found"),
    ],
)
def test_what_is_no_function_is_a_configuration_error(shop: ModuleType, name: str, words: str) -> None:
    """The message names the function inside an object."""
    with pytest.raises(ConfigError, match=words):
        _make_tools(shop, name)


def _troubled(*troubles: str) -> TrafficProbe:
    """Return the probe of the first call of a test under tool troubles."""
    causes = map(parse_tool_trouble, troubles)
    probe = TrafficProbe(join_troubles([Trouble(cause.kind.name, cause) for cause in causes]))
    probe.call_number = 1
    return probe


@pytest.mark.parametrize("name", ["count", "fetch"])
def test_a_slow_tool_takes_virtual_time(shop: ModuleType, name: str) -> None:
    """The clock of the test moves on, and the tool runs."""
    tools, probe = _make_tools(shop, name), _troubled("tool_is_slow:on=2")
    with tools.replace_tools("test", "real", is_baseline=False, probe=probe):
        assert [1] == _call(shop, name, "a")
        assert 0 == probe.clock.now()
        assert [2] == _call(shop, name, "a")
    assert (1200, 1) == (probe.clock.now(), probe.changed_answer_count)


def test_a_thread_that_answers_late_ends_last(shop: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits in real time, as the other threads do not wait for its clock."""
    tools, probe, is_over = _make_tools(shop, "count"), _troubled("tool_answers_late:on=1"), threading.Event()
    monkeypatch.setattr("flag_harness.plugin.sweep.tools.tools.sleep_really", lambda seconds: is_over.wait(60))
    with tools.replace_tools("test", "real", is_baseline=False, probe=probe), ThreadPoolExecutor(2) as pool:
        first = pool.submit(shop.count, "late")
        while not probe.changed_answer_count:
            pass
        assert [1] == pool.submit(shop.count, "soon").result()
        is_over.set()
        assert [2] == first.result()
    assert 0 == probe.clock.now()


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_tool_that_raises_does_not_run(shop: ModuleType, name: str) -> None:
    """The probe notes its error, and those that the tool raises by itself."""
    tools, probe = _make_tools(shop, name), _troubled("tool_raises:on=1")
    with tools.replace_tools("test", "real", is_baseline=False, probe=probe):
        assert isinstance(_call(shop, name, "a"), ToolTroubleError)
        assert isinstance(_call(shop, name, "none"), LookupError)
        probe.call_number = 2
        _call(shop, name, "b")
    errors = [(one.call_number, one.error) for one in probe.make_observation(()).tool_calls]
    assert [(1, "the sweep makes this tool fail"), (1, "no such item"), (2, "")] == errors
    assert ["none", "b"] == shop.RUNS


def test_a_schedule_has_troubles_of_several_tool_calls(shop: ModuleType) -> None:
    """Each strikes its own call."""
    tools, probe = _make_tools(shop, "count"), _troubled("tool_returns_none:on=1", "tool_raises:on=3")
    with tools.replace_tools("test", "real", is_baseline=False, probe=probe):
        found = [_call(shop, "count", "a") for _ in range(3)]
    assert [None, [2]] == found[:2]
    assert isinstance(found[2], ToolTroubleError)
    assert 2 == probe.changed_answer_count


async def _send_and_call(shop: ModuleType, probe: TrafficProbe, name: str) -> None:
    """Send a request, and let a tool run in a thread or a task of its own."""
    probe.make_layers(())[0](Request("POST", "https://api.anthropic.com/v1/messages", (), b"{}"))
    await (asyncio.to_thread(shop.count, "a") if name == "count" else asyncio.gather(shop.fetch("a")))


@pytest.mark.parametrize("mode", ["real", "stub"])
@pytest.mark.parametrize("name", ["count", "fetch"])
@pytest.mark.parametrize("sends", [True, False])
def test_a_turn_is_cancelled_while_a_tool_runs(shop: ModuleType, name: str, sends: bool, mode: str) -> None:
    """The tool has run, and its result is lost; without a task the interrupt is that of Ctrl-C."""
    tools, probe = _make_tools(shop, name), _troubled("cancelled_in_tool:on=1")
    is_task = sends or name == "fetch"
    with (
        tools.replace_tools("test", mode, is_baseline=False, probe=probe),
        pytest.raises(asyncio.CancelledError if is_task else Interruption),
    ):
        asyncio.run(_send_and_call(shop, probe, name)) if sends else _call(shop, name, "a")
    assert ["a"] * (mode == "real") == shop.RUNS
    assert (1, True) == (probe.changed_answer_count, probe.is_interrupted)


@pytest.mark.parametrize("mode", ["record", "stub"])
def test_a_trouble_changes_a_recorded_result_and_a_stub(shop: ModuleType, mode: str) -> None:
    """The tool does not run for it."""
    tools = _make_tools(shop, "count")
    with tools.replace_tools("test", mode, is_baseline=True, probe=TrafficProbe(None)):
        shop.count("a")
    runs = len(shop.RUNS)
    with tools.replace_tools("test", mode, is_baseline=False, probe=_troubled("tool_returns_none:on=1")):
        assert None is shop.count("a")
    assert runs == len(shop.RUNS)
