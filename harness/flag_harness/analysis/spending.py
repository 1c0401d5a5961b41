"""Spending: what a recorded request would cost if it was sent again, and a cap that is asked first."""

from dataclasses import replace

from flag_harness.analysis.conversation import cost_at_list_price
from flag_harness.analysis.metrics import is_whole, model_of, stated_usage
from flag_harness.cassette import Interaction
from flag_harness.wire.compression import uncompressed
from flag_harness.wire.message import received
from flag_harness.wire.timeline import Request, Response
from flag_harness.wire.usage import Usage

BYTES_A_TOKEN = 2
"""What a token of input counts where none were stated: English has four bytes and more, so it is rarely fewer."""


def expected_cost(interaction: Interaction) -> float | None:
    """US dollars at list price by the recorded usage; `None` where no price is known.

    Only Messages requests cost anything. Where the recorded answer states no usage, or was refused, which it may not be
    again, a token for every two bytes of the request is counted, and all of `max_tokens`; of an answer that was not
    recorded whole, all of `max_tokens` too. What a document behind a URL or a server's tool adds is not known.
    """
    if interaction.request.path.partition("?")[0] != "/v1/messages":
        return 0.0
    answer = received(uncompressed(interaction.response))
    usage = stated_usage(answer) if answer.status == 200 else None
    if usage is None or not is_whole(answer):
        known = usage or Usage(input_tokens=len(interaction.request.body) // BYTES_A_TOKEN)
        usage = replace(known, output_tokens=max(known.output_tokens, _most(interaction)))
    return cost_at_list_price(model_of(interaction.request), usage)


def real_cost(request: Request, response: Response) -> float | None:
    """US dollars at list price by the usage that an answer states; `None` where it states none that has a price.

    What was refused costs nothing.
    """
    answer = received(uncompressed(response))
    if answer.status not in (200, None):
        return 0.0
    return cost_at_list_price(model_of(request), stated_usage(answer))


def _most(interaction: Interaction) -> int:
    most = interaction.value.get("max_tokens") if isinstance(interaction.value, dict) else None
    return most if isinstance(most, int) else 0


class Budget:
    """US dollars that may be spent. What was spent is what answers stated, or else what was expected."""

    def __init__(self, limit: float) -> None:
        self.limit, self.spent = limit, 0.0

    def refusal(self, expected: float | None) -> str:
        """Why a request that is expected to cost so much must not be sent; empty where it may."""
        if expected is None:
            return "no list price is known for its model: nobody could say what it would cost"
        if self.spent >= self.limit or self.spent + expected > self.limit:
            return f"it would cost about ${expected:.4f}; ${self.spent:.4f} of ${self.limit:.2f} are spent"
        return ""

    def spend(self, expected: float | None, real: float | None) -> None:
        """Count a request that was sent."""
        self.spent += real if real is not None else expected or 0.0
