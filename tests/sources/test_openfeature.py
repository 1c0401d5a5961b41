"""Flags that are read through OpenFeature: per test, thread and task; what the SDK hides fails the test."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import flag_harness
from flag_harness.errors import FlagError

api = pytest.importorskip("openfeature.api", reason="pip install 'flag-harness[openfeature]'")

InMemoryFlag = pytest.importorskip("openfeature.provider.in_memory_provider").InMemoryFlag
ProviderFatalError = pytest.importorskip("openfeature.exception").ProviderFatalError
InMemoryProvider = pytest.importorskip("openfeature.provider.in_memory_provider").InMemoryProvider

FLAGS = """
[tool.flag-harness.flags]
ranker = { openfeature = "ranker", values = ["a", "b", "c"] }
limit = { openfeature = "limit", values = [1, 2.5] }
rules = { openfeature = "rules", values = { none = [], two = ["x", "y"] } }
new_planner = { openfeature = "new-planner" }
"""
SUITE = """
import pytest
from openfeature import api

@pytest.mark.flag_matrix("ranker", "new_planner")
def test_agent(flags):
    client = api.get_client()
    details = client.get_string_details("ranker", "none")
    assert (flags["ranker"], flags["ranker"]) == (details.value, details.variant)
    assert {"flag": "ranker", "combination": flags.id} == dict(details.flag_metadata)
    assert flags["new_planner"] is client.get_boolean_value("new-planner", not flags["new_planner"])
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of OpenFeature in a project with four flags."""
    (tmp_path / "pyproject.toml").write_text(FLAGS)
    monkeypatch.chdir(tmp_path)
    yield api.get_client()
    api.clear_providers()


def test_a_matrix_test_reads_its_own_combination(pytester: pytest.Pytester) -> None:
    """With evaluation details that name the flag."""
    pytester.makepyprojecttoml(FLAGS)
    pytester.makepyfile(SUITE)
    pytester.runpytest_inprocess("-p", "no:asyncio").assert_outcomes(passed=6)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        ("get_boolean_value('ranker', True)", "*'ranker' as boolean failed*default True*read it with get_string_value"),
        ("get_integer_value('new-planner', 3)", "*'new-planner' as integer failed*read it with get_boolean_value"),
        ("get_string_value('limit', '')", "*'limit' as string failed*read it with get_integer_value"),
    ],
)
@pytest.mark.parametrize("after", ["", "    pytest.skip()\n", "    assert False\n"])
def test_a_type_mismatch_fails_the_test(pytester: pytest.Pytester, read: str, message: str, after: str) -> None:
    """The SDK hides it: the agent gets its default. Neither a skip nor another failure hides it here."""
    pytester.makepyprojecttoml(FLAGS)
    test = f"def test_agent(flags):\n    api.get_client().{read}\n{after}"
    pytester.makepyfile(f"import pytest\nfrom openfeature import api\n\n{test}")
    run = pytester.runpytest_inprocess("-p", "no:asyncio")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines([message])


def test_an_error_of_the_projects_provider_fails_the_test(pytester: pytest.Pytester) -> None:
    """Also for a key that no flag has; the message names the nearest."""
    pytester.makepyprojecttoml(FLAGS)
    pytester.makepyfile(
        """
        from openfeature import api
        from openfeature.provider.no_op_provider import NoOpProvider

        class Broken(NoOpProvider):
            def resolve_boolean_details(self, *arguments, **options):
                raise RuntimeError("no connection")

        def test_agent(flags):
            api.set_provider_and_wait(Broken())
            assert not api.get_client().get_boolean_value("new-planer", False)
        """
    )
    run = pytester.runpytest_inprocess("-p", "no:asyncio")
    api.clear_providers()
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(["*'new-planer' as boolean failed*no connection*the nearest is 'new-planner'*"])


def test_fifty_tasks_and_eight_threads_see_their_own_flags(client: Any) -> None:
    """Each thread runs fifty tasks at once, each under a combination of its own, in pools of their own too."""
    values = ["a", "b", "c"]

    async def read_often(index: int) -> list[object]:
        value = values[index % 3]
        with flag_harness.flags(ranker=value, new_planner=bool(index % 2)):
            seen = []
            for _ in range(5):
                await asyncio.sleep(0)
                seen.append(await client.get_string_value_async("ranker", "none"))
                seen.append(await asyncio.to_thread(client.get_string_value, "ranker", "none"))
                planner = client.get_boolean_value("new-planner", True)
                seen.append(value if planner is bool(index % 2) else "another task's")
            loop = asyncio.get_running_loop()
            seen.append(await loop.run_in_executor(None, client.get_string_value, "ranker", "none"))
        return [value, *seen]

    results: list[list[object]] = []

    async def run_tasks(offset: int) -> None:
        results.extend(await asyncio.gather(*(read_often(offset + index) for index in range(50))))

    threads = [threading.Thread(target=lambda offset=offset: asyncio.run(run_tasks(offset))) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 400 == len(results)
    assert [] == [result for result in results if len(set(result)) != 1]


def test_threads_and_pools_of_a_block_read_its_flags(client: Any) -> None:
    """Outside pytest's fixtures, and after the block the provider of the project answers again."""
    read = client.get_string_value
    seen: list[str] = []
    with flag_harness.flags(ranker="b") as flags, ThreadPoolExecutor(1) as pool:
        thread = threading.Thread(target=lambda: seen.append(read("ranker", "none")))
        thread.start()
        thread.join()
        seen.append(pool.submit(read, "ranker", "none").result())
        with flag_harness.flags(new_planner=True) as inner:
            seen.append(pool.submit(read, "ranker", "none").result())
    assert ["b", "b", "b"] == seen
    assert ("ranker=b", "ranker=b+new_planner") == (flags.id, inner.id)
    assert "none" == read("ranker", "none")


