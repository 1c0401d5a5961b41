"""Choose the names of flags that `flag-harness init` proposes, and their order."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from flag_harness.analysis.code.detected_flag import DetectedFlag, full_flag_name, short_flag_name

_FEATURE_PREFIX_PATTERN = re.compile(r"^(?:[a-z0-9]+_)*?(?:features?|ff)_(?=[a-z])")
"""Matches the prefix that a name such as `myapp_feature_x` has before the `x`."""
_MIN_FLAGS_WITH_PREFIX = 2
_RESERVED_FLAG_NAMES = ("off", "all", "none")
"""Names that no flag can have, because they mean something else in ids and options."""


def name_flags(flags: Iterable[DetectedFlag], paths: Sequence[str]) -> tuple[DetectedFlag, ...]:
    """Return flags in the order in which the code reads them, each once and with a short name.

    `paths` has the files of the project in order. A prefix that all flags of one source have, such as `MYAPP_`, is left
    out of the names. If two flags would get the same short name, the later one is named by its whole key.
    """
    by_key: dict[tuple[str, str], DetectedFlag] = {}
    for flag in sorted(flags, key=lambda one: sort_key_of_location(one.location, paths)):
        by_key.setdefault((flag.source_kind, flag.key), flag)
    prefixes = {source: _shared_prefix(key for kind, key in by_key if kind == source) for source, _ in by_key}
    named: dict[str, DetectedFlag] = {}
    for flag in by_key.values():
        name = _short_name(flag.key, prefixes[flag.source_kind])
        name = name if name not in named else full_flag_name(flag.key)
        named.setdefault(name, replace(flag, name=name))
    return tuple(named.values())


def sort_key_of_location(place: str, paths: Sequence[str]) -> tuple[int, int]:
    """Return (index in `paths` of the file, line) for a location such as `agent.py:12`."""
    path, _, line = place.rpartition(":")
    return paths.index(path), int(line)


def _shared_prefix(keys: Iterable[str]) -> str:
    """Return the beginning that all keys share, such as `MYAPP_`, or an empty string if there is only one key."""
    names = [full_flag_name(key).split("_") for key in keys]
    if len(names) < _MIN_FLAGS_WITH_PREFIX:
        return ""
    shared = 0
    for words in zip(*(name[:-1] for name in names), strict=False):
        if len(set(words)) > 1:
            break
        shared += 1
    return "".join(f"{word}_" for word in names[0][:shared])


def _short_name(key: str, prefix: str) -> str:
    """Return a short name for a flag: its key without `prefix` and without words such as `feature_`.

    If what remains is no valid name, leave out neither.
    """
    name = short_flag_name(_FEATURE_PREFIX_PATTERN.sub("", full_flag_name(key).removeprefix(prefix)))
    return name if re.match(r"[a-z]", name) and name not in _RESERVED_FLAG_NAMES else short_flag_name(key)
