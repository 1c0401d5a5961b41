"""`--harness-sweep=tools`: the tools of an agent raise, return nothing or too much, are slow, or answer late."""

import pytest

from tests.loopback import LoopbackServer

pytestmark = pytest.mark.usefixtures("imported_sweep")
SETTINGS = """
[tool.pytest.ini_options]
asyncio_default_fixture_loop_scope = "function"

[tool.flag-harness.sweep]
tools = "real"
functions = ["shop:stock", "shop:price"]
reported = ["agent.AgentError"]
"""
SCENARIO = """
[[turn]]
when = { user_contains = "socks" }
call = [{ name = "stock", input = { item = "socks" } }, { name = "price", input = { item = "socks" } }]

[[turn]]
when = { result_contains = "7 in stock" }
text = "There are 7."
"""
SHOP = """
async def stock(item):
    return "7 in stock"

def price(item):
    return {"euro": 3}
"""
AGENT = """
import asyncio
import json

import anthropic
import shop

SCHEMA = {"type": "object", "properties": {"item": {"type": "string"}}}
TOOLS = [{"name": name, "description": name, "input_schema": SCHEMA} for name in ("stock", "price")]

class AgentError(Exception):
    pass

class Agent:
    def __init__(self):
        self.client = anthropic.AsyncAnthropic(api_key="x")
        self.messages = []

    async def ask(self, prompt):
        self.messages.append({"role": "user", "content": prompt})
        while True:
            answer = await self.client.messages.create(
                model="claude-haiku-4-5", max_tokens=500, messages=self.messages, tools=TOOLS
            )
            self.messages.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
            calls = [block for block in answer.content if block.type == "tool_use"]
            if not calls:
                return answer.content[0].text
            self.messages.append({"role": "user", "content": await self.run_all(calls)})

    async def run_all(self, calls):
        return await asyncio.gather(*map(self.run, calls))

    async def run(self, call):
        result = {"type": "tool_result", "tool_use_id": call.id}
        try:
            async with asyncio.timeout(60):
                value = await shop.stock(**call.input) if call.name == "stock" else shop.price(**call.input)
            return {**result, "content": json.dumps(value)[:2000]}
        except Exception as error:
            return {**result, "content": f"error: {error!r}", "is_error": True}
"""
TEST = """
import pytest
from agent import Agent

@pytest.fixture
def agent(cassette):
    return Agent()

@pytest.mark.scenario("shop")
@pytest.mark.asyncio
async def test_shop(agent):
    assert "7" in await agent.ask("How many socks?")
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a project with an agent that survives every trouble of its two tools."""
    pytester.makepyprojecttoml(SETTINGS)
    pytester.path.joinpath("fixtures/scenarios").mkdir(parents=True)
    pytester.path.joinpath("fixtures/scenarios/shop.toml").write_text(SCENARIO)
    pytester.makepyfile(shop=SHOP, agent=AGENT, test_shop=TEST)
    return pytester


def _sweep(project: pytest.Pytester, *options: str) -> pytest.RunResult:
    return project.runpytest_inprocess("--harness-sweep=tools", "-p", "no:cacheprovider", *options)


def test_a_good_agent_survives_the_troubles_of_its_tools(project: pytest.Pytester) -> None:
    """It sends errors as errors, cuts long results, and has a deadline."""
    run = _sweep(project)
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(
        [
            "tool_raises  * 1 * - * 1 * - * - * -",
            "tool_returns_none * 1 * - * 1 * - * - * -",
            "tool_returns_empty * 1 * - * 1 * - * - * -",
            "tool_returns_megabytes * - * - * 1 * - * - * -",
            "tool_is_slow * 1 * - * 1 * - * - * -",
            "tool_answers_late * 1 * - * - * - * - * -",
            "10 troubles in 1 test",
        ]
    )


def test_tool_troubles_need_the_names_of_tools(project: pytest.Pytester) -> None:
    """Without names, they are tried by no sweep, and a sweep of them alone is an error."""
    project.makepyprojecttoml(SETTINGS.replace("functions", "# functions"))
    run = _sweep(project)
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(['ERROR: --harness-sweep=tools needs *, such as functions = ?"shop.tools:refund"? in *'])
    run = project.runpytest_inprocess("--harness-sweep", "--collect-only", "-q", "-k", "baseline or tool_")
    assert ["test_shop.py::test_shop::baseline"] == [line for line in run.outlines if "::" in line]


