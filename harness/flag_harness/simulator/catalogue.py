"""The models that the simulated API serves: those of `flag_harness.models`, and retired ones found in recordings."""

from collections.abc import Mapping
from functools import cache

from flag_harness.models import Model, load_model_table

_THINKING_KINDS_WITH_BUDGET = frozenset({"enabled", "disabled"})
_NO_THINKING: frozenset[str] = frozenset()
_CONTEXT_WINDOW_OF_RETIRED_MODELS = 200_000

_OPUS_4_1_ID = "claude-opus-4-1-20250805"
_FIGURES_BY_RETIRED_MODEL: Mapping[str, tuple[tuple[str, ...], int, frozenset[str], int]] = {
    "claude-2.0": ((), 4_096, _NO_THINKING, 0),
    "claude-2.1": ((), 4_096, _NO_THINKING, 0),
    "claude-instant-1.2": ((), 4_096, _NO_THINKING, 0),
    "claude-3-haiku-20240307": ((), 4_096, _NO_THINKING, 2_048),
    "claude-3-sonnet-20240229": ((), 4_096, _NO_THINKING, 0),
    "claude-3-opus-20240229": (("claude-3-opus-latest",), 4_096, _NO_THINKING, 1_024),
    "claude-3-5-sonnet-20240620": ((), 8_192, _NO_THINKING, 1_024),
    "claude-3-5-sonnet-20241022": (("claude-3-5-sonnet-latest",), 8_192, _NO_THINKING, 1_024),
    "claude-3-5-haiku-20241022": (("claude-3-5-haiku-latest",), 8_192, _NO_THINKING, 2_048),
    "claude-3-7-sonnet-20250219": (("claude-3-7-sonnet-latest",), 64_000, _THINKING_KINDS_WITH_BUDGET, 1_024),
    "claude-sonnet-4-20250514": (
        ("claude-sonnet-4-0", "claude-4-sonnet-20250514"),
        64_000,
        _THINKING_KINDS_WITH_BUDGET,
        1_024,
    ),
    "claude-opus-4-20250514": (
        ("claude-opus-4-0", "claude-4-opus-20250514"),
        32_000,
        _THINKING_KINDS_WITH_BUDGET,
        1_024,
    ),
    _OPUS_4_1_ID: (("claude-opus-4-1",), 32_000, _THINKING_KINDS_WITH_BUDGET, 1_024),
}
"""For each retired model: its aliases, maximum output tokens, types of thinking, and smallest cacheable prefix in
tokens (0 if the model has no prompt cache). Sources: the models overview and the prompt caching page of 2024 and 2025,
and the SDK's types.
"""

PREFIX_LENGTH_THAT_DISABLES_CACHE = 1 << 62
_NEWEST_VERSION = (99, 0)
"""The version assumed for a model whose name contains no number."""


def find_served_model(model_id: str) -> Model | None:
    """Return the model with this id or alias, or None if the API would answer with a 404.

    An id that ends in a date is known only if the model has an alias with that date.
    """
    found = load_model_table().find(model_id)
    if not found.is_known or (found.aliases and model_id not in (found.id, *found.aliases)):
        return _retired_models().get(model_id)
    return found


def full_model_id(model: Model) -> str:
    """Return the model id that answers contain, with a date if the model has one.

    For any alias of Haiku 4.5, this is `claude-haiku-4-5-20251001`.
    """
    return next((name for name in (model.id, *model.aliases) if name[-8:].isdigit()), model.id)


def model_version(model: Model) -> tuple[int, int]:
    """Return the version of a model as two numbers.

    It is `(4, 5)` for `claude-haiku-4-5`, and `(3, 7)` for `claude-3-7-sonnet-20250219`.
    """
    numbers = [int(part) for part in model.id.replace(".", "-").split("-") if part.isdecimal() and len(part) < 8]
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else _NEWEST_VERSION


def listed_models() -> tuple[Model, ...]:
    """Return the models that `GET /v1/models` lists, in order."""
    return tuple(load_model_table().models.values())


def refuses_context_overflow(model: Model) -> bool:
    """Return whether the model refuses a prompt that exceeds its context window only together with `max_tokens`.

    Claude 3.7 to Opus 4.1 refuse this (documented).
    """
    return model.id in _FIGURES_BY_RETIRED_MODEL and "enabled" in model.thinking


def refuses_temperature_with_top_p(model: Model) -> bool:
    """Return whether the model refuses a request with both `temperature` and `top_p`.

    Opus 4.1 to Claude 4.6 refuse this (quoted by users, 2025-10).
    """
    return "enabled" in model.thinking and (model.id not in _FIGURES_BY_RETIRED_MODEL or model.id == _OPUS_4_1_ID)


@cache
def _retired_models() -> dict[str, Model]:
    """Return retired models by id and by alias."""
    known: dict[str, Model] = {}
    for name, (aliases, most, thinking, prefix) in _FIGURES_BY_RETIRED_MODEL.items():
        model = Model(
            id=name,
            aliases=aliases,
            thinking=thinking,
            max_output_tokens=most,
            context_window=_CONTEXT_WINDOW_OF_RETIRED_MODELS,
            smallest_cacheable_prefix=prefix or PREFIX_LENGTH_THAT_DISABLES_CACHE,
        )
        known.update(dict.fromkeys((name, *aliases), model))
    return known
