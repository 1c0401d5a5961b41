"""Ids that the API gave out and that come back in a later request.

Two sub-agents that asked the same are answered with different ids, and a replay may give either the other's. So an id
takes part in matching not by its name but by where it came from: as the nth id of its kind in the answer to a certain
request. Ids in the answers to equal requests are therefore equal, those in the answers to different requests never are;
and within one request, different ids stay different. Ids that no recorded answer held are compared as they are.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

from flag_harness.wire.timeline import Head, Response, response_body

_MEMBER = b'id":'
"""How a member of a JSON object goes on whose name is `id`, `request_id`, `file_id`, `tool_use_id`."""
_VALUE = re.compile(rb' *"([A-Za-z0-9_-]{6,128})"')
_WORD = re.compile(rb"(?:(?<![A-Za-z0-9_\\-])|(?<=\\[bfnrt]))[A-Za-z0-9_-]{6,128}")
_WORD_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_ESCAPES = frozenset({rb"\b", rb"\f", rb"\n", rb"\r", rb"\t"})
_MOST_KINDS = 16
"""Kinds of ids up to which a text is searched for one kind after the other; beyond, it is read word by word."""
_START = 4
"""Leading bytes by which ids are told apart to be searched for: `msg_`, `tool`."""


Source: TypeAlias = tuple[int, bytes, int]
"""Where an id came from: the interaction, the id's kind, and its number among those of its kind."""
Found: TypeAlias = tuple[int, bytes]
"""Where an id starts, and the id."""


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
        return _spliced(content, found, self._names).decode("utf-8", "surrogatepass")


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
        for _, one in found:
            if one not in names and one in sources:
                if sources[one][0] >= place:
                    del sources[one]
                else:
                    names[one] = _name(sources[one], keys)
        keys.append(hashed(_renamed(content, [one for one in found if one[1] in names], names) if found else content))
    return keys, Bindings(_interchangeable(names, sources, keys))


def given_ids(response: Response) -> Iterator[bytes]:
    """The ids that an answer gives: its `request-id`, then the values of all members whose names end in `id`."""
    head = response[0] if response else None
    for name, value in head.headers if isinstance(head, Head) else ():
        if name == "request-id" and _WORD.fullmatch(one := value.encode("latin-1", "replace")):
            yield one
    content = response_body(response)
    position = content.find(_MEMBER)
    while position >= 0:
        if match := _VALUE.match(content, position + len(_MEMBER)):
            yield match[1]
        position = content.find(_MEMBER, position + len(_MEMBER))


class _Search:
    """Finds ids as whole words: fast where they are of few kinds, however many ids there are."""

    def __init__(self, ids: Collection[bytes]) -> None:
        self._ids = ids
        groups = (list(members) for _, members in groupby(sorted(ids), lambda one: one[:_START]))
        self._starts = {_common_start(members): sorted(set(map(len, members))) for members in groups}

    def __call__(self, content: bytes) -> list[Found]:
        if len(self._starts) > _MOST_KINDS:
            words = ((match.start(), match[0]) for match in _WORD.finditer(content))
            return [word for word in words if word[1] in self._ids]
        found: list[Found] = []
        for common, lengths in self._starts.items():
            start = content.find(common)
            while start >= 0:
                for length in lengths:
                    one = content[start : start + length]
                    if one in self._ids and _is_word(content, start, start + length):
                        found.append((start, one))
                start = content.find(common, start + 1)
        found.sort()
        return found


def _sources(responses: Sequence[Response]) -> dict[bytes, Source]:
    """Where each id was given first."""
    sources: dict[bytes, Source] = {}
    for place, response in enumerate(responses):
        counts: dict[bytes, int] = {}
        for one in given_ids(response):
            if one not in sources:
                kind = one[: one.find(b"_") + 1]  # `toolu_` of `toolu_01A...`; nothing where it names no kind
                counts[kind] = number = counts.get(kind, -1) + 1
                sources[one] = (place, kind, number)
    return sources


def _interchangeable(
    names: Mapping[bytes, bytes], sources: Mapping[bytes, Source], keys: Sequence[bytes]
) -> dict[bytes, bytes]:
    """The names of the ids that some request sends back, and of those that may stand in their place."""
    if not names:
        return {}
    kinds, sent_back = {sources[one][1] for one in names}, set(names.values())
    named = ((one, _name(source, keys)) for one, source in sources.items() if source[1] in kinds)
    return {one: name for one, name in named if name in sent_back}


def _common_start(members: Sequence[bytes]) -> bytes:
    """What all members, in order, begin with: that of the first and of the last."""
    first, last = members[0], members[-1]
    different = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(different, len(first))]


def _name(source: Source, keys: Sequence[bytes]) -> bytes:
    """A name that no JSON holds: its first byte stands in none."""
    place, kind, number = source
    return b"\x01%b:%b:%d" % (keys[place].hex().encode(), kind, number)


def _renamed(content: bytes, found: Sequence[Found], names: Mapping[bytes, bytes]) -> bytes:
    if not found:
        return content
    counts: dict[bytes, int] = {}
    numbered: dict[bytes, bytes] = {}
    for _, one in found:
        if one not in numbered:
            name = names[one]
            counts[name] = number = counts.get(name, -1) + 1
            numbered[one] = b"%b:%d\x02" % (name, number)
    return _spliced(content, found, numbered)


def _is_word(content: bytes, start: int, stop: int) -> bool:
    """Whether nothing before and after belongs to the same word; an escape in a JSON string does not."""
    before = start > 0 and content[start - 1] in _WORD_BYTES and content[max(start - 2, 0) : start] not in _ESCAPES
    return not before and (stop == len(content) or content[stop] not in _WORD_BYTES)


def _spliced(content: bytes, found: Sequence[Found], new: Mapping[bytes, bytes]) -> bytes:
    parts, position = [], 0
    for start, one in found:
        parts += [content[position:start], new[one]]
        position = start + len(one)
    return b"".join([*parts, content[position:]])
