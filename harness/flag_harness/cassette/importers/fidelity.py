"""What in an imported cassette is not the API's own: the words that its envelope's `fidelity` may hold."""

from typing import Final

TIMING_INVENTED: Final = "timing-invented"
"""The source keeps no times: every offset is 0."""
CHUNKS_INVENTED: Final = "chunks-invented"
"""The source keeps no chunks: each event of a stream is made a chunk of its own."""
DECOMPRESSED: Final = "decompressed"
"""The API sent a compressed body; it is stored plain, without `content-encoding`."""
STILL_ENCODED: Final = "still-encoded"
"""The body is compressed in a way that is not read here; it is stored as it is, its `content-encoding` too."""
REQUEST_RESERIALISED: Final = "request-reserialised"
"""The source keeps a parsed request: the values are the client's, the bytes are not."""
RESPONSE_RESERIALISED: Final = "response-reserialised"
"""The source keeps a parsed response, or a stream whose events lost the API's padding."""
REQUEST_BODY_MISSING: Final = "request-body-missing"
"""A request that must have had a body has none in the source."""
REQUEST_HEADERS_DROPPED: Final = "request-headers-dropped"
"""The source keeps no headers of a request: whether it asked for betas is not known."""
RESPONSE_HEADERS_DROPPED: Final = "response-headers-dropped"
"""The source left out headers of a response (it has no `request-id`, which the API always sends)."""
CONTENT_TYPE_INVENTED: Final = "content-type-invented"
"""The source left out even the content type of a response; it was told from the body."""
INTERACTIONS_LEFT_OUT: Final = "interactions-left-out"
"""Requests to other services stand in the source and not here."""

WORDS = (
    TIMING_INVENTED,
    CHUNKS_INVENTED,
    DECOMPRESSED,
    STILL_ENCODED,
    REQUEST_RESERIALISED,
    RESPONSE_RESERIALISED,
    REQUEST_BODY_MISSING,
    REQUEST_HEADERS_DROPPED,
    RESPONSE_HEADERS_DROPPED,
    CONTENT_TYPE_INVENTED,
    INTERACTIONS_LEFT_OUT,
)
"""All of them, in the order in which an envelope lists them."""
