"""Make multipart bodies (as in file uploads) comparable, although each has a random boundary."""

import re
from dataclasses import replace

from flag_harness.wire.timeline import Request, header_value

_BOUNDARY_PATTERN = re.compile(r'^multipart/.*;\s*boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
FIXED_BOUNDARY = "boundary"
"""The text that replaces a random boundary while requests are compared."""


def normalise_multipart_boundary(request: Request) -> Request:
    """Replace the random boundary of a multipart request; return any other request unchanged."""
    found = _BOUNDARY_PATTERN.search(header_value(request.headers, "content-type"))
    if found is None:
        return request
    boundary = found[1] or found[2]
    headers = tuple((name, value.replace(boundary, FIXED_BOUNDARY)) for name, value in request.headers)
    body = request.body.replace(b"--" + boundary.encode(), b"--" + FIXED_BOUNDARY.encode())
    return replace(request, headers=headers, body=body)
