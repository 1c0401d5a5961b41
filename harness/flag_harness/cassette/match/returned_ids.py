"""Match requests that send back ids, such as `toolu_...`, which the API returned in earlier answers.

Two sub-agents that send equal requests get different ids, and a replay may give one the other's answer. So an id is not
compared itself, but by its source: the nth id of its kind in the answer to a certain request. Ids from the answers to
equal requests therefore count as equal, ids from the answers to different requests do not, and within one request
different ids stay different. Ids that no recorded answer contains are compared unchanged.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

from flag_harness.wire.timeline import Head, Response, body

_END_OF_ID_MEMBER_NAME = b'id":'
"""The text with which the names of members such as `id`, `request_id` and `tool_use_id` end in JSON, with the colon."""
_ID_VALUE_PATTERN = re.compile(rb' *"([A-Za-z0-9_-]{6,128})"')
_ID_WORD_PATTERN = re.compile(rb"(?:(?<![A-Za-z0-9_\\-])|(?<=\\[bfnrt]))[A-Za-z0-9_-]{6,128}")
_BYTES_IN_WORDS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_JSON_ESCAPES_BEFORE_ID = frozenset({rb"\b", rb"\f", rb"\n", rb"\r", rb"\t"})
_MAX_ID_KINDS_SEARCHED_SEPARATELY = 16
"""The most kinds of ids for which a text is searched once per kind. If there are more, it is searched word by word."""
_ID_PREFIX_LENGTH = 4
"""The number of bytes at the start of an id that tell its kind: `msg_`, `tool`."""


IdSource: TypeAlias = tuple[int, bytes, int]
"""Where an id came from: the index of the interaction, the kind of id, and its number among the ids of this kind there.
"""
IdSpan: TypeAlias = tuple[int, bytes]
"""The position of an id in a request: its offset in bytes, and the id itself."""


class IdReplacements:
    """Replaces the ids from recorded answers that requests may send back, so that requests can be compared.

    `name_by_id` has the name that replaces each id. It names the source of the id.
    """

    def __init__(self, name_by_id: Mapping[bytes, bytes]) -> None:
        self._names = name_by_id
        self._find_ids = _KnownIdFinder(name_by_id)

    def __bool__(self) -> bool:
        return bool(self._names)

    def replace_ids(self, content: bytes) -> bytes:
        """Replace each id in a request's content by the name of its source.

        Different ids with the same name are numbered.
        """
        return _replace_by_numbered_names(content, self._find_ids(content), self._names) if self._names else content

    def replace_ids_in_text(self, text: str) -> str:
        """Replace each id in a text by the name of its source, so that texts that differ only in such ids
        become equal.
        """
        content = text.encode("utf-8", "surrogatepass")
        if not (self._names and (found := self._find_ids(content))):
            return text
        return _replace_spans(content, found, self._names).decode("utf-8", "surrogatepass")


def replace_ids_in_match_contents(
    contents: Iterable[bytes], responses: Sequence[Response], hash_content: Callable[[bytes], bytes]
) -> tuple[list[bytes], IdReplacements]:
    """Return `(keys, replacements)`: a hash of each recorded request with its ids replaced, and the ids to replace in
    others.

    `contents` are the bytes by which the recorded requests are compared, and `responses` their answers. An id that
    occurs in a request before it occurs in an answer is not replaced.
    """
    sources = _find_first_sources(responses)
    search, names, keys = _KnownIdFinder(sources), dict[bytes, bytes](), list[bytes]()
    for index, content in enumerate(contents):
        found = search(content) if sources else []
        for _, one in found:
            if one not in names and one in sources:
                if sources[one][0] >= index:
                    del sources[one]
                else:
                    names[one] = _name_for_ids_of_source(sources[one], keys)
        returned = [one for one in found if one[1] in names]
        keys.append(hash_content(_replace_by_numbered_names(content, returned, names)))
    return keys, IdReplacements(_map_ids_to_names(names, sources, keys))


def response_ids(response: Response) -> Iterator[bytes]:
    """Yield the ids in an answer: its `request-id` header, then each JSON member whose name ends in `id`."""
    head = response[0] if response else None
    for name, value in head.headers if isinstance(head, Head) else ():
        if name == "request-id" and _ID_WORD_PATTERN.fullmatch(one := value.encode("latin-1", "replace")):
            yield one
    content = body(response)
    position = content.find(_END_OF_ID_MEMBER_NAME)
    while position >= 0:
        if match := _ID_VALUE_PATTERN.match(content, position + len(_END_OF_ID_MEMBER_NAME)):
            yield match[1]
        position = content.find(_END_OF_ID_MEMBER_NAME, position + len(_END_OF_ID_MEMBER_NAME))


class _KnownIdFinder:
    """Finds occurrences of known ids that are whole words of a text. It is fast for many ids of few kinds."""

    def __init__(self, ids: Collection[bytes]) -> None:
        self._ids = ids
        groups = (list(members) for _, members in groupby(sorted(ids), lambda one: one[:_ID_PREFIX_LENGTH]))
        self._id_starts = {_common_prefix(members): sorted(set(map(len, members))) for members in groups}

    def __call__(self, content: bytes) -> list[IdSpan]:
        """Return the known ids in `content` with their offsets, sorted by offset."""
        if len(self._id_starts) > _MAX_ID_KINDS_SEARCHED_SEPARATELY:
            words = ((match.start(), match[0]) for match in _ID_WORD_PATTERN.finditer(content))
            return [word for word in words if word[1] in self._ids]
        found: list[IdSpan] = []
        for common, lengths in self._id_starts.items():
            start = content.find(common)
            while start >= 0:
                for length in lengths:
                    one = content[start : start + length]
                    if one in self._ids and _is_whole_word(content, start, start + length):
                        found.append((start, one))
                start = content.find(common, start + 1)
        found.sort()
        return found


def _find_first_sources(responses: Sequence[Response]) -> dict[bytes, IdSource]:
    """Return the source of each id in the responses: the place where the id occurs first."""
    sources: dict[bytes, IdSource] = {}
    for index, response in enumerate(responses):
        counts: dict[bytes, int] = {}
        for one in response_ids(response):
            if one not in sources:
                kind = one[: one.find(b"_") + 1]  # `toolu_` of `toolu_01A...`; empty without an underscore
                counts[kind] = number = counts.get(kind, -1) + 1
                sources[one] = (index, kind, number)
    return sources


def _map_ids_to_names(
    name_by_id: Mapping[bytes, bytes], source_by_id: Mapping[bytes, IdSource], keys: Sequence[bytes]
) -> dict[bytes, bytes]:
    """Return the name of each id that recorded requests sent back, and of each id that a replay may return in its
    place.

    `name_by_id` has the names of the ids that were sent back, `source_by_id` says where each id came from, and `keys`
    are the hashes of the requests.
    """
    if not name_by_id:
        return {}
    kinds, sent_back = {source_by_id[one][1] for one in name_by_id}, set(name_by_id.values())
    named = ((one, _name_for_ids_of_source(source, keys)) for one, source in source_by_id.items() if source[1] in kinds)
    return {one: name for one, name in named if name in sent_back}


def _common_prefix(sorted_ids: Sequence[bytes]) -> bytes:
    """Return the bytes with which all of the sorted byte strings begin."""
    first, last = sorted_ids[0], sorted_ids[-1]
    different = (index for index, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(different, len(first))]


def _name_for_ids_of_source(source: IdSource, keys: Sequence[bytes]) -> bytes:
    """Return the name that replaces all ids from one source. It begins with a byte that no JSON contains.

    `keys` are the hashes of the recorded requests; equal requests give equal names.
    """
    index, kind, number = source
    return b"\x01%b:%b:%d" % (keys[index].hex().encode(), kind, number)


def _replace_by_numbered_names(content: bytes, spans: Sequence[IdSpan], name_by_id: Mapping[bytes, bytes]) -> bytes:
    """Replace the ids in `spans` by their names. Different ids with the same name get different numbers."""
    if not spans:
        return content
    counts: dict[bytes, int] = {}
    numbered: dict[bytes, bytes] = {}
    for _, one in spans:
        if one not in numbered:
            name = name_by_id[one]
            counts[name] = number = counts.get(name, -1) + 1
            numbered[one] = b"%b:%d\x02" % (name, number)
    return _replace_spans(content, spans, numbered)


def _is_whole_word(content: bytes, start: int, stop: int) -> bool:
    r"""Return whether the bytes from `start` to `stop` are a whole word. It may follow a JSON escape such as `\n`."""
    before = (
        start > 0
        and content[start - 1] in _BYTES_IN_WORDS
        and content[max(start - 2, 0) : start] not in _JSON_ESCAPES_BEFORE_ID
    )
    return not before and (stop == len(content) or content[stop] not in _BYTES_IN_WORDS)


def _replace_spans(content: bytes, spans: Sequence[IdSpan], replacement_by_id: Mapping[bytes, bytes]) -> bytes:
    """Replace each id in `spans`, at its offset in `content`, by its value in `replacement_by_id`."""
    parts, position = [], 0
    for start, one in spans:
        parts += [content[position:start], replacement_by_id[one]]
        position = start + len(one)
    return b"".join([*parts, content[position:]])
