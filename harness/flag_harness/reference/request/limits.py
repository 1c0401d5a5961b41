"""Limits that the API would enforce, checked before anything is sent."""

from flag_harness.models import Model, thinking_parameters
from flag_harness.reference.settings import AgentSettings, thinking_budget_message

MAX_TOKENS_WITHOUT_STREAMING = 21_333
"""The most tokens without streaming: the SDK expects 128,000 an hour and allows ten minutes (`_base_client.py`,
`_calculate_nonstreaming_timeout`, 2.12). A client with its own HTTP client skips that check, so it is made here."""

MAX_TOKENS_WITHOUT_EXTENDED_OUTPUT = 4096
"""The `max_tokens` of a request if the flag `extended_output` is off."""


def broken_limit_message(settings: AgentSettings, model: Model) -> str | None:
    """Return a message that suggests other numbers if a request with these settings would break a limit of the API.

    Return None if the request would break no limit.
    """
    if not settings.extended_output:
        return None
    most, max_tokens, budget = model.max_output_tokens, settings.max_tokens, _thinking_budget(settings, model)
    if max_tokens > most:
        limit = f"{model.id} can give ({most} tokens)"
        if not model.is_known:
            limit = f"the {most} tokens assumed for {model.id}, which is not in the table of models"
        return f"MAX_TOKENS={max_tokens} is more than {limit}; set {_limit_advice(most, budget)}"
    if max_tokens > MAX_TOKENS_WITHOUT_STREAMING and not settings.streaming:
        return (
            f"MAX_TOKENS={max_tokens} needs streaming, since an answer of that length may take over 10 minutes; "
            f"set ENABLE_STREAMING=true, or {_limit_advice(MAX_TOKENS_WITHOUT_STREAMING, budget)}"
        )
    return thinking_budget_message(max_tokens, budget)


def _thinking_budget(settings: AgentSettings, model: Model) -> int:
    """Return the thinking budget of a request in tokens, or 0 if the model does not take a budget."""
    thinking = thinking_parameters(model, settings.thinking_budget).get("thinking", {})
    return int(thinking.get("budget_tokens", 0))


def _limit_advice(max_tokens_limit: int, budget: int) -> str:
    return f"MAX_TOKENS to at most {max_tokens_limit}" + (
        f" and THINKING_BUDGET to at most {max_tokens_limit - 1}" if budget >= max_tokens_limit else ""
    )
