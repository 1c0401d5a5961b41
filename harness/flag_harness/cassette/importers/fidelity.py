"""The words in an envelope's `fidelity`, each for something that did not come from the API."""

from typing import Final

TIMING_INVENTED: Final = "timing-invented"
"""The imported file has no times, so every time is 0."""
CHUNKS_INVENTED: Final = "chunks-invented"
"""The imported file has no chunks, so each event of a stream becomes a chunk."""
DECOMPRESSED: Final = "decompressed"
"""The API sent a compressed body, which is stored decompressed, without `content-encoding`."""
STILL_ENCODED: Final = "still-encoded"
"""The body has an unreadable encoding, so it is stored unchanged, with its `content-encoding`."""
REQUEST_RESERIALISED: Final = "request-reserialised"
"""The imported file holds parsed request bodies: the values are the client's, the bytes may differ."""
RESPONSE_RESERIALISED: Final = "response-reserialised"
"""The imported file holds parsed responses, or streams whose events lack the API's padding."""
REQUEST_BODY_MISSING: Final = "request-body-missing"
"""The imported file has no body for a request that must have had one."""
REQUEST_HEADERS_DROPPED: Final = "request-headers-dropped"
"""The imported file has no request headers, so the beta features are unknown."""
RESPONSE_HEADERS_DROPPED: Final = "response-headers-dropped"
"""The imported file lacks response headers such as `request-id`, which the API always sends."""
CONTENT_TYPE_INVENTED: Final = "content-type-invented"
"""The imported file lacks the content type of a response, so it was derived from the body."""
INTERACTIONS_LEFT_OUT: Final = "interactions-left-out"
"""Requests to other services were left out."""

FIDELITY_WORDS = (
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
"""All words of `fidelity`, in the order in which an envelope lists them."""
