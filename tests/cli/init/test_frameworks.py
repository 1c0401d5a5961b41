"""`flag-harness init` in repositories whose agents run in a framework, or stand beside other agents."""

from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.cli.init.repository import read_repository
from tests.cli.init.samples import lay_out

BOT = {
    "bot/__init__.py": "",
    "bot/agents.py": """
import os
from pydantic_ai import Agent

support = Agent("anthropic:claude-haiku-4-5", deps_type=int, instructions="Brief." if os.getenv("BRIEF") else "Kind.")
""",
    "bot/service.py": """
import os
from bot.agents import support

async def reply(question: str) -> str:
    polite = os.environ.get("POLITE") == "1"
    return (await support.run(question + " Please." * polite, deps=1)).output
""",
}
PLANNER = {
    "planner.py": """
from typing import Literal
from pydantic import BaseModel, Field
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel

class Level(str, Enum):
    "How high."
    LOW = "low"

class Base(BaseModel):
    level: Level

class Step(BaseModel):
    title: str
    minutes: int = Field(ge=1)

class Plan(Base):
    def total(self): ...
    summary: str = Field(description="All of it")
    first: Step
    steps: list[Step]
    owner: Optional[str]
    due: date | None
    tags: dict[str, str]
    risk: Literal["high", "low"]
    note: str | None = None
    extra: list[str] = Field(default_factory=list)
    end: str = Field("")

def make_agent() -> Agent[None, Plan]:
    return Agent[None, Plan](AnthropicModel("claude-haiku-4-5"), output_type=Plan)

def plan(goal: str) -> Plan:
    agent = make_agent()
    return agent.run_sync(goal).output
"""
}


def _proposal(folder: Path, files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> str:
    lay_out(folder, files)
    assert 0 == main(["init", "--dry-run"])
    return capsys.readouterr().out


def test_the_function_that_runs_an_agent_is_tested(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also if another module makes the agent. A flag that an agent is made with is not put in the agent's place."""
    shown = _proposal(repository, BOT, capsys)
    assert "Agent: reply (bot/service.py:5)\n" in shown
    assert "from bot.service import reply\n" in shown
    assert 'asyncio.run(reply("Hello."))\n' in shown
    assert 'brief = "BRIEF"' in shown
    assert "setattr" not in shown


def test_an_agent_that_answers_in_a_form_is_answered_so(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The scenario calls the tool of the form, with a value for each field that has no default."""
    shown = _proposal(repository, PLANNER, capsys)
    assert 'answer = plan("Hello.")\n' in shown
    assert 'when = { tool = "final_result" }\n' in shown
    fields = [
        'level = "low"',
        'summary = "How can I help?"',
        'first = { title = "text", minutes = 1 }',
        'steps = [], owner = "text", due = "2026-01-31", tags = {}, risk = "high"',
    ]
    assert f'call = [{{ name = "final_result", input = {{ {", ".join(fields)} }} }}]\n' in shown


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('from pydantic_ai import Agent\nbot = Agent("anthropic:claude-haiku-4-5")', 'bot.run_sync("Hello.")'),
        (
            "from pydantic_ai import Agent\nbot = Agent('anthropic:claude-haiku-4-5', deps_type=Deps)",
            'bot.run_sync("Hello.", deps=...)',
        ),
        (
            "from langchain.agents import create_agent\nbot: Any = create_agent('claude-haiku-4-5')",
            'bot.invoke({"messages": [{"role": "user", "content": "Hello."}]})',
        ),
        (
            "from langgraph.graph import StateGraph\nclass S(TypedDict):\n    messages: list\n    n: int\n"
            "llm = init_chat_model('claude')\nb = StateGraph(S)\nbot = b.compile(checkpointer=m)",
            'asyncio.run(bot.ainvoke({"messages": [{"role": "user", "content": "Hello."}]}, '
            '{"configurable": {"thread_id": "1"}}))',
        ),
        (
            "import langgraph.graph as g\nx = 'claude'\nb = g.StateGraph(g.MessagesState)\nbot = b.compile()",
            'asyncio.run(bot.ainvoke({"messages": [{"role": "user", "content": "Hello."}]}))',
        ),
        (
            "from langgraph.graph import StateGraph\nx = 'claude'\nclass S(Base):\n    topic: str\nb = StateGraph(S)\n"
            "bot = b.compile()",
            "asyncio.run(bot.ainvoke(...))",
        ),
        (
            "from langchain_anthropic import ChatAnthropic as Chat\nclass Out(BaseModel):\n    word: str\n"
            "class Bot:\n    def __init__(self):\n        self.chain = p | Chat(model=M).with_structured_output(Out)\n"
            "    def ask(self, question):\n        return self.chain.invoke(question)",
            'call = [{ name = "Out", input = { word = "How can I help?" } }]',
        ),
        (
            "from litellm import acompletion\nasync def ask(question):\n"
            "    return await acompletion(model='anthropic/claude-haiku-4-5', messages=[])",
            'asyncio.run(ask("Hello."))',
        ),
        (
            "import litellm\nMODEL = 'claude-haiku-4-5'\ndef ask(question):\n    return litellm.completion(MODEL, [])",
            'ask("Hello.")',
        ),
    ],
)
def test_an_agent_of_a_framework_is_run_as_its_framework_runs_it(
    repository: Path, capsys: pytest.CaptureFixture[str], code: str, expected: str
) -> None:
    """What nobody can guess is left to complete."""
    assert expected in _proposal(repository, {"agent.py": f"{code}\n"}, capsys)


@pytest.mark.parametrize(
    "code",
    [
        "from pydantic_ai import Agent\nbot = Agent('openai:gpt-5')\ndef ask(text):\n    return bot.run_sync(text)",
        "from pydantic_ai import Agent\nbot = Agent(MODEL)\ndef ask(question):\n    return bot.run_sync(question)",
        "from estate import Agent\nname = 'claude'\nbot = Agent('claude')\ndef ask(text):\n    return bot.run(text)",
        "from litellm import completion\nx = 'claude'\ndef ask(question):\n    return completion(model='gpt-5')",
        "from langchain_anthropic import ChatAnthropic\nllm = ChatAnthropic(model='claude')\n"
        "def ask(question):\n    return runner.run(question)",
    ],
)
def test_what_asks_no_model_of_anthropic_is_no_agent(repository: Path, code: str) -> None:
    """Nor is a model that nobody runs."""
    (repository / "agent.py").write_text(f"{code}\n")
    assert () == read_repository(repository).agents


def test_a_program_that_runs_its_agent_at_import_is_started(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To import the agent from it would send the request outside the test."""
    code = (
        "from pydantic_ai import Agent\nbot = Agent('anthropic:claude-haiku-4-5')\nprint(bot.run_sync('Hi').output)\n"
    )
    shown = _proposal(repository, {"agent.py": code}, capsys)
    assert 'command = [sys.executable, "agent.py"' in shown


@pytest.mark.parametrize("folder", ["codegen-templates", "template_bot", "cookiecutter-bot", "examples", "a/skeleton"])
def test_an_agent_in_a_side_folder_gives_way_to_the_product(repository: Path, folder: str) -> None:
    """Though its function asks for a question, and that of the product only for a text."""
    (repository / folder).mkdir(parents=True)
    (repository / folder / "bot.py").write_text("def ask(question):\n    return client.messages.create()\n")
    (repository / "zoo.py").write_text("def summarize(body):\n    return client.messages.create()\n")
    assert ["zoo.py", f"{folder}/bot.py"] == [agent.file_path for agent in read_repository(repository).agents]
