"""Multipart bodies (`multipart/form-data`, as in file uploads), whose boundary is random in each request."""

import re
from dataclasses import replace

from flag_harness.wire.timeline import Request, header_value

_BOUNDARY = re.compile(r'^multipart/.*;\s*boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
FIXED_BOUNDARY = "boundary"
"""Replaces the boundary while requests are compared."""


def normalise_boundary(request: Request) -> Request:
    """Replace the boundary in the header and the body of a multipart request; return any other unchanged."""
    found = _BOUNDARY.search(header_value(request.headers, "content-type"))
    if found is None:
        return request
    boundary = found[1] or found[2]
    headers = tuple((name, value.replace(boundary, FIXED_BOUNDARY)) for name, value in request.headers)
    body = request.body.replace(b"--" + boundary.encode(), b"--" + FIXED_BOUNDARY.encode())
    return replace(request, headers=headers, body=body)
