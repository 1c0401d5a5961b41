"""Run one conversation of an agent with the simulated API, with or without a fault, in virtual time."""

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

from flag_harness.errors import FlagError
from flag_harness.faults import Fault, patch_refused_keywords
from flag_harness.matrix import Combination
from flag_harness.sources import FlagScope, enter_scope
from flag_harness.sweep.abandonable_thread import AbandonableThread
from flag_harness.sweep.agents import AgentFactory, AgentGaveUp, AgentUnderSweep, SweepContext, SweepTool
from flag_harness.sweep.model import (
    CONTINUE_PROMPT,
    FIRST_PROMPT,
    SECOND_PROMPT,
    SWEEP_TOOL_NAME,
    SWEEP_TOOL_RESULT,
)
from flag_harness.sweep.outcomes import PromptEnding, TrialObservation
from flag_harness.sweep.remembered_answers import RememberedAnswers
from flag_harness.sweep.transcript import ConversationLine, conversation_lines, response_lines
from flag_harness.sweep.trials import Trial
from flag_harness.transports import async_http_client, intercept_clients
from flag_harness.transports.virtual_time import LoopClock, VirtualLoop, VirtualTimeout, patch_time
from flag_harness.wire.aws_frames import is_aws_stream
from flag_harness.wire.timeline import Edit, End, Head, Layer, Request, Response, is_stream
from flag_harness.wire.traffic_log import TrafficLog

MODEL_OF_TRIAL = "claude-haiku-4-5"
MAX_VIRTUAL_SECONDS = 7200.0
"""A prompt has hung after this many virtual seconds; three attempts that each hit the SDK's read timeout take 1800."""
MAX_REQUESTS = 100
"""A conversation has hung after this many requests; one without a fault takes three."""
HANG_SECONDS = 10.0
"""A prompt has hung after this many real seconds; it usually takes a few hundredths."""

_TOOL_INPUT_SCHEMA = {"type": "object", "properties": {"step": {"type": "string"}}, "required": ["step"]}
_API_VARIABLES: Mapping[str, str | None] = {
    "ANTHROPIC_API_KEY": "offline",
    "ANTHROPIC_AUTH_TOKEN": None,
    "ANTHROPIC_BASE_URL": None,
}


