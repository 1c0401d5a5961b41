"""The support code of the cases."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from flag_harness.conformance.support import Conversation, make_bash
from flag_harness.errors import CommandRefused
from flag_harness.reference import BashTool, ConversationContext, Event, TurnEnded


class Swallowing:
    """An agent that runs one command and catches every exception."""

    context = ConversationContext()

    def __init__(self, bash: BashTool) -> None:
        self._bash = bash

    async def send(self, command: str) -> AsyncIterator[Event]:
        """Run the command."""
        with suppress(BaseException):
            await self._bash.run({"command": command})
        yield TurnEnded(0.0, "end_turn")


@pytest.mark.asyncio
async def test_a_command_that_is_not_declared_fails_the_case_whatever_the_agent_catches() -> None:
    """A declared command does not."""
    bash = make_bash(["true"])
    agent: Any = Swallowing(bash)
    conversation = Conversation(agent, bash)
    assert [TurnEnded(0.0, "end_turn")] == await conversation.send("true")
    with pytest.raises(CommandRefused, match="the command 'touch pwned' is not declared"):
        await conversation.send("touch pwned")
