"""What the API would refuse, told before anything is sent, with the number to use."""

from harness.flags import Settings
from harness.models import Model

LARGEST_UNSTREAMED = 21_333
"""Most tokens without streaming: the SDK expects 128,000 in an hour and takes at most ten minutes (`_base_client.py`,
`_calculate_nonstreaming_timeout`, 2.12). A client with its own HTTP client loses that check, so it is made here."""

PLAIN_MAX_TOKENS = 4096
"""`max_tokens` without extended output."""


def broken_limit(settings: Settings, model: Model) -> str | None:
    """The limit that a request under these settings would break, in one line with the number to use; None: it fits.

    That the thinking budget is below MAX_TOKENS holds for every `Settings` that was read.
    """
    if not settings.extended_output:
        return None
    most, asked = model.max_output_tokens, settings.max_tokens
    if asked > most:
        advice = f"set MAX_TOKENS to at most {most}"
        if settings.thinking_budget >= most:
            advice += f" and THINKING_BUDGET to at most {most - 1}"
        return f"MAX_TOKENS={asked} is more than {model.id} can give ({most} tokens); {advice}"
    if asked > LARGEST_UNSTREAMED and not settings.streaming:
        advice = f"set ENABLE_STREAMING=true, or MAX_TOKENS to at most {LARGEST_UNSTREAMED}"
        if settings.thinking_budget >= LARGEST_UNSTREAMED:
            advice += f" and THINKING_BUDGET to at most {LARGEST_UNSTREAMED - 1}"
        return f"MAX_TOKENS={asked} needs streaming, since an answer of that length may take over 10 minutes; {advice}"
    return None
