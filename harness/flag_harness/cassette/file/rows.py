"""The structure of a cassette file's JSON, as msgspec structs."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from flag_harness.cassette.match.matching import MatchPart
from flag_harness.wire.origin import UpstreamName


class StoredMetadata(Struct, forbid_unknown_fields=True):
    """The description of a recording (see `CassetteMetadata`), in the form in which a cassette file stores it."""

    format: int
    upstream: UpstreamName
    recorded_at: str
    sdk: str = ""
    case: str = ""
    combination: str = ""
    fidelity: tuple[str, ...] = ()
    match_on: tuple[MatchPart, ...] = ()
    is_rebased: bool = msgspec.field(default=False, name="rebased")
    excluded_from_effects: str = ""
    blobs: str = ""


class StoredRequest(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A request, in the form in which a cassette file stores it. The body is in `json`, `text` or `base64`."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    json: Any = UNSET
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET


class EncodedBytes(Struct, forbid_unknown_fields=True):
    """Binary data, in the form in which a cassette file stores it."""

    base64: str


class StoredResponse(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A response, in the form in which a cassette file stores it.

    `head` has the time and the status. Each chunk has a time and its data or, if the body is in `json`, its length.
    `end` has a time and says how the response ended.
    """

    head: tuple[float, int] | None
    headers: list[tuple[str, str]]
    json: Any = UNSET
    chunks: list[tuple[float, str | int | EncodedBytes]] = []
    end: tuple[float, Literal["end", "abandoned", "reset", "eof", "read_timeout", "refused"]] = (0.0, "end")


class StoredInteraction(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A request and its response, in the form in which a cassette file stores them."""

    request: StoredRequest
    response: StoredResponse
    case: str = ""
    in_teardown: bool = msgspec.field(default=False, name="late")


class CassetteFile(Struct, forbid_unknown_fields=True):
    """The content of a cassette file: metadata, which describes the recording, and the interactions."""

    metadata: StoredMetadata = msgspec.field(name="envelope")
    interactions: list[msgspec.Raw]
    """The interactions as raw JSON. They are decoded one by one, so that the garbage collector has less to look at."""
