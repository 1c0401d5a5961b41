"""Ask the user before a tool runs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.reference.tools.tool import Tool


class CallDeniedError(Exception):
    """The user did not allow a tool call. Its name and message are the result that the model gets."""


def is_denial(result: str) -> bool:
    """Return whether the result of a tool call says that the user did not allow it."""
    return result.startswith(f"{CallDeniedError.__name__}: ")


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A tool call that waits for the user's answer."""

    name: str
    input: Mapping[str, Any]
    answer: "asyncio.Future[bool]"


class ApprovalGate:
    """Makes each tool call wait until the user, in another thread, has allowed or denied it; does nothing if `is_on` is
    False.
    """

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self.pending_call: PendingCall | None = None

    async def wait_for_answer(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Wait until the call may run. Raise `CallDeniedError` if the user denies it."""
        if not self.is_on:
            return
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.pending_call = PendingCall(name, arguments, answer)
        try:
            if not await answer:
                raise CallDeniedError(f"The user did not allow this call of {name}. Ask what to do instead.")
        finally:
            self.pending_call = None

    def answer(self, *, allow: bool) -> None:
        """Allow or deny the call that waits, from any thread. Do nothing if none waits.

        No call waits from then on, even if the thread of the chat has not noticed the answer yet.
        """
        if (pending := self.pending_call) is not None:
            self.pending_call = None
            pending.answer.get_loop().call_soon_threadsafe(_set_answer, pending.answer, allow)


def _set_answer(answer: "asyncio.Future[bool]", allow: bool) -> None:
    if not answer.done():
        answer.set_result(allow)


@dataclass(frozen=True, slots=True)
class ToolWithApproval:
    """A tool whose calls wait at the approval gate until the user has allowed them."""

    tool: Tool
    gate: ApprovalGate

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.tool.name

    @property
    def beta(self) -> str | None:
        """The tool's beta."""
        return self.tool.beta

    @property
    def definition(self) -> Mapping[str, Any]:
        """The tool's entry in the request."""
        return self.tool.definition

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """The JSON schema of the wrapped tool's input, unchanged."""
        return self.tool.input_schema

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Run the tool once the user has allowed it."""
        await self.gate.wait_for_answer(self.tool.name, arguments)
        return await self.tool.run(arguments)
