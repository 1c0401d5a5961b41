"""`flag-harness init` in repositories whose programs read their options with click or typer."""

from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.cli.init.repository import read_repository

HEAD = "import anthropic\ndef call(text): return anthropic.Anthropic().messages.create(messages=[text])\n"
CLICK = """
import click
@click.command()
@click.argument("question")
@click.option("--stream/--no-stream", "-s/-S", default=True)
@click.option("--brief", "short", is_flag=True, help="Be brief.")
@click.option("--verbose", is_flag=True)
@click.option("--model", default="claude-haiku-4-5")
def main(question, stream, short, verbose, model):
    call(question)
"""
TYPER = """
import typer
app = typer.Typer()
@app.command()
def ask(
    question: str,
    stream: bool = True,
    short_answers: bool = typer.Option(False, "--brief", "-b"),
    cache: Annotated[bool, typer.Option("--cache/--cold")] = False,
    topic: str = typer.Option("any"),
):
    call(question)
"""
GUARD = 'if __name__ == "__main__":\n    main()\n'


def test_options_of_click_are_flags_that_the_test_passes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the program, in a process. An option that has a value, or says what is printed, is no flag."""
    (repository / "cli.py").write_text(HEAD + CLICK + GUARD)
    assert 0 == main(["init", "--dry-run"])
    shown = capsys.readouterr().out
    assert 'command = [sys.executable, "cli.py", "Hello.", *flag_options]\n' in shown
    assert 'stream = { set = "harness_set_flags", default = true }' in shown
    assert 'short = { set = "harness_set_flags" }' in shown
    assert (
        '    ("stream", True): "--stream",\n    ("stream", False): "--no-stream",\n    ("short", True): "--brief",\n'
        in shown
    )
    assert "verbose" not in shown


@pytest.mark.parametrize("start", ["app()", "typer.run(ask)"])
def test_options_of_typer_are_flags_that_the_test_passes(repository: Path, start: str) -> None:
    """With the names that typer makes, or those that the code gives."""
    code = TYPER if start == "app()" else TYPER.replace("@app.command()\n", "")
    (repository / "cli.py").write_text(f"{HEAD}{code}if __name__ == '__main__':\n    {start}\n")
    agent = read_repository(repository).agents[0]
    assert ("program", '"Hello."') == (agent.kind, agent.call_code)
    assert [
        ("stream", "--stream", "--no-stream", True),
        ("short_answers", "--brief", None, False),
        ("cache", "--cache", "--cold", False),
    ] == [(one.name, one.on, one.off, one.is_on_by_default) for one in agent.option_flags]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('click.argument("question")', 'click.option("--question", "-q", required=True)', '"--question", "Hello."'),
        ('click.argument("question")', 'click.argument("question", nargs=-1)', '"Hello."'),
        ('click.argument("question")', 'click.option("--question", default="Hi")', ""),
        ('click.argument("question")', 'click.argument("path", type=click.Path())', None),
        ("question, stream", "question, stream, *rest", '"Hello."'),
        ("import click\n", "import other\n", '"Hello."'),
        ("question, stream, short, verbose, model", "**options", '"Hello."'),
    ],
)
def test_a_command_of_click_gets_its_prompt(repository: Path, before: str, after: str, expected: str | None) -> None:
    """As an argument or with its option; a program that requires something else is not started."""
    (repository / "cli.py").write_text(HEAD + CLICK.replace(before, after) + GUARD)
    programs = [one.call_code for one in read_repository(repository).agents if one.kind in ("program", "main")]
    assert ([] if expected is None else [expected]) == programs


def test_a_command_of_typer_that_requires_more_is_not_started(repository: Path) -> None:
    """Whether by an ellipsis, or as it has no default."""
    code = TYPER.replace('"any"', "...").replace("question: str", "question") + "    pass\n"
    (repository / "cli.py").write_text(HEAD + code + GUARD)
    assert [] == [one for one in read_repository(repository).agents if one.kind == "program"]
