"""One chat: an agent whose turns run in a thread of their own, and what the page shows of it."""

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from flag_harness.clock import Clock
from flag_harness.models import find_model
from flag_harness.reference.agent import Agent
from flag_harness.reference.context.context import ConversationContext
from flag_harness.reference.context.conversation import ends_with_user_turn
from flag_harness.reference.tools.tool import Tool
from flag_harness.reference.ui.chat.advice import STOPPED_NOTICE, advice_on_recorded_flags
from flag_harness.reference.ui.chat.approval import ApprovalGate
from flag_harness.reference.ui.chat.exchanges import ExchangeFiles
from flag_harness.reference.ui.chat.transcript import TurnTranscript

CHAT_LOGGER = logging.getLogger("flag_harness.reference.ui")


class ChatSession:
    """A chat session of the web page, with its agent. Any thread may call any method.

    `agent` must read the mapping `environ`, which is replaced in place before each turn. `turns` are the turns on the
    page; `revision` grows each time one of them changes. `description` says what the upstream answers. If the upstream
    is a cassette, `recorded_combination` is the id of the flags that it was recorded under. `exchanges` is a layer of
    the agent's client. The thread of the chat starts with the first turn, and ends with `close` or the process.
    """

    def __init__(
        self,
        agent: Agent,
        environ: dict[str, str],
        *,
        clock: Clock,
        gate: ApprovalGate,
        tools: Sequence[Tool] = (),
        exchanges: ExchangeFiles,
        path: Path | None = None,
        turns: Sequence[TurnTranscript] = (),
        notices: Sequence[str] = (),
        description: str = "",
        recorded_combination: str = "",
    ) -> None:
        self.clock, self.gate, self.tools, self.path = clock, gate, tuple(tools), path
        self.turns, self.notices, self.revision = list(turns), tuple(notices), 0
        self.description, self.exchanges = description, exchanges
        self._recorded_combination = recorded_combination
        self._earlier_usage = agent.context.usage
        self._agent, self._environ = agent, environ
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self._idle = threading.Event()
        self._idle.set()
        self._change = threading.Condition()

    @property
    def conversation(self) -> ConversationContext:
        """The agent's conversation so far, with its messages, its usage and the flags of the last turn."""
        return self._agent.context

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables of the last turn; before the first turn, those of the process."""
        return self._environ

    @property
    def cost(self) -> float | None:
        """The cost of the session in US dollars at list price, or None if a price is unknown."""
        costs = [find_model(self.conversation.model).cost(self._earlier_usage), *(turn.cost for turn in self.turns)]
        return None if None in costs else sum(cost or 0.0 for cost in costs)

    @property
    def is_running(self) -> bool:
        """Whether a turn is running."""
        return not self._idle.is_set()

    @property
    def can_continue(self) -> bool:
        """Whether the last turn of the user has no answer yet, so that it can be continued without a new prompt."""
        return not self.is_running and ends_with_user_turn(self.conversation.messages)

    def send(self, text: str | None, environ: Mapping[str, str]) -> bool:
        """Start a turn under the flags in `environ`. If another turn is running, do nothing and return False.

        If `text` is None, the turn continues one that has no answer.
        """
        with self._lock:
            if self.is_running:
                return False
            self._idle.clear()
            self._environ.clear()
            self._environ.update(environ)
            if text is None and self.turns:
                self.turns[-1].resume()
            else:
                self.turns.append(TurnTranscript(text))
            self._announce_change()
            self._start_loop().call_soon_threadsafe(self._start_turn, self.turns[-1], text)
            return True

    def stop(self) -> None:
        """Stop the running turn. The next one can start as soon as `is_running` is false."""
        with self._lock:
            if self._loop is not None and self.is_running:
                self._loop.call_soon_threadsafe(self._cancel_turn)

    def close(self) -> None:
        """Cancel the running turn, if there is one, and end the thread of the chat. No turn can start afterwards."""
        with self._lock:
            if self._loop is not None and self._thread is not None and self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait at most `seconds` until no turn is running. Return whether none is running."""
        return self._idle.wait(seconds)

    def wait_for_change(self, revision: int, seconds: float) -> None:
        """Wait at most `seconds` until the chat's revision differs from `revision`."""
        with self._change:
            self._change.wait_for(lambda: self.revision != revision, seconds)

    def _announce_change(self) -> None:
        with self._change:
            self.revision += 1
            self._change.notify_all()

    def _start_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._run_loop, name="flag-harness-chat", daemon=True)
            self._thread.start()
        return self._loop

    def _run_loop(self) -> None:
        """Run the event loop of the chat until it is stopped, then cancel what still runs in it, as
        `asyncio.run` does.
        """
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # type: ignore[arg-type, return-value]
            runner.get_loop().run_forever()

    def _start_turn(self, turn: TurnTranscript, text: str | None) -> None:
        before = self.exchanges.last_exchange
        self._task = asyncio.get_running_loop().create_task(self._run_turn(turn, text))
        self._task.add_done_callback(lambda task: self._end_turn(turn, before, task))

    def _cancel_turn(self) -> None:
        """Cancel the task of the turn, but only once: a second cancellation would interrupt its cleanup."""
        if self._task is not None and not self._task.cancelling():
            self._task.cancel()

    async def _run_turn(self, turn: TurnTranscript, text: str | None) -> None:
        async with aclosing(self._agent.send(text)) as events:
            async for event in events:
                turn.add_event(event, self.conversation.model)
                self._announce_change()

    def _advice_on_flags(self) -> list[str]:
        """Return a sentence that says which flags to switch, in a list, if the cassette was recorded under other flags
        than those of this turn; else an empty list.
        """
        advice = advice_on_recorded_flags(self._recorded_combination, self.conversation.combination or "")
        return [advice] if advice else []

    def _end_turn(self, turn: TurnTranscript, last_exchange_before: int, task: "asyncio.Task[None]") -> None:
        turn.request_numbers = [
            *turn.request_numbers,
            *range(last_exchange_before + 1, self.exchanges.last_exchange + 1),
        ]
        if task.cancelled():
            turn.add_notice("warning", STOPPED_NOTICE)
        elif (error := task.exception()) is not None:
            CHAT_LOGGER.error("the turn has failed", exc_info=error)
            turn.add_notice("error", f"The turn has failed. {type(error).__name__}: {error}")
            turn.add_notices(self._advice_on_flags())
        turn.has_ended = True
        self._idle.set()
        self._announce_change()
