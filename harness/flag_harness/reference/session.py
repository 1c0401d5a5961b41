"""The state that all steps of a turn share: the client, the clock, the tools and the current context."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flag_harness.clock import Clock
from flag_harness.errors import ContextError
from flag_harness.reference.context import store
from flag_harness.reference.context.context import ConversationContext
from flag_harness.reference.context.conversation import Messages
from flag_harness.reference.request.failure import RequestFailure, TurnError
from flag_harness.reference.request.request import RequestTemplate
from flag_harness.reference.request.retry import RetryPolicy
from flag_harness.reference.tools.tool import Toolbox

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

AGENT_LOGGER = logging.getLogger("flag_harness.reference")


@dataclass(slots=True)
class AgentSession:
    """The session of one agent. Its context is valid after each step, so the session can end at any time.

    If there is a `context_path`, the context is saved there after each step.
    """

    client: "AsyncAnthropic"
    clock: Clock
    retry_policy: RetryPolicy
    request_template: RequestTemplate
    toolbox: Toolbox
    context: ConversationContext
    context_path: Path | None
    refused_messages: Messages | None = None
    """The conversation up to the last turn that the model refused, or None once the user sends another text."""

    def update_context(self, **changes: Any) -> None:
        """Replace fields of the context, and save the new context."""
        self.set_context(replace(self.context, **changes))

    def set_context(self, context: ConversationContext) -> None:
        """Replace the context and save it. Raise `TurnError` if that fails; the new context stays in memory."""
        self.context = context
        if self.context_path is not None:
            try:
                store.save_context(context, self.context_path)
            except ContextError as error:
                raise TurnError(RequestFailure("save", str(error))) from error
