"""Ids that the API gave out and that come back in a later request.

Two sub-agents that asked the same are answered with different ids, and a replay may give either the other's. So an id
takes part in matching not by its name but by where it came from: as the nth id of its kind in the answer to a certain
request. Ids in the answers to equal requests are therefore equal, those in the answers to different requests never are;
and within one request, different ids stay different. Ids that no recorded answer held are compared as they are.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from harness.wire.timeline import Head, Response, body

_MEMBER = b'id":'
"""How a member of a JSON object goes on whose name is `id`, `request_id`, `file_id`, `tool_use_id`."""
_VALUE = re.compile(rb' *"([A-Za-z0-9_-]{6,128})"')
_WORD = re.compile(rb"(?:(?<![A-Za-z0-9_\\-])|(?<=\\[bfnrt]))[A-Za-z0-9_-]{6,128}")
_WORD_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_ESCAPES = frozenset({rb"\b", rb"\f", rb"\n", rb"\r", rb"\t"})
_MOST_KINDS = 16
"""Kinds of ids up to which a text is searched for one kind after the other; beyond, it is read word by word."""
_PLAIN_START = 4
"""Leading bytes by which ids are searched for that do not name their kind."""


class Source(NamedTuple):
    """Where an id came from: the interaction, the id's kind, and its number among those of its kind."""

    place: int
    kind: bytes
    number: int


class Found(NamedTuple):
    """An id in some bytes."""

    start: int
    stop: int
    id: bytes


class Bindings:
    """The ids of recorded answers that may come back, each with the name under which it is compared."""

    def __init__(self, names: Mapping[bytes, bytes]) -> None:
        self._names = names
        self._search = _Search(names)

    def __bool__(self) -> bool:
        return bool(self._names)

    def bound(self, content: bytes) -> bytes:
        """The content of a request as it is compared: each id by its name, different ids of one name numbered."""
        return _renamed(content, self._search(content), self._names) if self._names else content

    def by_source(self, text: str) -> str:
        """A text with each id by its name alone: equal for texts that only differ in ids of the same source."""
        content = text.encode("utf-8", "surrogatepass")
        if not (self._names and (found := self._search(content))):
            return text
        return _spliced(content, found, [self._names[one.id] for one in found]).decode("utf-8", "surrogatepass")


def bind(
    contents: Iterable[bytes], responses: Sequence[Response], hashed: Callable[[bytes], bytes]
) -> tuple[list[bytes], Bindings]:
    """The keys of recorded requests, by the hash of what is compared, and the bindings for new ones.

    An id that stands in a request before an answer held it did not come from that answer, and is not bound.
    """
    sources = _sources(responses)
    search, names, keys = _Search(sources), dict[bytes, bytes](), list[bytes]()
    for place, content in enumerate(contents):
        found = search(content) if sources else []
        for one in {one.id for one in found}:
            if sources[one].place >= place:
                del sources[one]
            elif one not in names:
                names[one] = _name(sources[one], keys)
        keys.append(hashed(_renamed(content, [one for one in found if one.id in names], names)))
    sent_back = set(names.values())
    every = ((one, _name(source, keys)) for one, source in sources.items()) if sent_back else ()
    return keys, Bindings({one: name for one, name in every if name in sent_back})


def given_ids(response: Response) -> Iterator[bytes]:
    """The ids that an answer gives: its `request-id`, then the values of all members whose names end in `id`."""
    head = response[0] if response else None
    for name, value in head.headers if isinstance(head, Head) else ():
        if name == "request-id" and _WORD.fullmatch(one := value.encode("latin-1", "replace")):
            yield one
    content = body(response)
    position = content.find(_MEMBER)
    while position >= 0:
        if match := _VALUE.match(content, position + len(_MEMBER)):
            yield match[1]
        position = content.find(_MEMBER, position + len(_MEMBER))


class _Search:
    """Finds ids as whole words: fast where they are of few kinds, however many ids there are."""

    def __init__(self, ids: Collection[bytes]) -> None:
        self._ids = ids
        kinds: dict[bytes, list[bytes]] = {}
        for one in ids:
            kinds.setdefault(_kind(one) or one[:_PLAIN_START], []).append(one)
        self._starts = {_common_start(members): sorted(set(map(len, members))) for members in kinds.values()}

    def __call__(self, content: bytes) -> list[Found]:
        if len(self._starts) > _MOST_KINDS:
            words = (Found(match.start(), match.end(), match[0]) for match in _WORD.finditer(content))
            return [word for word in words if word.id in self._ids]
        found: list[Found] = []
        for prefix, lengths in self._starts.items():
            start = content.find(prefix)
            while start >= 0:
                for length in lengths:
                    one = content[start : start + length]
                    if one in self._ids and _is_word(content, start, start + length):
                        found.append(Found(start, start + length, one))
                start = content.find(prefix, start + 1)
        found.sort()
        return found


def _sources(responses: Sequence[Response]) -> dict[bytes, Source]:
    """Where each id was given first."""
    sources: dict[bytes, Source] = {}
    for place, response in enumerate(responses):
        counts: dict[bytes, int] = {}
        for one in given_ids(response):
            if one not in sources:
                kind = _kind(one)
                counts[kind] = counts.get(kind, -1) + 1
                sources[one] = Source(place, kind, counts[kind])
    return sources


def _kind(one: bytes) -> bytes:
    """`toolu_` of `toolu_01A...`; nothing of an id that does not name its kind."""
    return one[: one.find(b"_") + 1]


def _common_start(members: Sequence[bytes]) -> bytes:
    """What all members begin with: that of the first and of the last in their order."""
    first, last = min(members), max(members)
    different = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(different, len(first))]


def _name(source: Source, keys: Sequence[bytes]) -> bytes:
    """A name that no JSON holds: its first byte stands in none."""
    return b"\x01%b:%b:%d" % (keys[source.place].hex().encode(), source.kind, source.number)


def _renamed(content: bytes, found: Sequence[Found], names: Mapping[bytes, bytes]) -> bytes:
    if not found:
        return content
    numbers: dict[bytes, dict[bytes, int]] = {}
    new = []
    for one in found:
        ids = numbers.setdefault(names[one.id], {})
        new.append(b"%b:%d\x02" % (names[one.id], ids.setdefault(one.id, len(ids))))
    return _spliced(content, found, new)


def _is_word(content: bytes, start: int, stop: int) -> bool:
    """Whether nothing before and after belongs to the same word; an escape in a JSON string does not."""
    before = start > 0 and content[start - 1] in _WORD_BYTES and content[max(start - 2, 0) : start] not in _ESCAPES
    return not before and (stop == len(content) or content[stop] not in _WORD_BYTES)


def _spliced(content: bytes, found: Sequence[Found], new: Sequence[bytes]) -> bytes:
    parts, position = [], 0
    for one, name in zip(found, new, strict=True):
        parts += [content[position : one.start], name]
        position = one.stop
    return b"".join([*parts, content[position:]])