class TrialRun:
    """One conversation of an agent, to be run once. The agent's tool writes its side effects to a file.

    The file is in `directory`. The agent runs in a thread of its own, which is abandoned if the agent does not end.
    """

    def __init__(
        self,
        make_agent: AgentFactory,
        trial: Trial | None,
        combination: Combination,
        directory: Path,
        hang_seconds: float,
        answers: RememberedAnswers,
    ) -> None:
        self._make_agent = make_agent
        self._scope = FlagScope(combination, is_fallback=True)
        self._environ = {**combination.environ, **(trial.environ if trial else {})}
        self._fault = trial.fault.arm(combination.id) if trial else None
        self._effects = directory / "effects.txt"
        self._effects.write_text("")
        self._loop, self._traffic_log, self._thread = VirtualLoop(), TrafficLog(), AbandonableThread(hang_seconds)
        self._loop.on_swallowed_timeout = self._thread.block_forever
        self._hang_seconds, self._clock = hang_seconds, LoopClock(self._loop)
        self._fault_is_active, self._requests = False, 0
        self._upstream = answers.start_conversation(self._clock)
        self._layers: tuple[Layer, ...] = (self._traffic_log, self._limit_requests, self._apply_fault)
        self._agent: AgentUnderSweep | None = None
        self._turns: list[tuple[str, PromptEnding, str]] = []

    def run(self) -> TrialObservation:
        """Send a prompt under the fault and then, without the fault, the next prompt. Return what was observed.

        If the first prompt fails, ask the agent to go on before the next prompt.
        """
        with self._set_up_environment():
            self._send_prompt(FIRST_PROMPT, self._fault)
            if self._turns[-1][1] != "returned":
                self._send_prompt(CONTINUE_PROMPT)
            self._send_prompt(SECOND_PROMPT)
        if self._scope.swallowed_errors:
            raise FlagError("\n".join(self._scope.swallowed_errors))
        return self._make_observation()

    @contextmanager
    def _set_up_environment(self) -> Iterator[None]:
        """Set up the event loop, environment variables, virtual time and upstream while the `with` block runs."""
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")  # the SDK's models may warn of a garbled answer: that is no failure
            stack.enter_context(seed_random())
            stack.enter_context(_set_environment_variables({**_API_VARIABLES, **self._environ}))
            stack.enter_context(enter_scope(self._scope, follows_work=False))
            stack.enter_context(intercept_clients(self._upstream, *self._layers, clock=self._clock))
            stack.enter_context(patch_time(self._loop))
            stack.callback(self._stop_agent_tasks_and_threads)
            self._loop.set_exception_handler(lambda loop, context: None)
            yield

    def _send_prompt(self, prompt: str, fault: Fault | None = None) -> None:
        """Send a prompt to the agent and store how it ended. Do nothing if an earlier prompt hung."""
        if self._turns and self._turns[-1][1] == "hung":
            return
        self._restart_deadline()
        self._fault_is_active = fault is not None
        with patch_refused_keywords(fault) if fault else nullcontext():
            ending, message = self._run_until_end(lambda: self._run_agent(prompt))
        self._turns.append((prompt, ending, message))

    def _restart_deadline(self) -> None:
        """Give the agent the full virtual and real time for the next prompt."""
        self._loop.deadline, self._loop.max_real_wait_seconds = (
            self._loop.time() + MAX_VIRTUAL_SECONDS,
            self._hang_seconds / 2,
        )

    async def _run_agent(self, prompt: str) -> None:
        if self._agent is None:
            self._agent = self._make_agent(self._make_agent_context())
        await self._agent.run(prompt)

    def _run_until_end(self, turn: Callable[[], Any]) -> tuple[PromptEnding, str]:
        """Run a turn of the agent. Return how the turn ended, and the message of the exception or an empty string."""
        from anthropic import AnthropicError

        ending: PromptEnding = "returned"
        message = ""
        try:
            self._thread.run_job(lambda: self._runner.run(turn()))
        except VirtualTimeout as error:
            ending, message = "hung", str(error)
        except (AgentGaveUp, AnthropicError) as error:
            ending, message = "gave up", _exception_text(error)
        except (Exception, asyncio.CancelledError) as error:
            ending, message = "raised", _exception_text(error)
        return ("hung", self._loop.end_reason) if self._loop.end_reason else (ending, message)

    def _make_agent_context(self) -> SweepContext:
        """Return the `SweepContext` that the agent gets, with the sweep's tool."""
        tool = SweepTool(
            SWEEP_TOOL_NAME, "Notes a step down.", _TOOL_INPUT_SCHEMA, self._run_note_tool, self._run_note_tool_sync
        )
        return SweepContext(
            model=MODEL_OF_TRIAL,
            tools=(tool,),
            http_client=lambda: async_http_client(self._upstream, *self._layers, clock=self._clock),
            clock=self._clock,
            environ={name: value for name, value in self._environ.items() if value is not None},
        )

    async def _run_note_tool(self, step: str) -> str:
        return self._run_note_tool_sync(step)

    def _run_note_tool_sync(self, step: str) -> str:
        """Run the sweep's tool. It writes a line to a file, so that the agent cannot hide the call."""
        with self._effects.open("a", encoding="utf-8") as file:
            file.write(f"{step}\n")
        return SWEEP_TOOL_RESULT

    def _apply_fault(self, request: Request) -> Response | Edit | None:
        """Apply the fault while the first prompt runs, and let later requests pass. This method is a layer."""
        return self._fault(request) if self._fault and self._fault_is_active else None

    def _limit_requests(self, request: Request) -> Response | None:
        """Let a request pass, but end the conversation once it has too many, and answer none after that. This method is
        a layer.
        """
        self._requests += 1
        if self._requests > MAX_REQUESTS + 1 or self._thread.is_abandoned:
            return (End(math.inf),)
        if self._requests > MAX_REQUESTS:
            raise self._loop.make_timeout(f"it sends more than {MAX_REQUESTS} requests")
        return None

    def _stop_agent_tasks_and_threads(self) -> None:
        """Stop all tasks and threads that the agent has left running."""
        self._restart_deadline()
        self._loop.end_reason = ""
        if not self._thread.is_abandoned:
            with suppress(VirtualTimeout):
                self._thread.run_job(self._runner.close)
        self._loop.abandon()
        self._thread.stop()

    def _make_observation(self) -> TrialObservation:
        """Return what was observed in the conversation."""
        exchanges = self._traffic_log.exchanges
        prompts, endings, messages = zip(*self._turns, strict=True)
        return TrialObservation(
            fired_count=self._fault.fired if self._fault else 0,
            prompts=prompts,
            endings=endings,
            exception_messages=messages,
            request_count=len(exchanges),
            side_effects=tuple(self._effects.read_text(encoding="utf-8").splitlines()),
            conversation=_request_lines(exchanges[-1][0]) if exchanges else (),
            complete_answers=tuple(
                lines for _, response in exchanges if (lines := response_lines(response)) is not None
            ),
            has_streamed=any(_is_streamed(response) for _, response in exchanges),
            seconds=self._loop.time(),
        )


def run_trial(
    make_agent: AgentFactory,
    trial: Trial | None,
    combination: Combination,
    directory: Path,
    hang_seconds: float = HANG_SECONDS,
    answers: RememberedAnswers | None = None,
) -> TrialObservation:
    """Run one conversation with a new agent, and return what was observed.

    The conversation is under the fault of `trial`, or without a fault if `trial` is None. The agent has a
    tool that writes a file into `directory`. A prompt that takes more than `hang_seconds` real seconds counts as hung.
    `answers` are the simulator's answers in earlier runs of the same sweep: requests that they answer are not simulated
    again, and new answers are added. If it is None, every request is simulated.
    """
    return TrialRun(make_agent, trial, combination, directory, hang_seconds, answers or RememberedAnswers()).run()


def _is_streamed(response: Response) -> bool:
    head = response[0] if response else None
    return isinstance(head, Head) and (is_stream(head) or is_aws_stream(head))


def _request_lines(request: Request) -> tuple[ConversationLine, ...]:
    return conversation_lines(json.loads(request.body)["messages"])


def _exception_text(error: BaseException) -> str:
    """Return the type and the shortened message of an exception."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text:.200}" if text else type(error).__name__


@contextmanager
def seed_random() -> Iterator[None]:
    """Seed `random` while the `with` block runs, so that an agent gets the same random numbers in every run."""
    before = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(before)


@contextmanager
def _set_environment_variables(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables while the `with` block runs; unset those whose value is None."""
    before = os.environ.copy()
    _set_or_unset_variables(values)
    try:
        yield
    finally:  # `patch.dict` would set each variable again, at a tenth of the cost of a trial
        after = os.environ.copy()
        changed = {name: before.get(name) for name in {**before, **after} if before.get(name) != after.get(name)}
        _set_or_unset_variables(changed)


def _set_or_unset_variables(values: Mapping[str, str | None]) -> None:
    """Set environment variables, and unset those whose value is None."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
