"""Pass requests through layers to an upstream (a cassette, the simulator or the live API).

A layer, such as a fault or a recorder, can answer a request itself. Then the layers behind it and the upstream do not
get the request.
"""

from collections.abc import Iterable, Sequence

from flag_harness.wire.timeline import Edit, Layer, Piece, Request, Response, Upstream


def pass_request_to_layers(request: Request, layers: Sequence[Layer]) -> tuple[Response | None, tuple[Edit, ...]]:
    """Pass a request to the layers, outermost first, until one of them answers.

    Return `(answer, edits)`. `answer` is None if no layer answers. `edits` are the functions with which the layers
    before the answering one change the answer, those of the innermost layer first.
    """
    edits: list[Edit] = []
    for layer in layers:
        found = layer(request)
        if isinstance(found, tuple):
            return found, tuple(reversed(edits))
        if found is not None:
            edits.append(found)
    return None, tuple(reversed(edits))


def apply_edits(piece: Piece, edits: Sequence[Edit]) -> Iterable[Piece]:
    """Apply the edits, one after another, to one piece of a response, and return the pieces that replace it."""
    pieces: Iterable[Piece] = (piece,)
    for edit in edits:
        pieces = [out for part in pieces for out in edit(part)]
    return pieces


def faulty(upstream: Upstream, *layers: Layer) -> Upstream:
    """Return an upstream that passes each request through layers, such as faults and recorders, before `upstream` gets
    it.

    The first layer is the outermost. A request that a layer answers itself never reaches `upstream`, so a cassette
    there keeps its recorded answer for the next request.
    """

    def answer_through_layers(request: Request) -> Response:
        ready, edits = pass_request_to_layers(request, layers)
        response = upstream(request) if ready is None else ready
        return tuple(out for piece in response for out in apply_edits(piece, edits))

    return answer_through_layers
