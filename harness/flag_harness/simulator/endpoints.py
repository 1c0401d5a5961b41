"""The endpoints beside messages: counting tokens, and the list of models."""

from typing import Any

from flag_harness.models import Model
from flag_harness.simulator import catalogue
from flag_harness.simulator.judging import Listing
from flag_harness.simulator.rules import Asked

_UNKNOWN_DATE = "1970-01-01T00:00:00Z"


def answer(judged: Asked | Listing) -> dict[str, Any]:
    """The body that answers a legal request to one of these endpoints."""
    if isinstance(judged, Asked):
        return {"input_tokens": judged.input_tokens}
    found = catalogue.find(judged.model)
    return _page(judged) if found is None else _described(found)


def _page(asked: Listing) -> dict[str, Any]:
    models = catalogue.listed()
    places = {name: place for place, model in enumerate(models) for name in (model.id, *model.aliases)}
    if asked.before:
        end = places.get(asked.before, 0)
        start = max(0, end - asked.limit)
        more = start > 0
    else:
        start = places.get(asked.after, len(models)) + 1 if asked.after else 0
        end = min(start + asked.limit, len(models))
        more = end < len(models)
    data = [_described(model) for model in models[start:end]]
    return {
        "data": data,
        "has_more": more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def _described(model: Model) -> dict[str, Any]:
    """A model as the API lists it. Release dates are not known here: the epoch, as the API itself says it does then."""
    name = catalogue.full_id(model)
    return {
        "type": "model",
        "id": name,
        "display_name": _display_name(model.id),
        "created_at": _UNKNOWN_DATE,
        "lifecycle": "active",
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output_tokens,
    }


def _display_name(name: str) -> str:
    """`Claude Opus 4.8` for `claude-opus-4-8`."""
    words = [part for part in name.split("-") if len(part) < 8]
    numbers = ".".join(word for word in words if word.isdigit())
    return " ".join([*(word.capitalize() for word in words if not word.isdigit()), numbers]).strip()
