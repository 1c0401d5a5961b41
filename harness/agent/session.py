"""What the steps of a turn share: the client, the clock, the tools, and the context as it stands."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.agent import store
from harness.agent.context import Context
from harness.agent.failure import Failure, TurnError
from harness.agent.request import Brief
from harness.agent.retry import RetryPolicy
from harness.agent.tools import Toolbox
from harness.clock import Clock
from harness.errors import ContextError

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

LOG = logging.getLogger("harness.agent")


@dataclass(slots=True)
class Session:
    """One agent's session. The context only ever changes from one sound state to the next, so that any step may be the
    last; where there is a `path`, each is saved there before what follows from it."""

    client: "AsyncAnthropic"
    clock: Clock
    policy: RetryPolicy
    brief: Brief
    toolbox: Toolbox
    context: Context
    path: Path | None

    def keep(self, **changes: Any) -> None:
        """Change the context and save it."""
        self.adopt(replace(self.context, **changes))

    def adopt(self, context: Context) -> None:
        """Keep a context. Raises `TurnError` where it cannot be saved: then it stands in memory alone."""
        self.context = context
        if self.path is not None:
            try:
                store.save(context, self.path)
            except ContextError as error:
                raise TurnError(Failure("save", str(error))) from error
