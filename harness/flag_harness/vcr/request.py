"""A request in vcrpy's shape: what matchers and `before_record_request` of a vcrpy suite are handed."""

from collections.abc import Iterator, Mapping, MutableMapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

from flag_harness.wire.timeline import Headers, Request

_PORTS = {"https": 443, "http": 80}


class HeadersDict(MutableMapping[str, str]):
    """Headers by name in any case; a name keeps the case in which it was first set."""

    def __init__(self, headers: "Mapping[str, str] | Headers" = ()) -> None:
        self._held: dict[str, tuple[str, str]] = {}
        self.update(headers)

    def __getitem__(self, name: str) -> str:
        return self._held[name.lower()][1]

    def __setitem__(self, name: str, value: str) -> None:
        held = self._held.get(name.lower())
        self._held[name.lower()] = (held[0] if held else name, value)

    def __delitem__(self, name: str) -> None:
        del self._held[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._held.values()])

    def __len__(self) -> int:
        return len(self._held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._lowered() == HeadersDict(other)._lowered()

    def copy(self) -> "HeadersDict":
        """Another of the same headers."""
        return HeadersDict(self)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _lowered(self) -> dict[str, str]:
        return {name: value for name, (_, value) in self._held.items()}


class VcrRequest:
    """One request, which filters may change: `method`, `uri`, `body` (bytes), `headers`."""

    def __init__(self, method: str, uri: str, body: bytes, headers: "Mapping[str, str] | Headers") -> None:
        self.method, self.uri, self.body = method, uri, body
        self.headers = headers

    @classmethod
    def of(cls, request: Request) -> "VcrRequest":
        """A request of ours, its whole URL kept; of a header that stands twice the values are joined."""
        joined: dict[str, str] = {}
        for name, value in request.headers:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return cls(request.method, request.url, request.body, joined)

    @property
    def headers(self) -> HeadersDict:
        """The headers, by name in any case."""
        return self._headers

    @headers.setter
    def headers(self, headers: "Mapping[str, str] | Headers") -> None:
        self._headers = headers if isinstance(headers, HeadersDict) else HeadersDict(headers)

    @property
    def body(self) -> bytes:
        """The body; text that is set becomes UTF-8, `None` becomes nothing."""
        return self._body

    @body.setter
    def body(self, body: bytes | str | None) -> None:
        self._body = body.encode("utf-8") if isinstance(body, str) else body or b""

    @property
    def parsed_uri(self) -> SplitResult:
        """The URL's parts. Raises `ValueError` where it is none."""
        return urlsplit(self.uri)

    @property
    def scheme(self) -> str:
        """`https`."""
        return self.parsed_uri.scheme

    protocol = scheme

    @property
    def host(self) -> str | None:
        """The host's name, in lower case."""
        return self.parsed_uri.hostname

    @property
    def port(self) -> int | None:
        """The port, of which `https` and `http` have one unless another is said."""
        return self.parsed_uri.port or _PORTS.get(self.scheme)

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
        """The URL, by its other name."""
        return self.uri

    def __repr__(self) -> str:
        return f"<Request ({self.method}) {self.uri}>"
