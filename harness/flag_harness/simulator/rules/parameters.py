"""Rules about parameters: lengths, sampling, thinking."""

from flag_harness.simulator import catalogue
from flag_harness.simulator.rules.asked import Asked
from flag_harness.simulator.rules.betas import BETA_FIELDS, BINDING_BETA

_LONG_OUTPUT_BETAS = {"output-128k-2025-02-19": 128_000, "output-300k-2026-03-24": 300_000}
_LONG_CONTEXT_BETA = "context-1m-2025-08-07"
_LONG_CONTEXT = 1_000_000
_WINDOW_BETA = "model-context-window-exceeded-2025-08-26"
"""Ends an answer at the window's end in place of refusing it (documented; the default from Claude 4.5 on)."""
_THINKING_DOCUMENTATION = (
    "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
)


_DEFAULTS = {"temperature": 1, "top_p": 1}


def beta_fields(asked: Asked) -> str | None:
    """Fields that a beta opens come with one of its names."""
    betas = set(asked.betas)
    if (asked.body.get("thinking") or {}).get("block_binding") is not None and BINDING_BETA not in betas:
        return f"thinking.{asked.thinking}.block_binding: Extra inputs are not permitted"
    closed = (name for name, opening in BETA_FIELDS.items() if asked.body.get(name) is not None and not opening & betas)
    name = next(closed, None)
    return None if name is None else f"{name}: Extra inputs are not permitted"


def no_sampling(asked: Asked) -> str | None:
    """Models that take no thinking budget (4.7 and later) take no sampling parameters but their defaults either."""
    for name in ("temperature", "top_p", "top_k") if asked.model.only_adaptive else ():
        if asked.body.get(name) not in (None, _DEFAULTS.get(name)):
            return f"`{name}` is deprecated for this model."
    return None


def temperature_range(asked: Asked) -> str | None:
    """Temperature is from 0 to 1."""
    temperature = asked.body.get("temperature")
    return None if temperature is None or 0 <= temperature <= 1 else "temperature: range: 0..1"


def top_p_range(asked: Asked) -> str | None:
    """top_p is from 0 to 1."""
    top_p = asked.body.get("top_p")
    return None if top_p is None or 0 <= top_p <= 1 else "top_p: range: 0..1"


def one_sampling(asked: Asked) -> str | None:
    """From Opus 4.1 to 4.6 models take either temperature or top_p; earlier ones take both, and later ones none."""
    both = asked.body.get("temperature") is not None and asked.body.get("top_p") is not None
    if not both or not catalogue.samples_one_way(asked.model):
        return None
    return "`temperature` and `top_p` cannot both be specified for this model. Please use only one."


def max_tokens_cap(asked: Asked) -> str | None:
    """max_tokens is at most what the model can write."""
    most = max([asked.model.max_output_tokens, *(_LONG_OUTPUT_BETAS.get(beta, 0) for beta in asked.betas)])
    wanted = asked.body.get("max_tokens", 0)
    if wanted <= most:
        return None
    return (
        f"max_tokens: {wanted} > {most}, which is the maximum allowed number of output tokens for {asked.body['model']}"
    )


def budget_below_max_tokens(asked: Asked) -> str | None:
    """A thinking budget is smaller than max_tokens, unless thinking is interleaved with tool calls."""
    if asked.thinking != "enabled" or asked.counting or _interleaves(asked):
        return None
    if asked.body["max_tokens"] > asked.body["thinking"]["budget_tokens"]:
        return None
    return (
        "`max_tokens` must be greater than `thinking.budget_tokens`. "
        f"{_THINKING_DOCUMENTATION}#max-tokens-and-context-window-size"
    )


def thinking_kind(asked: Asked) -> str | None:
    """The model knows the kind of thinking that is asked for."""
    kind, known = asked.thinking, asked.model.thinking
    if kind is None or kind in known or kind == "disabled":
        return None
    if not set(known) - {"disabled"}:
        return f"'{asked.body['model']}' does not support thinking."
    if kind == "adaptive":
        return "adaptive thinking is not supported on this model"
    return (
        f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.adaptive" and '
        '"output_config.effort" to control thinking behavior.'
    )


def thinking_temperature(asked: Asked) -> str | None:
    """While the model thinks, temperature is 1."""
    if asked.thinking not in ("enabled", "adaptive") or asked.body.get("temperature") in (None, 1):
        return None
    mode = " or in adaptive mode" if asked.thinking == "adaptive" else ""
    return (
        f"`temperature` may only be set to 1 when thinking is enabled{mode}. "
        f"{_THINKING_DOCUMENTATION}#important-considerations-when-using-extended-thinking"
    )


def thinking_leaves_tools_free(asked: Asked) -> str | None:
    """With a thinking budget no tool is forced; adaptive thinking takes it (recorded, 2026-02)."""
    forced = (asked.body.get("tool_choice") or {}).get("type") in ("any", "tool")
    if not forced or asked.thinking != "enabled":
        return None
    return "Thinking may not be enabled when tool_choice forces tool use."


def effort_level(asked: Asked) -> str | None:
    """The model knows the level of effort."""
    effort = (asked.body.get("output_config") or {}).get("effort")
    known = asked.model.efforts
    if effort is None or effort in known:
        return None
    if not known:
        return "This model does not support the effort parameter."
    return f"This model does not support effort level '{effort}'. Supported levels: {', '.join(sorted(known))}."


def prompt_length(asked: Asked) -> str | None:
    """The prompt fits the context window."""
    window = _window(asked)
    if asked.input_tokens <= window:
        return None
    return f"prompt is too long: {asked.input_tokens} tokens > {window} maximum"


def answer_fits(asked: Asked) -> str | None:
    """Prompt and max_tokens together fit the context window, on models that refuse what does not."""
    wanted, window = asked.body.get("max_tokens", 0), _window(asked)
    if not catalogue.refuses_overflow(asked.model) or _WINDOW_BETA in asked.betas:
        return None
    if asked.input_tokens + wanted <= window:
        return None
    return (
        f"input length and `max_tokens` exceed context limit: {asked.input_tokens} + {wanted} > {window}, decrease "
        "input length or `max_tokens` and try again"
    )


def _interleaves(asked: Asked) -> bool:
    return bool(asked.body.get("tools")) and any(beta.startswith("interleaved-thinking-") for beta in asked.betas)


def _window(asked: Asked) -> int:
    return max(asked.model.context_window, _LONG_CONTEXT if _LONG_CONTEXT_BETA in asked.betas else 0)
