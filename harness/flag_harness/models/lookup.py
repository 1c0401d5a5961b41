"""Look up what the models of `models.toml` accept and cost."""

import difflib
import logging
from functools import cache
from importlib import resources
from typing import Any

from flag_harness.models.model import Model, ModelTable
from flag_harness.models.table import EFFORTS, parse_model_table

DEFAULT_MODEL = "claude-sonnet-5-5"


@cache
def load_model_table() -> ModelTable:
    """Return the table of models that this package ships. The file is read only once."""
    text = resources.files("flag_harness.models").joinpath("models.toml").read_text(encoding="utf-8")
    return parse_model_table(text, "models.toml")


@cache
def find_model(model_id: str) -> Model:
    """Return the model with this id from the shipped table.

    For an unknown id, return a model with cautious defaults (few output tokens, no thinking, no price), and log a
    warning the first time that the id is looked up.
    """
    model = load_model_table().find(model_id)
    if not model.is_known:
        nearest = difflib.get_close_matches(model_id, load_model_table().models, n=1, cutoff=0.0)[0]
        logging.getLogger("flag_harness.models").warning(
            "the table of models has no %r (nearest: %r), so cautious defaults are used: "
            "%d output tokens, cacheable from %d tokens, no thinking, no price",
            model_id,
            nearest,
            model.max_output_tokens,
            model.smallest_cacheable_prefix,
        )
    return model


def effort_for_budget(model: Model, budget: int) -> str | None:
    """Return the value of `output_config.effort` for a thinking budget in tokens, or None if the model has no effort
    levels.

    The API has no such mapping. This one comes from `budget_efforts` in `models.toml`. If the model lacks the level,
    the next lower level that it supports is returned.
    """
    wanted = next((effort for effort, limit in load_model_table().max_budget_by_effort if budget <= limit), EFFORTS[-1])
    not_above = EFFORTS[: EFFORTS.index(wanted) + 1]
    return next((effort for effort in reversed(not_above) if effort in model.efforts), None)


def thinking_parameters(model: Model, budget: int) -> dict[str, Any]:
    """Return the request fields that make a model think for about `budget` tokens: `thinking`, and perhaps
    `output_config`.

    If the model supports adaptive thinking and budgets, adaptive thinking is used, because budgets are deprecated for
    such models. The result is empty for a model that cannot think.
    """
    if "adaptive" in model.thinking:
        effort = effort_for_budget(model, budget)
        return {"thinking": {"type": "adaptive"}} | ({"output_config": {"effort": effort}} if effort else {})
    if "enabled" in model.thinking:
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return {}
