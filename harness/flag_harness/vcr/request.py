"""A request in vcrpy's format: what the matchers and the hook `before_record_request` of a test suite receive."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from flag_harness.wire.timeline import Headers, Request

_DEFAULT_PORTS = {"https": 443, "http": 80}


class HeadersDict(MutableMapping[str, str]):
    """Headers with case-insensitive names. Each name is shown in the case in which it was first set.

    If a value is set to a list, only its first element is kept, as in vcrpy.
    """

    def __init__(self, headers: "Mapping[str, str] | Headers" = ()) -> None:
        self._entries: dict[str, tuple[str, str]] = {}
        self.update(headers)

    def __getitem__(self, name: str) -> str:
        return self._entries[name.lower()][1]

    def __setitem__(self, name: str, value: Any) -> None:
        value = value[0] if isinstance(value, (list, tuple)) else value
        entry = self._entries.get(name.lower())
        self._entries[name.lower()] = (entry[0] if entry else name, value)

    def __delitem__(self, name: str) -> None:
        del self._entries[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._entries.values()])

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._values_by_lower_name() == HeadersDict(other)._values_by_lower_name()

    def copy(self) -> "HeadersDict":
        """Return a copy of the headers."""
        return HeadersDict(self)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _values_by_lower_name(self) -> dict[str, str]:
        return {name: value for name, (_, value) in self._entries.items()}


class VcrRequest:
    """A request as vcrpy represents it: `method`, `uri`, `body` (bytes) and `headers`, all of which can be changed."""

    def __init__(self, method: str, uri: str, body: bytes, headers: "Mapping[str, str] | Headers") -> None:
        self.method, self.uri, self.body = method, uri, body
        self.headers = headers

    @classmethod
    def from_request(cls, request: Request) -> "VcrRequest":
        """Convert a request of this package to vcrpy's format. The values of a repeated header are joined."""
        joined: dict[str, str] = {}
        for name, value in request.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return cls(request.method, request.url, request.body, joined)

    @property
    def headers(self) -> HeadersDict:
        """The headers, with case-insensitive names."""
        return self._headers

    @headers.setter
    def headers(self, headers: "Mapping[str, str] | Headers") -> None:
        self._headers = headers if isinstance(headers, HeadersDict) else HeadersDict(headers)

    @property
    def body(self) -> bytes:
        """The body as bytes. If set to text, it is encoded as UTF-8; if set to None, it becomes empty."""
        return self._body

    @body.setter
    def body(self, body: bytes | str | None) -> None:
        self._body = body.encode("utf-8") if isinstance(body, str) else body or b""

    @property
    def parsed_uri(self) -> SplitResult:
        """The URL, split into its parts. Raise `ValueError` if the URL is invalid."""
        return urlsplit(self.uri)

    @property
    def scheme(self) -> str:
        """The scheme, such as `https`."""
        return self.parsed_uri.scheme

    protocol = scheme

    @property
    def host(self) -> str | None:
        """The host's name, in lower case."""
        return self.parsed_uri.hostname

    @property
    def port(self) -> int | None:
        """The port in the URL, or else the default port of `https` or `http`; None for any other scheme."""
        return self.parsed_uri.port or _DEFAULT_PORTS.get(self.scheme)

    @property
    def path(self) -> str:
        """The path without its query."""
        return self.parsed_uri.path

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's parameters, sorted."""
        return sorted(parse_qsl(self.parsed_uri.query))

    @property
    def url(self) -> str:
        """The URL, the same as `uri`."""
        return self.uri

    def _to_dict(self) -> dict[str, Any]:
        """Return the request as a dictionary for storage.

        It has the name of vcrpy's own method, which persisters call.
        """
        headers = {name: [value] for name, value in self.headers.items()}
        return {"method": self.method, "uri": self.uri, "body": self.body, "headers": headers}

    def __repr__(self) -> str:
        return f"<Request ({self.method}) {self.uri}>"
