"""The text of the first test that `flag-harness init` writes."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from flag_harness.cli.init.flag_fixtures import FlagFixtures
from flag_harness.cli.init.reading.found_agent import FoundAgent
from flag_harness.cli.scenario.text import format_toml_value

FIRST_TEST_PROMPT, FIRST_TEST_ANSWER = "Hello.", "How can I help?"
"""The prompt that the first test sends, and the answer of the simulated model."""
SCENARIO_NAME = "hello"
MAX_FLAGS_OF_FULL_MATRIX = 6
"""The most flags for which the first test runs all combinations. With more flags, it runs a covering array."""
_SCENARIO_COMMENT = "# what the simulated model answers; docs/scenarios.md of the harness has all keys"
_SCENARIO_TURN = f"""[[turn]]
thinking = "A greeting."            # sent before the text, if the request asks for thinking
text = "Welcome. {FIRST_TEST_ANSWER}"
"""
_PROMPT_ASSERTION = f'assert "{FIRST_TEST_PROMPT}" in str(cassette.bodies)  # what was sent, as decoded JSON'


def scenario_text(agent: FoundAgent) -> str:
    """Return the text of the scenario that answers the first test of an agent.

    If the agent asks for answers in the form of a class, the scenario has a turn for each such class.
    """
    turns = [
        f'''[[turn]]                            # the answer in the form of a class
when = {{ tool = "{tool}" }}
call = [{{ name = "{tool}", input = {format_toml_value(sample)} }}]
'''
        for tool, sample in agent.answer_tools.items()
    ]
    return "\n".join([_SCENARIO_COMMENT, *turns, _SCENARIO_TURN])


def first_test_text(
    agent: FoundAgent,
    test_path: str,
    fixtures_in_test: FlagFixtures,
    *,
    flag_count: int,
    accepts_any_answer: bool = False,
) -> str:
    """Return the text of the first test, which will be the file `test_path`.

    The test runs under the combinations of the project's flags, if there are any. `fixtures_in_test` are fixtures that
    set the flags, if they cannot be in a `conftest.py`. If `accepts_any_answer` is true, the test passes whatever the
    agent returns or prints.
    """
    fixtures = ["cassette", *(["flag_options"] if agent.option_flags else [])]
    if agent.kind in ("program", "node"):
        fixtures.append("cassette_server")
        imports, body = _imports_and_body_of_run_test(agent, test_path, accepts_any_answer)
    elif agent.kind in ("main", "async main"):
        fixtures += [*([] if accepts_any_answer else ["capsys"]), *([] if agent.takes_argv else ["monkeypatch"])]
        imports, body = _imports_and_body_calling_main(agent, accepts_any_answer)
    else:
        imports, body = _imports_and_body_of_call_test(agent, accepts_any_answer)
    matrix = "(strength=2)" if flag_count > MAX_FLAGS_OF_FULL_MATRIX else ""
    marks = [f"@pytest.mark.flag_matrix{matrix}"] if flag_count else []
    parts = [
        f'"""The agent answers{" under every combination of its flags" if flag_count else ""}."""',
        "",
        *_merge_imports(imports, fixtures_in_test),
        *fixtures_in_test.fixture_lines,
        "",
        "",
        *marks,
        f'@pytest.mark.scenario("{SCENARIO_NAME}")',
        f"def test_the_agent_answers({', '.join(fixtures)}):",
        *(f"    {line}" for line in body),
    ]
    return "\n".join(parts) + "\n"


def _merge_imports(imports: Sequence[str], fixtures: FlagFixtures) -> list[str]:
    """Return the lines with the imports of a test and those of the fixtures in its file, without duplicates."""
    added = [line for line in fixtures.import_lines if line not in imports]
    start = imports.index("import pytest")
    return [*imports[: start + 1], *added, *imports[start + 1 :]]


def _imports_and_body_calling_main(agent: FoundAgent, accepts_any_answer: bool) -> tuple[list[str], list[str]]:
    """Return the imports and the body of a test of a function that reads the command line. See `first_test_text`."""
    is_async = agent.kind.startswith("async")
    arguments = _join_arguments(agent)
    body, call = [], f"{agent.name}([{arguments}])"
    if not agent.takes_argv:
        body = [f'monkeypatch.setattr("sys.argv", ["{PurePosixPath(agent.file_path).name}", {arguments}])']
        call = f"{agent.name}()"
    body.append(f"asyncio.run({call})" if is_async else call)
    expected = (
        ["assert cassette.bodies"]
        if accepts_any_answer
        else [f'assert "{FIRST_TEST_ANSWER}" in capsys.readouterr().out', _PROMPT_ASSERTION]
    )
    return _imports_of_agent(agent), [*body, *expected]


def _join_arguments(agent: FoundAgent) -> str:
    """Return the arguments of a command line as code, including the options of the combination's flags."""
    return ", ".join(
        [*([agent.call_code] if agent.call_code else []), *(["*flag_options"] if agent.option_flags else [])]
    )


