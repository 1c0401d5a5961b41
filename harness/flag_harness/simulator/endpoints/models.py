"""Answers to requests for a token count, for a model, or for a list of models."""

from typing import Any

from flag_harness.models import Model
from flag_harness.simulator import catalogue
from flag_harness.simulator.checking import ModelsRequest
from flag_harness.simulator.endpoints.paging import make_list_page
from flag_harness.simulator.rules import ParsedRequest

_UNKNOWN_DATE = "1970-01-01T00:00:00Z"


def answer_model_request(request: ParsedRequest | ModelsRequest) -> dict[str, Any]:
    """Return the JSON body of the answer to a valid request: a token count, a model, or a page of models."""
    if isinstance(request, ParsedRequest):
        return {"input_tokens": request.input_tokens}
    found = catalogue.find_served_model(request.model_id)
    return _model_page(request) if found is None else _model_entry(found)


def _model_page(request: ModelsRequest) -> dict[str, Any]:
    """Return the page of the list of models that a request asks for."""
    return make_list_page(
        catalogue.listed_models(),
        _model_entry,
        lambda model: (model.id, *model.aliases),
        limit=request.page_size,
        after_name=request.after_id,
        before_name=request.before_id,
    )


def _model_entry(model: Model) -> dict[str, Any]:
    """Return a model as the API lists it.

    Its `created_at` is 1970-01-01, as documented for an unknown release date.
    """
    name = catalogue.full_model_id(model)
    return {
        "type": "model",
        "id": name,
        "display_name": _display_name_of_model(model.id),
        "created_at": _UNKNOWN_DATE,
        "lifecycle": "active",
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output_tokens,
    }


def _display_name_of_model(name: str) -> str:
    """Return the display name of a model, such as `Claude Opus 4.8` for `claude-opus-4-8`."""
    words = [part for part in name.split("-") if len(part) < 8]
    numbers = ".".join(word for word in words if word.isdigit())
    return " ".join([*(word.capitalize() for word in words if not word.isdigit()), numbers]).strip()
