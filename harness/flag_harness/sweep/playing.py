"""One conversation of an agent with the simulated API, under a fault or none, in virtual time."""

import asyncio
import json
import math
import os
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flag_harness.faults import Fault, misleading
from flag_harness.matrix import Combination
from flag_harness.simulator import simulate
from flag_harness.sweep.agents import Cast, Performer, Stage, StageTool, Told
from flag_harness.sweep.judging import Ending, Observation
from flag_harness.sweep.model import ASK, GO_ON, NEXT, NOTED, TOOL, model
from flag_harness.sweep.thread import LeavableThread
from flag_harness.sweep.transcript import Line, lines, said
from flag_harness.sweep.trials import Trial
from flag_harness.transports import async_http_client, intercepted
from flag_harness.transports.virtual_time import LoopClock, TimeIsUp, VirtualLoop, following
from flag_harness.wire.message import received
from flag_harness.wire.tap import Tap
from flag_harness.wire.timeline import Edit, End, Layer, Request, Response

MODEL = "claude-haiku-4-5"
MOST_SECONDS = 7200.0
"""Virtual seconds after which a prompt has hung: three attempts that each wait for the SDK's read timeout take 1800."""
MOST_REQUESTS = 100
"""Requests after which a conversation has hung; one without a fault takes three."""
PATIENCE_SECONDS = 10.0
"""Real seconds after which a prompt has hung: it takes some hundredths."""

_SCHEMA = {"type": "object", "properties": {"step": {"type": "string"}}, "required": ["step"]}
_KEYS: Mapping[str, str | None] = {
    "ANTHROPIC_API_KEY": "offline",
    "ANTHROPIC_AUTH_TOKEN": None,
    "ANTHROPIC_BASE_URL": None,
}


