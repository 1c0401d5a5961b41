"""How layers stand before an upstream: the first that answers wins, and nothing below it is asked."""

from collections.abc import Iterable, Sequence

from flag_harness.wire.timeline import Edit, Layer, Piece, Request, Response, Upstream


def ask_layers(request: Request, layers: Sequence[Layer]) -> tuple[Response | None, tuple[Edit, ...]]:
    """Ask the layers, outermost first: the answer of the first that has one, and the edits for it, innermost first."""
    edits: list[Edit] = []
    for layer in layers:
        found = layer(request)
        if isinstance(found, tuple):
            return found, tuple(reversed(edits))
        if found is not None:
            edits.append(found)
    return None, tuple(reversed(edits))


def apply_edits(piece: Piece, edits: Sequence[Edit]) -> Iterable[Piece]:
    """What becomes of one piece on its way out through the edits."""
    pieces: Iterable[Piece] = (piece,)
    for edit in edits:
        pieces = [out for one in pieces for out in edit(one)]
    return pieces


def with_layers(upstream: Upstream, *layers: Layer) -> Upstream:
    """The upstream with layers before it, outermost first. A layer that answers uses up no interaction below it."""

    def answer(request: Request) -> Response:
        ready, edits = ask_layers(request, layers)
        response = upstream(request) if ready is None else ready
        return tuple(out for piece in response for out in apply_edits(piece, edits))

    return answer
