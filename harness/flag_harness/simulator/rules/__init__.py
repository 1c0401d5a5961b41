"""The rules by which the simulated API refuses a request.

To add a rule:

1. Write a function `check_...(request)` in the module for its subject (in `content/` for messages and their blocks, in
   `tools/` for tools). It returns the API's own error message if the request breaks the rule, else None, and has no
   side effects.
2. Add an `ApiRule` with this function to `table.py`, at the point where the API checks it: the first broken rule
   decides the error. Use `HTTP_RULES` if the rule needs no body, `BODY_RULES` if it needs the decoded body, and
   `PARSED_RULES` if it needs a body that fits the Pydantic models in `shape/`. An `ApiRule` states the
   source and date of its message.
3. Add a request that breaks the rule to `tests/simulator/test_rules.py`, or to the file for its subject beside it
   (`test_media_rules.py`, ...). A test fails for every rule without such a request.

The fields that a body may have are not rules. Add them to the models in `shape/`.
"""

from flag_harness.simulator.rules.request import (
    ApiRule,
    IncomingRequest,
    ParsedRequest,
    RefusedRequest,
    SignatureChecker,
    api_key,
    remember_results,
)
from flag_harness.simulator.rules.table import BODY_RULES, HTTP_RULES, PARSED_RULES, RULES, find_refusal

__all__ = [
    "BODY_RULES",
    "HTTP_RULES",
    "PARSED_RULES",
    "RULES",
    "ApiRule",
    "IncomingRequest",
    "ParsedRequest",
    "RefusedRequest",
    "SignatureChecker",
    "api_key",
    "find_refusal",
    "remember_results",
]
