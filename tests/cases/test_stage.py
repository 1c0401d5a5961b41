"""What the cases put on stage."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from flag_harness.conformance.stage import Talk, bash_for
from flag_harness.errors import CommandRefused
from flag_harness.reference import Bash, Event, TurnEnded


class Swallowing:
    """An agent that runs one command and lets nothing stop it."""

    def __init__(self, bash: Bash) -> None:
        self._bash = bash

    async def send(self, command: str) -> AsyncIterator[Event]:
        """Run the command."""
        with suppress(BaseException):
            await self._bash.run({"command": command})
        yield TurnEnded(0.0, "end_turn")


@pytest.mark.asyncio
async def test_a_command_that_is_not_declared_fails_the_case_whatever_the_agent_catches() -> None:
    """One that is declared does not."""
    bash = bash_for(["true"])
    agent: Any = Swallowing(bash)
    talk = Talk(agent, bash)
    assert [TurnEnded(0.0, "end_turn")] == await talk.say("true")
    with pytest.raises(CommandRefused, match="the command 'touch pwned' is not declared"):
        await talk.say("touch pwned")
