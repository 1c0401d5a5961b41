"""Bodies in parts (`multipart/form-data`, as file uploads are): the line between the parts is made up for each."""

import re
from dataclasses import replace

from flag_harness.wire.timeline import Request, header_value

_BOUNDARY = re.compile(r'^multipart/.*;\s*boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
PLAIN = "boundary"
"""What stands in the place of a boundary while requests are compared."""


def without_boundary(request: Request) -> Request:
    """The request with one boundary for all, in its header and its body; any that is not in parts as it is."""
    found = _BOUNDARY.search(header_value(request.headers, "content-type"))
    if found is None:
        return request
    boundary = found[1] or found[2]
    headers = tuple((name, value.replace(boundary, PLAIN)) for name, value in request.headers)
    body = request.body.replace(b"--" + boundary.encode(), b"--" + PLAIN.encode())
    return replace(request, headers=headers, body=body)
