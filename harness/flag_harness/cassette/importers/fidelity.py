"""The words for the list `fidelity` in the metadata of an imported cassette.

Each word names something in the cassette that is not as the API sent it, because the imported file does not have it.
"""

from typing import Final

TIMING_INVENTED: Final = "timing-invented"
"""The imported file has no times, so all times in the cassette are 0."""
CHUNKS_INVENTED: Final = "chunks-invented"
"""The imported file does not say how streams were split into chunks, so each event is a chunk."""
DECOMPRESSED: Final = "decompressed"
"""The API sent a compressed body, which is stored decompressed, without `content-encoding`."""
STILL_ENCODED: Final = "still-encoded"
"""The body has an unreadable encoding, so it is stored unchanged, with its `content-encoding`."""
REQUEST_RESERIALISED: Final = "request-reserialised"
"""The imported file has request bodies as parsed values. The values are the client's, but the bytes may differ."""
RESPONSE_RESERIALISED: Final = "response-reserialised"
"""The imported file has responses as parsed values, or streams without the spaces with which the API pads events."""
REQUEST_BODY_MISSING: Final = "request-body-missing"
"""The imported file has no body for a request that must have had a body."""
REQUEST_HEADERS_DROPPED: Final = "request-headers-dropped"
"""The imported file has no request headers, so the beta features are unknown."""
RESPONSE_HEADERS_DROPPED: Final = "response-headers-dropped"
"""The imported file lacks response headers that the API always sends, such as `request-id`."""
CONTENT_TYPE_INVENTED: Final = "content-type-invented"
"""The imported file lacks the content type of a response, so it was derived from the body."""
INTERACTIONS_LEFT_OUT: Final = "interactions-left-out"
"""Requests to other services than the API were left out of the cassette."""

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
"""All words of `fidelity`, in the order in which the metadata of a cassette lists them."""