class Play:
    """A conversation: `observed` once `perform` is over. `directory` gets the file of the tool's side effects.

    The agent runs in a thread of its own, which is left where the agent cannot be ended.
    """

    def __init__(
        self, cast: Cast, trial: Trial | None, combination: Combination, directory: Path, patience: float
    ) -> None:
        self._cast, self._combination = cast, combination
        self._environ = {**combination.environ, **(trial.environ if trial else {})}
        self._fault = trial.fault.arm(combination.id) if trial else None
        self._effects = directory / "effects.txt"
        self._effects.write_text("")
        self._loop, self._tap, self._thread = VirtualLoop(), Tap(), LeavableThread(patience)
        self._loop.swallowed = self._thread.rest
        self._patience, self._clock = patience, LoopClock(self._loop)
        self._spoiling, self._requests = False, 0
        self._upstream = simulate(clock=self._clock, hook=model)
        self._layers: tuple[Layer, ...] = (self._tap, self._limited, self._spoil)
        self._performer: Performer | None = None
        self._said: list[tuple[str, Ending, str]] = []

    def perform(self) -> Observation:
        """Say the prompt, under the fault; where that fails, ask to go on; then say the next prompt."""
        with self._set():
            self._say(ASK, self._fault)
            if self._said[-1][1] != "returned":
                self._say(GO_ON)
            self._say(NEXT)
        return self._observed()

    @contextmanager
    def _set(self) -> Iterator[None]:
        """The agent's surroundings: flags, key, time and upstream are ours; a loop is there, and gone afterwards."""
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")  # of a garbled answer the SDK's models may warn: that is no failure
            stack.enter_context(_seeded())
            stack.enter_context(_environment({**_KEYS, **self._environ}))
            stack.enter_context(intercepted(self._upstream, *self._layers, clock=self._clock))
            stack.enter_context(following(self._loop))
            stack.callback(self._close)
            self._loop.set_exception_handler(lambda loop, context: None)
            yield

    def _say(self, prompt: str, fault: Fault | None = None) -> None:
        if self._said and self._said[-1][1] == "hung":
            return
        self._loop.deadline, self._loop.patience = self._loop.time() + MOST_SECONDS, self._patience / 2
        self._spoiling = fault is not None
        with misleading(fault) if fault else nullcontext():
            ending, words = self._ended(lambda: self._run(prompt))
        self._said.append((prompt, ending, words))

    async def _run(self, prompt: str) -> None:
        if self._performer is None:
            self._performer = self._cast(self._stage())
        await self._performer.run(prompt)

    def _ended(self, turn: Callable[[], Any]) -> tuple[Ending, str]:
        from anthropic import AnthropicError

        ending: Ending = "returned"
        words = ""
        try:
            self._thread.do(lambda: self._runner.run(turn()))
        except TimeIsUp as hung:
            ending, words = "hung", str(hung)
        except (Told, AnthropicError) as told:
            ending, words = "told", _shown(told)
        except (Exception, asyncio.CancelledError) as leaked:
            ending, words = "leaked", _shown(leaked)
        return ("hung", self._loop.overdue) if self._loop.overdue else (ending, words)

    def _stage(self) -> Stage:
        tool = StageTool(TOOL, "Notes a step down.", _SCHEMA, self._note)
        return Stage(
            model=MODEL,
            tools=(tool,),
            http_client=lambda: async_http_client(self._upstream, *self._layers, clock=self._clock),
            clock=self._clock,
            environ={name: value for name, value in self._environ.items() if value is not None},
        )

    async def _note(self, step: str) -> str:
        """The tool: its side effect stands in a file, whatever the agent says."""
        with self._effects.open("a", encoding="utf-8") as file:
            file.write(f"{step}\n")
        return NOTED

    def _spoil(self, request: Request) -> Response | Edit | None:
        """The fault, as long as it lasts."""
        return self._fault(request) if self._fault and self._spoiling else None

    def _limited(self, request: Request) -> Response | None:
        """A layer that ends a conversation in which too much is asked; who swallows that gets no more answers."""
        self._requests += 1
        if self._requests > MOST_REQUESTS + 1 or self._thread.left:
            return (End(math.inf),)
        if self._requests > MOST_REQUESTS:
            raise self._loop.end(f"it sends more than {MOST_REQUESTS} requests")
        return None

    def _close(self) -> None:
        """End what the agent has left running; it may resist."""
        self._loop.deadline, self._loop.patience = self._loop.time() + MOST_SECONDS, self._patience / 2
        self._loop.overdue = ""
        if not self._thread.left:
            with suppress(TimeIsUp):
                self._thread.do(self._runner.close)
        self._loop.abandon()
        self._thread.end()

    def _observed(self) -> Observation:
        exchanges = self._tap.exchanges
        prompts, endings, words = zip(*self._said, strict=True)
        return Observation(
            fired=self._fault.fired if self._fault else 0,
            prompts=prompts,
            endings=endings,
            words=words,
            requests=len(exchanges),
            effects=tuple(self._effects.read_text(encoding="utf-8").splitlines()),
            conversation=_conversation(exchanges[-1][0]) if exchanges else (),
            answers=tuple(answer for _, response in exchanges if (answer := said(response)) is not None),
            streamed=any(received(response).streamed for _, response in exchanges),
            seconds=self._loop.time(),
        )


def play(
    cast: Cast, trial: Trial | None, combination: Combination, directory: Path, patience: float = PATIENCE_SECONDS
) -> Observation:
    """What is seen of one conversation of a new agent. `directory` gets the file of the tool's side effects.

    A prompt that takes more than `patience` real seconds has hung.
    """
    return Play(cast, trial, combination, directory, patience).perform()


def _conversation(request: Request) -> tuple[Line, ...]:
    return lines(json.loads(request.body)["messages"])


def _shown(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text:.200}" if text else type(error).__name__


@contextmanager
def _seeded() -> Iterator[None]:
    """What an agent draws, such as how long to wait, is the same in every sweep."""
    before = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    with patch.dict(os.environ):
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        yield
