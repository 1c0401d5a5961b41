"""Say in words what an event of the agent means, and what the user can do."""

from collections.abc import Mapping

from flag_harness.flag import SHIPPED_FLAGS
from flag_harness.reference.events import AgentError, BlockDropped, FeatureDropped

_TITLE_BY_ERROR_KIND: Mapping[str, str] = {
    "busy": "A turn is already running",
    "limit": "Nothing was sent, because the API would refuse these settings",
    "request": "The request was refused",
    "credentials": "The API did not accept the key",
    "rate_limit": "The API's rate limit is reached",
    "overloaded": "The API is overloaded",
    "server": "The API has an internal error",
    "connection": "The API cannot be reached",
    "broken_answer": "The answer was broken",
    "truncated": "The tool calls do not fit in the answer",
    "save": "The conversation could not be saved",
}
_ADVICE_BY_STOP_REASON: Mapping[str, str] = {
    "max_tokens": "The answer is cut off, because it has reached max_tokens. Switch on extended_output or raise "
    "MAX_TOKENS in the sidebar, or send “go on”.",
    "model_context_window_exceeded": "The answer is cut off, because the conversation fills the model's context "
    "window. Start a new session.",
    "refusal": "The model refused to answer, and the turn was taken out of the conversation. Change the wording.",
}


def advice_on_error(event: AgentError) -> str:
    """Return a text for the user: what went wrong, and the agent's message, which says what to do next."""
    title = _TITLE_BY_ERROR_KIND.get(event.kind, "The turn has failed")
    request = f" (request {event.request_id})" if event.request_id else ""
    return f"{title}{request}: {event.message}"


def advice_on_ending(stop_reason: str) -> list[str]:
    """Return sentences that explain an unusual end of an answer, or an empty list for an ordinary end."""
    return [_ADVICE_BY_STOP_REASON[stop_reason]] if stop_reason in _ADVICE_BY_STOP_REASON else []


def advice_on_dropped_feature(event: FeatureDropped) -> str:
    """Return a sentence that says which feature was dropped from the session, and why."""
    return (
        f"The API refused {event.feature}, so this session continues without it. Start a new session to try it again. "
        f"The API said: {event.reason}"
    )


def advice_on_dropped_block(event: BlockDropped) -> str:
    """Return a sentence that says which block was removed from the conversation, and why."""
    return (
        f"The API refused a {event.block_type} block of an earlier answer, so it was removed from the conversation; "
        f"nothing needs to be done. The API said: {event.reason}"
    )


STOPPED_NOTICE = (
    "Stopped. The answer so far is not part of the conversation, but your prompt is: it will be sent again with your "
    "next prompt, or alone if you continue the turn."
)
"""The notice at the end of a turn that the user stopped."""

INTERRUPTED_NOTICE = (
    "Interrupted: the server ended during this answer, or the turn was stopped before. The answer so far is not part "
    "of the conversation, but your prompt is: it will be sent again with your next prompt, or alone if you continue "
    "the turn."
)
"""The notice at the end of a restored turn whose answer was never completed."""


def transition_notice(text: str) -> str:
    """Return a sentence that shows a transition prompt, which is the note that the model got after a restore."""
    return f"The model was told: {text}"


def advice_on_recorded_flags(recorded: str, current: str) -> str:
    """Return a sentence that says which flags a cassette needs, or an empty string if they are as they were recorded.

    `recorded` and `current` are the ids of combinations. Flags that the agent does not have are left out.
    """
    switches = [
        f"{'on' if flag.name in recorded.split('+') else 'off'} {flag.name}"
        for flag in SHIPPED_FLAGS
        if (flag.name in recorded.split("+")) != (flag.name in current.split("+"))
    ]
    if not recorded or not switches:
        return ""
    return (
        f"The cassette was recorded under the flags: {recorded}. Switch {', '.join(switches)} in the sidebar, then "
        "continue the turn."
    )
