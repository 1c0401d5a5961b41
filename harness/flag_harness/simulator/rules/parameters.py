"""Rules for parameters of the body: betas, sampling, thinking, effort and lengths."""

from flag_harness.simulator import catalogue
from flag_harness.simulator.rules.betas import BETAS_BY_BODY_FIELD, BLOCK_BINDING_BETA
from flag_harness.simulator.rules.request import ParsedRequest

_MAX_TOKENS_BY_LONG_OUTPUT_BETA = {"output-128k-2025-02-19": 128_000, "output-300k-2026-03-24": 300_000}
_LONG_CONTEXT_BETA = "context-1m-2025-08-07"
_LONG_CONTEXT_WINDOW = 1_000_000
_CONTEXT_WINDOW_EXCEEDED_BETA = "model-context-window-exceeded-2025-08-26"
"""The beta with which the API cuts an answer off at the end of the context window, instead of refusing the request
(documented; the default since Claude 4.5).
"""
_THINKING_DOCUMENTATION = (
    "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
)


_MIN_TOP_P_WHILE_THINKING = 0.95
_DEFAULT_SAMPLING_PARAMETERS = {"temperature": 1, "top_p": 1}


def check_beta_fields(request: ParsedRequest) -> str | None:
    """Return the error message for a field whose beta is missing from the `anthropic-beta` header, or None."""
    betas = set(request.betas)
    if (request.body.get("thinking") or {}).get("block_binding") is not None and BLOCK_BINDING_BETA not in betas:
        return f"thinking.{request.thinking_type}.block_binding: Extra inputs are not permitted"
    closed = (
        name
        for name, opening in BETAS_BY_BODY_FIELD.items()
        if request.body.get(name) is not None and not opening & betas
    )
    name = next(closed, None)
    return None if name is None else f"{name}: Extra inputs are not permitted"


def check_sampling_supported(request: ParsedRequest) -> str | None:
    """Return the error message for sampling parameters that the model does not support, or None.

    Models without a thinking budget (from 4.7 on) accept only the default values.
    """
    for name in ("temperature", "top_p", "top_k") if request.model.has_only_adaptive_thinking else ():
        if request.body.get(name) not in (None, _DEFAULT_SAMPLING_PARAMETERS.get(name)):
            return f"`{name}` is deprecated for this model."
    return None


def check_temperature(request: ParsedRequest) -> str | None:
    """Return the error message for a temperature outside 0 to 1, or None."""
    temperature = request.body.get("temperature")
    return None if temperature is None or 0 <= temperature <= 1 else "temperature: range: 0..1"


def check_top_p(request: ParsedRequest) -> str | None:
    """Return the error message for a top_p outside 0 to 1, or None."""
    top_p = request.body.get("top_p")
    return None if top_p is None or 0 <= top_p <= 1 else "top_p: range: 0..1"


def check_temperature_and_top_p_not_combined(request: ParsedRequest) -> str | None:
    """Return the error message for temperature together with top_p, or None.

    Only the models from Opus 4.1 to Claude 4.6 refuse this.
    """
    both = request.body.get("temperature") is not None and request.body.get("top_p") is not None
    if not both or not catalogue.refuses_temperature_with_top_p(request.model):
        return None
    return "`temperature` and `top_p` cannot both be specified for this model. Please use only one."


def check_max_tokens(request: ParsedRequest) -> str | None:
    """Return the error message for a `max_tokens` above the limit of the model, or None."""
    limit = max(
        [request.model.max_output_tokens, *(_MAX_TOKENS_BY_LONG_OUTPUT_BETA.get(beta, 0) for beta in request.betas)]
    )
    wanted = request.body.get("max_tokens", 0)
    if wanted <= limit:
        return None
    model = request.body["model"]
    return f"max_tokens: {wanted} > {limit}, which is the maximum allowed number of output tokens for {model}"


def check_thinking_budget(request: ParsedRequest) -> str | None:
    """Return the error message for a thinking budget that is not smaller than `max_tokens`, or None.

    A larger budget is allowed if thinking is interleaved with tool calls.
    """
    if request.thinking_type != "enabled" or request.only_counts_tokens or _has_interleaved_thinking(request):
        return None
    if request.body["max_tokens"] > request.body["thinking"]["budget_tokens"]:
        return None
    return (
        "`max_tokens` must be greater than `thinking.budget_tokens`. "
        f"{_THINKING_DOCUMENTATION}#max-tokens-and-context-window-size"
    )


