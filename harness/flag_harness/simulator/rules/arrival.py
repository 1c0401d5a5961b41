"""Rules about a request as it arrives: path, method, size, key, version, content type, betas, and page of models."""

from flag_harness.simulator import catalogue
from flag_harness.simulator.rules.asked import Arrived
from flag_harness.simulator.rules.betas import KNOWN_BETAS
from flag_harness.wire.timeline import header

MAXIMUM_BYTES = 32 * 1024 * 1024
"""Documented for /v1/messages; the edge refuses what is larger."""
MOST_MODELS = 1000
"""Models a page at most (documented)."""


def known_path(arrived: Arrived) -> str | None:
    """There are messages, count_tokens and models here."""
    return None if arrived.shape or arrived.listed is not None else "Not found"


def known_method(arrived: Arrived) -> str | None:
    """Bodies are posted, models are got."""
    return None if arrived.request.method == ("POST" if arrived.shape else "GET") else "Method Not Allowed"


def size(arrived: Arrived) -> str | None:
    """A body is not larger than the edge lets through."""
    return None if len(arrived.request.body) <= MAXIMUM_BYTES else "Request exceeds the maximum size"


def right_key(arrived: Arrived) -> str | None:
    """Where a scenario has keys, the key is one of them."""
    wrong = arrived.scenario.keys and arrived.key and arrived.key not in arrived.scenario.keys
    return "invalid x-api-key" if wrong else None


def some_key(arrived: Arrived) -> str | None:
    """There is a key."""
    return None if arrived.key else "x-api-key header is required"


def version(arrived: Arrived) -> str | None:
    """There is a version; which one takes no part."""
    return None if header(arrived.request.headers, "anthropic-version") else "anthropic-version: header is required"


def content_type(arrived: Arrived) -> str | None:
    """A body is JSON, and says so."""
    kind = header(arrived.request.headers, "content-type").partition(";")[0].strip().lower()
    return None if not arrived.request.body or kind == "application/json" else "content-type: must be application/json"


def known_betas(arrived: Arrived) -> str | None:
    """Every beta is known, and none is one that the scenario refuses."""
    refused = arrived.scenario.refused_betas
    unknown = [beta for beta in arrived.betas if beta not in KNOWN_BETAS or beta in refused]
    if not unknown:
        return None
    names = ", ".join(f"`{beta}`" for beta in unknown)
    return (
        f"Unexpected value(s) {names} for the `anthropic-beta` header. Please consult our documentation at "
        "docs.claude.com or try again without the header."
    )


def page_size(arrived: Arrived) -> str | None:
    """A page has from one to a thousand models."""
    limit = arrived.query("limit")
    if not limit:
        return None
    if not limit.removeprefix("-").isdecimal():
        return "limit: Input should be a valid integer, unable to parse string as an integer"
    if int(limit) < 1:
        return "limit: Input should be greater than or equal to 1"
    return f"limit: Input should be less than or equal to {MOST_MODELS}" if int(limit) > MOST_MODELS else None


def listed_models_exist(arrived: Arrived) -> str | None:
    """The model that is asked for exists, and so does the one that a page is to follow or to precede."""
    names = (arrived.listed, arrived.query("after_id"), arrived.query("before_id"))
    return next((f"model: {name}" for name in names if name and not catalogue.find(name)), None)
