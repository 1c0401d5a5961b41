"""What the API would refuse, told before anything is sent, with the number to use."""

from flag_harness.models import Model, thinking_parameters
from flag_harness.reference.settings import Settings, budget_problem

LARGEST_UNSTREAMED = 21_333
"""Most tokens without streaming: the SDK expects 128,000 in an hour and takes at most ten minutes (`_base_client.py`,
`_calculate_nonstreaming_timeout`, 2.12). A client with its own HTTP client loses that check, so it is made here."""

PLAIN_MAX_TOKENS = 4096
"""`max_tokens` without extended output."""


def broken_limit(settings: Settings, model: Model) -> str | None:
    """The limit that a request under these settings would break, in one line with the number to use; None: it fits."""
    if not settings.extended_output:
        return None
    most, asked, budget = model.max_output_tokens, settings.max_tokens, _budget(settings, model)
    if asked > most:
        gives = f"{model.id} can give ({most} tokens)"
        if not model.known:
            gives = f"the {most} tokens that {model.id} is taken to give, for want of a figure in the table of models"
        return f"MAX_TOKENS={asked} is more than {gives}; set {_at_most(most, budget)}"
    if asked > LARGEST_UNSTREAMED and not settings.streaming:
        return (
            f"MAX_TOKENS={asked} needs streaming, since an answer of that length may take over 10 minutes; "
            f"set ENABLE_STREAMING=true, or {_at_most(LARGEST_UNSTREAMED, budget)}"
        )
    return budget_problem(asked, budget)


def _budget(settings: Settings, model: Model) -> int:
    """The thinking tokens that a request asks for: 0 where the model takes an effort, or nothing, in their place."""
    thinking = thinking_parameters(model, settings.thinking_budget).get("thinking", {})
    return int(thinking.get("budget_tokens", 0))


def _at_most(most: int, budget: int) -> str:
    return f"MAX_TOKENS to at most {most}" + (f" and THINKING_BUDGET to at most {most - 1}" if budget >= most else "")