def check_thinking_type(request: ParsedRequest) -> str | None:
    """Return the error message for a type of thinking that the model does not support, or None."""
    kind, known = request.thinking_type, request.model.thinking
    if kind is None or kind in known or kind == "disabled":
        return None
    if not set(known) - {"disabled"}:
        return f"'{request.body['model']}' does not support thinking."
    if kind == "adaptive":
        return "adaptive thinking is not supported on this model"
    return (
        f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.adaptive" and '
        '"output_config.effort" to control thinking behavior.'
    )


def check_temperature_while_thinking(request: ParsedRequest) -> str | None:
    """Return the error message for a temperature other than 1 while the model thinks, or None."""
    if request.thinking_type not in ("enabled", "adaptive") or request.body.get("temperature") in (None, 1):
        return None
    mode = " or in adaptive mode" if request.thinking_type == "adaptive" else ""
    return (
        f"`temperature` may only be set to 1 when thinking is enabled{mode}. "
        f"{_THINKING_DOCUMENTATION}#important-considerations-when-using-extended-thinking"
    )


def check_sampling_while_thinking(request: ParsedRequest) -> str | None:
    """Return the error message for a top_k, or a top_p below 0.95, while the model thinks, or None."""
    if request.thinking_type not in ("enabled", "adaptive"):
        return None
    words = f"when thinking is enabled. {_THINKING_DOCUMENTATION}#important-considerations-when-using-extended-thinking"
    if request.body.get("top_k") is not None:
        return f"`top_k` must be unset {words}"
    top_p = request.body.get("top_p")
    if top_p is not None and top_p < _MIN_TOP_P_WHILE_THINKING:
        return f"`top_p` must be greater than or equal to {_MIN_TOP_P_WHILE_THINKING} or unset {words}"
    return None


def check_stop_sequences(request: ParsedRequest) -> str | None:
    """Return the error message for a stop sequence that is empty or only white space, or None."""
    if all(sequence.strip() for sequence in request.body.get("stop_sequences") or ()):
        return None
    return "stop_sequences: each stop sequence must contain non-whitespace"


def check_tool_choice_while_thinking(request: ParsedRequest) -> str | None:
    """Return the error message for a tool choice that forces a call although there is a thinking budget, or None.

    Adaptive thinking allows forced calls (recorded, 2026-02).
    """
    forced = (request.body.get("tool_choice") or {}).get("type") in ("any", "tool")
    if not forced or request.thinking_type != "enabled":
        return None
    return "Thinking may not be enabled when tool_choice forces tool use."


def check_effort_level(request: ParsedRequest) -> str | None:
    """Return the error message for an effort level that the model does not support, or None."""
    effort = (request.body.get("output_config") or {}).get("effort")
    known = request.model.efforts
    if effort is None or effort in known:
        return None
    if not known:
        return "This model does not support the effort parameter."
    return f"This model does not support effort level '{effort}'. Supported levels: {', '.join(sorted(known))}."


def check_prompt_length(request: ParsedRequest) -> str | None:
    """Return the error message for a prompt that alone is longer than the context window, or None."""
    window = _context_window(request)
    if request.input_tokens <= window:
        return None
    return f"prompt is too long: {request.input_tokens} tokens > {window} maximum"


def check_context_window(request: ParsedRequest) -> str | None:
    """Return the error message for a prompt that does not fit into the context window together with `max_tokens`, or
    None.

    Only some models check this; see `refuses_context_overflow`.
    """
    wanted, window = request.body.get("max_tokens", 0), _context_window(request)
    if not catalogue.refuses_context_overflow(request.model) or _CONTEXT_WINDOW_EXCEEDED_BETA in request.betas:
        return None
    if request.input_tokens + wanted <= window:
        return None
    return (
        f"input length and `max_tokens` exceed context limit: {request.input_tokens} + {wanted} > {window}, decrease "
        "input length or `max_tokens` and try again"
    )


def _has_interleaved_thinking(request: ParsedRequest) -> bool:
    return bool(request.body.get("tools")) and any(beta.startswith("interleaved-thinking-") for beta in request.betas)


def _context_window(request: ParsedRequest) -> int:
    return max(request.model.context_window, _LONG_CONTEXT_WINDOW if _LONG_CONTEXT_BETA in request.betas else 0)
