"""Layers in front of an upstream. If a layer answers a request, the layers and the upstream behind it do not get it."""

from collections.abc import Iterable, Sequence

from flag_harness.wire.timeline import Edit, Layer, Piece, Request, Response, Upstream


def pass_request_to_layers(request: Request, layers: Sequence[Layer]) -> tuple[Response | None, tuple[Edit, ...]]:
    """Pass a request to the layers, outermost first, until one answers.

    Return this answer (None if no layer answers), and the edits with which the layers before it change answers. The
    innermost edit comes first.
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
    """Apply the edits one after another to a piece of a response, and return the resulting pieces."""
    pieces: Iterable[Piece] = (piece,)
    for edit in edits:
        pieces = [out for part in pieces for out in edit(part)]
    return pieces


def faulty(upstream: Upstream, *layers: Layer) -> Upstream:
    """Put layers, such as faults, recorders and logs, in front of an upstream, outermost first.

    If a layer answers a request itself, the cassette or simulator behind it does not use up an interaction.
    """

    def answer_through_layers(request: Request) -> Response:
        ready, edits = pass_request_to_layers(request, layers)
        response = upstream(request) if ready is None else ready
        return tuple(out for piece in response for out in apply_edits(piece, edits))

    return answer_through_layers
