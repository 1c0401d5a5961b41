"""A session killed while it is being saved, again and again, in real processes."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

KILLER = '''
import json, os, random, signal, sys, time
from pathlib import Path
from flag_harness.reference.context.context import ConversationContext
from flag_harness.reference.context.store import load_context, save_context
from flag_harness.errors import ContextError

how, path, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
contexts = [
    ConversationContext(messages=tuple({"role": role, "content": [{"type": "text", "text": letter * 2000}]}
                           for _ in range(50) for role in ("user", "assistant")))
    for letter in "ab"
]

save_context(contexts[1], path)
texts = {"b": path.read_text()}
save_context(contexts[0], path)
texts["a"] = path.read_text()

def plainly(context, path):
    """What most programs do: the file is empty from here until the last byte is written."""
    with open(path, "w") as file:
        file.write(texts[context.messages[0]["content"][0]["text"][0]])

writer = {"whole": save_context, "plainly": plainly}[how]
started = time.perf_counter()
writer(contexts[0], path)
duration = time.perf_counter() - started
random.seed(7)
refused = []
seen = set()
for number in range(20 * rounds):
    if number >= rounds and (refused or len(seen) == 2):
        break
    child = os.fork()
    if not child:
        while True:
            for context in contexts[::-1]:
                writer(context, path)
    time.sleep(random.uniform(0, 4 * duration))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    try:
        seen.add(contexts.index(load_context(path)))
    except ContextError as error:
        refused.append(str(error))
        save_context(contexts[0], path)
print(json.dumps({"refused": refused, "seen": sorted(seen)}))
'''

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which this system does not have")


def killed(python: str, how: str, path: Path, rounds: int) -> tuple[list[str], list[int]]:
    """Kill -9 a process that saves in a loop, at random moments; what `load` refused, and which contexts it found."""
    run = subprocess.run(
        [python, "-c", KILLER, how, str(path), str(rounds)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    report = json.loads(run.stdout)
    return report["refused"], report["seen"]


@needs_fork
def test_a_context_killed_while_it_is_saved_is_the_old_one_or_the_new_one(
    tmp_path: Path, deep: bool, warm_python: Callable[[], str]
) -> None:
    """However often it is killed, the file always loads, is always one of the two, and both are met."""
    assert ([], [0, 1]) == killed(warm_python(), "whole", tmp_path / "context.json", 200 if deep else 15)


@needs_fork
def test_the_same_kills_break_a_file_that_is_written_in_place(tmp_path: Path, warm_python: Callable[[], str]) -> None:
    """So the test above can fail; and what they leave is refused in words, never taken for a session."""
    refused, _ = killed(warm_python(), "plainly", tmp_path / "context.json", 15)
    assert len(refused) > 0
    assert all(error.startswith(f"{tmp_path / 'context.json'}: is cut off at line ") for error in refused)
