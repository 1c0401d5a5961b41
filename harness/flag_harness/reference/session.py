"""What the steps of a turn share: the client, the clock, the tools, and the context as it stands."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flag_harness.clock import Clock
from flag_harness.errors import ContextError
from flag_harness.reference.context import store
from flag_harness.reference.context.context import Context
from flag_harness.reference.request.failure import Failure, TurnError
from flag_harness.reference.request.request import Brief
from flag_harness.reference.request.retry import RetryPolicy
from flag_harness.reference.tools.tool import Toolbox

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

LOG = logging.getLogger("flag_harness.reference")


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
