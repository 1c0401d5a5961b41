"""What each model accepts and costs. `models.toml` has all values, each with its source and the day it was read."""

from flag_harness.models.lookup import (
    DEFAULT_MODEL,
    effort_for_budget,
    find_model,
    load_model_table,
    thinking_parameters,
)
from flag_harness.models.model import Model, ModelTable, SourcedValue, TokenPrices
from flag_harness.models.table import EFFORTS, THINKING_KINDS, parse_model_table

__all__ = [
    "DEFAULT_MODEL",
    "EFFORTS",
    "THINKING_KINDS",
    "Model",
    "ModelTable",
    "SourcedValue",
    "TokenPrices",
    "effort_for_budget",
    "find_model",
    "load_model_table",
    "parse_model_table",
    "thinking_parameters",
]