def test_a_tool_trouble_without_a_sweep_is_an_error(project: pytest.Pytester) -> None:
    """The message says what to add."""
    run = project.runpytest_inprocess("--harness-tool-trouble=tool_raises:on=1")
    assert pytest.ExitCode.USAGE_ERROR == run.ret
    run.stderr.fnmatch_lines(["ERROR: --harness-tool-trouble=tool_raises:on=1 belongs to a sweep; add --harness-sweep"])


BUGS = {
    "tool_raises:on=1": (
        ("except Exception as error:", "except KeyError as error:"),
        "illegal request: messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: *",
    ),
    "tool_raises:on=2": (
        ('"content": f"error: {error!r}", "is_error": True', '"content": "done"'),
        "tool error hidden: shop:price raised an exception, and the model got a result that does not say so",
    ),
    "tool_returns_empty:on=1": (
        ("json.dumps(value)[:2000]}", 'json.dumps(value) if value else "", "is_error": not value}'),
        "illegal request: messages.2.content.0.tool_result: content cannot be empty if `is_error` is true",
    ),
    "tool_returns_megabytes:on=1": (("[:2000]", ""), "illegal request: prompt is too long: *"),
    "tool_answers_late:on=1": (
        (
            "return await asyncio.gather(*map(self.run, calls))",
            "done = []\n"
            "        async def finish(call): done.append(await self.run(call))\n"
            "        await asyncio.gather(*map(finish, calls))\n"
            "        return [{**one, 'tool_use_id': call.id} for one, call in zip(done, calls)]",
        ),
        'results mixed up: the result of price {"item": "socks"} was sent for the call stock {"item": "socks"}',
    ),
}


@pytest.mark.parametrize("trouble", BUGS)
def test_a_bug_in_the_handling_of_tools_is_found(project: pytest.Pytester, trouble: str) -> None:
    """The finding names the oracle, and the command runs the trouble again."""
    (old, new), words = BUGS[trouble]
    assert old in AGENT
    project.makepyfile(agent=AGENT.replace(old, new))
    run = _sweep(project, f"--harness-tool-trouble={trouble}")
    assert pytest.ExitCode.TESTS_FAILED == run.ret
    run.stdout.fnmatch_lines(
        [f"{trouble}: {words}", f"    pytest test_shop.py::test_shop --harness-sweep --harness-tool-trouble={trouble}"]
    )


def test_an_agent_that_only_forgets_the_turn_raises_what_its_tool_raised(project: pytest.Pytester) -> None:
    """Its conversation stays legal, but the user gets an exception that the agent has not declared."""
    agent = AGENT.replace("except Exception as error:", "except KeyError as error:").replace(
        "return await asyncio.gather(*map(self.run, calls))",
        "try:\n            return await asyncio.gather(*map(self.run, calls))\n"
        "        except Exception as error:\n            del self.messages[-2:]\n            raise",
    )
    project.makepyfile(agent=agent)
    trouble = "--harness-tool-trouble=tool_raises:on=1"
    run = _sweep(project, trouble)
    run.stdout.fnmatch_lines(["*: raw exception: ToolTroubleError: the sweep makes this tool fail (agent.py:*)"])
    project.makepyfile(agent=agent.replace("            raise", "            raise AgentError from error"))
    run = _sweep(project, trouble)
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(["tool_raises * - * 1 * - *"])


HTTP_SHOP = """
import os
import httpx

async def stock(item):
    async with httpx.AsyncClient() as client:
        answer = await client.post(os.environ["SHOP"] + "/stock", content=item)
    return f"7 in stock, says {answer.text}"

def price(item):
    return httpx.post(os.environ["SHOP"] + "/price", content=item).text
"""


def test_requests_of_tools_are_recorded(
    project: pytest.Pytester, loopback_server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The baseline sends them once, and no trouble sends them again."""
    monkeypatch.setenv("SHOP", loopback_server.url)
    names = 'functions = ["shop:stock", "shop:price"]'
    settings = SETTINGS.replace('"real"', '"record"').replace(names, "functions = []")
    project.makepyprojecttoml(settings)
    project.makepyfile(shop=HTTP_SHOP)
    options = ("--harness-sweep=faults", "--harness-fault=overloaded:on=1", "--harness-fault=unavailable:on=2")
    run = project.runpytest_inprocess(*options)
    assert pytest.ExitCode.OK == run.ret
    run.stdout.fnmatch_lines(["overloaded * 1 *", "unavailable * 1 *"])
    assert ["/price", "/stock"] == sorted(loopback_server.received)
