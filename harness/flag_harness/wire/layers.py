"""Layers before an upstream: the first layer that answers wins, and what is below it gets no request."""

from collections.abc import Iterable, Sequence

from flag_harness.wire.timeline import Edit, Layer, Piece, Request, Response, Upstream


def ask_layers(request: Request, layers: Sequence[Layer]) -> tuple[Response | None, tuple[Edit, ...]]:
    """Pass a request to the layers, outermost first; return the first answer, and the edits for it, innermost first."""
    edits: list[Edit] = []
    for layer in layers:
        found = layer(request)
        if isinstance(found, tuple):
            return found, tuple(reversed(edits))
        if found is not None:
            edits.append(found)
    return None, tuple(reversed(edits))


def apply_edits(piece: Piece, edits: Sequence[Edit]) -> Iterable[Piece]:
    """Apply the edits in turn to one piece of a response; return the pieces that result."""
    pieces: Iterable[Piece] = (piece,)
    for edit in edits:
        pieces = [out for part in pieces for out in edit(part)]
    return pieces


def faulty(upstream: Upstream, *layers: Layer) -> Upstream:
    """Return an upstream with layers before it, outermost first: faults, recorders, logs of the traffic.

    If a layer answers a request itself, the cassette or simulator below it uses up no interaction.
    """

    def answer(request: Request) -> Response:
        ready, edits = ask_layers(request, layers)
        response = upstream(request) if ready is None else ready
        return tuple(out for piece in response for out in apply_edits(piece, edits))

    return answer
