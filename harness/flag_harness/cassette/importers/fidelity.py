"""The words of an envelope's `fidelity`: what in an imported cassette is not the API's own."""

from typing import Final

TIMING_INVENTED: Final = "timing-invented"
"""The source has no times: every offset is 0."""
CHUNKS_INVENTED: Final = "chunks-invented"
"""The source has no chunks: each event of a stream becomes a chunk."""
DECOMPRESSED: Final = "decompressed"
"""The API sent a compressed body; it is stored plain, without `content-encoding`."""
STILL_ENCODED: Final = "still-encoded"
"""The body has an encoding that cannot be read here; it is stored unchanged, with its `content-encoding`."""
REQUEST_RESERIALISED: Final = "request-reserialised"
"""The source has a parsed request: the values are the client's, the bytes are not."""
RESPONSE_RESERIALISED: Final = "response-reserialised"
"""The source has a parsed response, or a stream whose events have lost the API's padding."""
REQUEST_BODY_MISSING: Final = "request-body-missing"
"""The source has no body for a request that must have had one."""
REQUEST_HEADERS_DROPPED: Final = "request-headers-dropped"
"""The source has no request headers, so the betas are unknown."""
RESPONSE_HEADERS_DROPPED: Final = "response-headers-dropped"
"""The source lacks response headers: there is no `request-id`, which the API always sends."""
CONTENT_TYPE_INVENTED: Final = "content-type-invented"
"""The source lacks the content type of a response; it was derived from the body."""
INTERACTIONS_LEFT_OUT: Final = "interactions-left-out"
"""Requests to other services were left out."""

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
"""All words, in the order in which an envelope lists them."""
