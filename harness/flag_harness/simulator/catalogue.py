"""The models of the simulated API: those of `flag_harness.models`, and retired ones that recordings still name."""

from collections.abc import Mapping
from functools import cache

from flag_harness.models import Model, shipped

_THINKS = frozenset({"enabled", "disabled"})
_SAYS_NOTHING: frozenset[str] = frozenset()
_CONTEXT_WINDOW = 200_000

_OPUS_4_1 = "claude-opus-4-1-20250805"
_RETIRED: Mapping[str, tuple[tuple[str, ...], int, frozenset[str], int]] = {
    "claude-2.0": ((), 4_096, _SAYS_NOTHING, 0),
    "claude-2.1": ((), 4_096, _SAYS_NOTHING, 0),
    "claude-instant-1.2": ((), 4_096, _SAYS_NOTHING, 0),
    "claude-3-haiku-20240307": ((), 4_096, _SAYS_NOTHING, 2_048),
    "claude-3-sonnet-20240229": ((), 4_096, _SAYS_NOTHING, 0),
    "claude-3-opus-20240229": (("claude-3-opus-latest",), 4_096, _SAYS_NOTHING, 1_024),
    "claude-3-5-sonnet-20240620": ((), 8_192, _SAYS_NOTHING, 1_024),
    "claude-3-5-sonnet-20241022": (("claude-3-5-sonnet-latest",), 8_192, _SAYS_NOTHING, 1_024),
    "claude-3-5-haiku-20241022": (("claude-3-5-haiku-latest",), 8_192, _SAYS_NOTHING, 2_048),
    "claude-3-7-sonnet-20250219": (("claude-3-7-sonnet-latest",), 64_000, _THINKS, 1_024),
    "claude-sonnet-4-20250514": (("claude-sonnet-4-0", "claude-4-sonnet-20250514"), 64_000, _THINKS, 1_024),
    "claude-opus-4-20250514": (("claude-opus-4-0", "claude-4-opus-20250514"), 32_000, _THINKS, 1_024),
    _OPUS_4_1: (("claude-opus-4-1",), 32_000, _THINKS, 1_024),
}
"""Other names, most output tokens, kinds of thinking, smallest cacheable prefix: the models overview and the prompt
caching page of 2024 and 2025, the SDK's types; 0 where the model does not cache."""

NEVER_CACHES = 1 << 62


def find(model_id: str) -> Model | None:
    """The model of this id or alias; None where the API has none of this name (a 404).

    A model whose dated names are known has no others.
    """
    found = shipped().find(model_id)
    if not found.known or (found.aliases and model_id not in (found.id, *found.aliases)):
        return _retired().get(model_id)
    return found


def full_id(model: Model) -> str:
    """The id that answers name: `claude-haiku-4-5-20251001` for Haiku 4.5, whatever alias was asked for."""
    return next((name for name in (model.id, *model.aliases) if name[-8:].isdigit()), model.id)


def listed() -> tuple[Model, ...]:
    """The models that `GET /v1/models` lists, in the table's order."""
    return tuple(shipped().models.values())


def refuses_overflow(model: Model) -> bool:
    """Whether max_tokens counts against the window: from Claude 3.7 to Opus 4.1 (documented: context windows)."""
    return model.id in _RETIRED and "enabled" in model.thinking


def samples_one_way(model: Model) -> bool:
    """Whether it takes temperature or top_p, not both: from Opus 4.1 to Claude 4.6 (quoted by users, 2025-10)."""
    return "enabled" in model.thinking and (model.id not in _RETIRED or model.id == _OPUS_4_1)


@cache
def _retired() -> dict[str, Model]:
    known: dict[str, Model] = {}
    for name, (aliases, most, thinking, prefix) in _RETIRED.items():
        model = Model(
            id=name,
            aliases=aliases,
            thinking=thinking,
            max_output_tokens=most,
            context_window=_CONTEXT_WINDOW,
            smallest_cacheable_prefix=prefix or NEVER_CACHES,
        )
        known.update(dict.fromkeys((name, *aliases), model))
    return known