def _imports_of_agent(agent: FoundAgent) -> list[str]:
    """Return the lines that import the agent, and what else the test needs to call the agent."""
    imports = ["import asyncio", ""] if agent.kind.startswith("async") else []
    third_party = ["import anthropic"] if agent.needs_client else []
    if agent.module_name.replace(".", "_").isidentifier():
        return [*imports, *third_party, "import pytest", f"from {agent.module_name} import {agent.name}"]
    imports = [*imports[:1], "from importlib import import_module", ""]
    return [
        *imports,
        *third_party,
        "import pytest",
        "",
        f'{agent.name} = import_module("{agent.module_name}").{agent.name}',
    ]


def _imports_and_body_of_call_test(agent: FoundAgent, accepts_any_answer: bool) -> tuple[list[str], list[str]]:
    """Return the imports and the body of a test that calls a function of the project. See `first_test_text`."""
    is_async = agent.kind.startswith("async")
    imports = _imports_of_agent(agent)
    client = "AsyncAnthropic" if is_async else "Anthropic"
    body = [f'client = anthropic.{client}(api_key="none")'] if agent.needs_client else []
    call = f"asyncio.run({agent.call_code})" if is_async else agent.call_code
    if agent.kind == "async generator":
        body += ["async def read():", f"    return [part async for part in {agent.call_code}]", ""]
        call = "asyncio.run(read())"
    elif agent.kind == "generator":
        call = f"list({agent.call_code})"
    if accepts_any_answer:
        return imports, [*body, call, "assert cassette.bodies  # what was sent, as decoded JSON"]
    name = "answer" if agent.name != "answer" else "reply"
    text = f'"".join(map(str, {name}))' if "generator" in agent.kind else f"str({name})"
    return imports, [*body, f"{name} = {call}", f'assert "{FIRST_TEST_ANSWER}" in {text}', _PROMPT_ASSERTION]


def _imports_and_body_of_run_test(
    agent: FoundAgent, test_path: str, accepts_any_answer: bool
) -> tuple[list[str], list[str]]:
    """Return the imports and the body of a test that starts a program, with the prompt as an argument and on stdin."""
    up = len(PurePosixPath(test_path).parts) - 1
    interpreter = '"node"' if agent.kind == "node" else "sys.executable"
    is_in_package = "." in agent.module_name and agent.import_folder == "."
    program = f'"-m", "{agent.module_name}"' if is_in_package else f'"{agent.file_path}"'
    imports = [
        "import subprocess",
        *(["import sys"] if agent.kind == "program" else []),
        "from pathlib import Path",
        "",
    ]
    imports += ["import pytest", "", f"ROOT = Path(__file__).parents[{up}]"]
    return imports, [
        f"command = [{interpreter}, {program}, {_join_arguments(agent)}]",
        f'typed = "{FIRST_TEST_PROMPT}\\nexit\\n"',
        "run = subprocess.run(command, cwd=ROOT, input=typed, capture_output=True, text=True, timeout=60)",
        "assert run.returncode == 0, run.stderr",
        *(
            ["assert cassette.bodies"]
            if accepts_any_answer
            else [f'assert "{FIRST_TEST_ANSWER}" in run.stdout', _PROMPT_ASSERTION]
        ),
    ]
