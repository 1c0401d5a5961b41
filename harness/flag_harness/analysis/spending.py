"""The cost of sending recorded requests again, and a limit on this cost."""

from dataclasses import replace

from flag_harness.analysis.conversation import cost_at_list_price
from flag_harness.analysis.metrics import is_successful, model_of_request, usage_of_answer
from flag_harness.cassette import Interaction
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Request, Response
from flag_harness.wire.usage import Usage

BYTES_PER_TOKEN = 2
"""The assumed length of a token, for requests whose tokens are unknown.

English text has four bytes or more per token, so the estimate of tokens is rarely too low.
"""


def estimate_cost_of_resending(interaction: Interaction) -> float | None:
    """Return the expected cost in US dollars of sending a recorded request again, or None if its price is unknown.

    Only requests to `/v1/messages` cost anything. If the recorded answer reports its usage and is complete, the usage
    is used. Otherwise the input is estimated from the size of the request, and the output is assumed to be `max_tokens`
    long. Documents behind a URL and server tools can cost more.
    """
    if interaction.request.path.partition("?")[0] != "/v1/messages":
        return 0.0
    answer = parse_response(decompress_response(interaction.response))
    usage = usage_of_answer(answer) if answer.status == 200 else None
    if usage is None or not is_successful(answer):
        known = usage or Usage(input_tokens=len(interaction.request.body) // BYTES_PER_TOKEN)
        usage = replace(known, output_tokens=max(known.output_tokens, _max_tokens(interaction)))
    return cost_at_list_price(model_of_request(interaction.request), usage)


def estimate_input_cost(request: Request) -> float | None:
    """Return the expected cost in US dollars of a request's input, or None if its price is unknown.

    Only requests to `/v1/messages` cost anything. The prices of batches are unknown.
    """
    path = request.path.partition("?")[0]
    if request.method == "POST" and path.endswith("/v1/messages/batches"):
        return None
    if not path.endswith("/v1/messages"):
        return 0.0
    return cost_at_list_price(model_of_request(request), Usage(input_tokens=len(request.body) // BYTES_PER_TOKEN))


def highest_possible_cost(request: Request) -> float | None:
    """Return the cost in US dollars of a request whose answer is `max_tokens` long, or None if its price is unknown."""
    if not request.path.partition("?")[0].endswith("/v1/messages"):
        return estimate_input_cost(request)
    most = decode_json_object(request.body).get("max_tokens")
    usage = Usage(len(request.body) // BYTES_PER_TOKEN, most if isinstance(most, int) else 0)
    return cost_at_list_price(model_of_request(request), usage)


def cost_of_answer(request: Request, response: Response) -> float | None:
    """Return the cost of an answer in US dollars, or None if its usage or the price is unknown.

    A refused request costs nothing.
    """
    answer = parse_response(decompress_response(response))
    if answer.status not in (200, None):
        return 0.0
    return cost_at_list_price(model_of_request(request), usage_of_answer(answer))


def _max_tokens(interaction: Interaction) -> int:
    """Return the `max_tokens` of a recorded request, or 0 if it has none."""
    max_tokens = interaction.decoded_body.get("max_tokens") if isinstance(interaction.decoded_body, dict) else None
    return max_tokens if isinstance(max_tokens, int) else 0


class CostBudget:
    """A limit in US dollars on the cost of requests, and what has been spent of it.

    A request counts with the cost of its answer, or with its expected cost if the former is unknown.
    """

    def __init__(self, limit: float) -> None:
        self.limit, self.spent = limit, 0.0

    def refusal_reason(self, expected_cost: float | None) -> str:
        """Return why a request must not be sent, or an empty string if it may be.

        A request is refused if its expected cost is unknown (None), or more than what is left of the limit.
        """
        if expected_cost is None:
            return "no list price is known for its model, so its cost cannot be estimated"
        if self.spent >= self.limit or self.spent + expected_cost > self.limit:
            return f"it would cost about ${expected_cost:.4f}; ${self.spent:.4f} of ${self.limit:.2f} are spent"
        return ""

    def add_cost(self, expected_cost: float | None, actual_cost: float | None) -> None:
        """Add the cost of a sent request: the actual cost, or the expected cost if `actual_cost` is None."""
        self.spent += actual_cost if actual_cost is not None else expected_cost or 0.0