def test_values_of_every_type_are_read(client: Any) -> None:
    """A whole number can be read as a float too, as from any provider that keeps JSON."""
    with flag_harness.flags(rules="two"):
        assert 1.0 == client.get_float_value("limit", 0.0)
        assert 1 == client.get_integer_value("limit", 0)
        assert ["x", "y"] == client.get_object_value("rules", [])


def test_a_block_outside_a_test_raises_what_the_sdk_hides(client: Any) -> None:
    """At its end, unless something else is raised."""
    with pytest.raises(FlagError, match="'ranker' as boolean failed"), flag_harness.flags():
        client.get_boolean_value("ranker", False)


def test_the_provider_of_the_project_answers_other_keys(client: Any) -> None:
    """It is neither replaced nor shut down, though the code under test sets it inside the block."""
    from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

    provider = InMemoryProvider(
        {"theme": InMemoryFlag("dark", {"dark": "#000"}), "ranker": InMemoryFlag("z", {"z": "z"})}
    )
    with flag_harness.flags(ranker="c"):
        api.set_provider_and_wait(provider)
        assert ("#000", "c") == tuple(client.get_string_value(key, "") for key in ("theme", "ranker"))
    assert ("#000", "z") == tuple(client.get_string_value(key, "") for key in ("theme", "ranker"))


def test_keys_that_no_flag_has_are_answered_by_the_projects_provider(client: Any) -> None:
    """In a block too, sync and async; its events reach it."""
    provider = InMemoryProvider({"banner": InMemoryFlag("on", {"on": "welcome"})})
    tracked: list[str] = []
    provider.track = lambda name, *_: tracked.append(name)  # type: ignore[method-assign]
    api.set_provider_and_wait(provider)

    async def read() -> str:
        value: str = await client.get_string_value_async("banner", "none")
        return value

    with flag_harness.flags(ranker="b"):
        assert "welcome" == client.get_string_value("banner", "none")
        assert "welcome" == asyncio.run(read())
        client.track("clicked")
    assert ["clicked"] == tracked


def test_a_read_that_belongs_to_no_block_is_an_error_of_those_that_run(client: Any) -> None:
    """It is not known whose flags the thread should see, so it gets what the project's provider says."""
    started, go = threading.Event(), threading.Event()
    seen: list[str] = []

    def poll() -> None:
        started.set()
        go.wait()
        seen.extend(client.get_string_value(key, "none") for key in ("ranker", "theme"))

    thread = threading.Thread(target=poll)
    thread.start()
    started.wait()

    def read_during_two_blocks() -> None:
        with flag_harness.flags(ranker="b"), flag_harness.flags(ranker="b"):
            go.set()
            thread.join()

    with pytest.raises(FlagError, match="'ranker' was read by code that no running block has started, and several run"):
        read_during_two_blocks()
    assert ["none", "none"] == seen


def test_a_project_whose_provider_is_not_ready_reads_declared_flags_only(client: Any) -> None:
    """The details of another key say why it has no value."""

    class Broken(InMemoryProvider):  # type: ignore[misc, valid-type]
        def initialize(self, evaluation_context: Any) -> None:
            raise ProviderFatalError

    api.set_provider(Broken({}))
    with flag_harness.flags(ranker="b"):
        details = client.get_string_details("theme", "none")
        assert "b" == client.get_string_value("ranker", "none")
    message = "no flag is declared for 'theme', and the provider of the project is not ready"
    assert ("none", message) == (details.value, details.error_message)
