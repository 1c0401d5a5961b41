"""Patterns of declared files (`prompts/**/*.md`) and of test node ids (`tests/test_agent.py::*`)."""

import re
from collections.abc import Iterable
from functools import lru_cache

_FILE_PATTERN_PARTS = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_REGEX_BY_WILDCARD = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def pattern_problem(pattern: str) -> str:
    """Return what is wrong with a pattern of files, or an empty string if it is valid."""
    parts = pattern.split("/")
    if not pattern or pattern.startswith("/") or "\\" in pattern or ":" in parts[0]:
        return "must be relative to the folder and use `/`, such as 'prompts/*.md'"
    if ".." in parts or "." in parts or "" in parts:
        return "must not contain '.', '..' or an empty part; write it as in 'prompts/*.md'"
    return ""


def matches_any_file_pattern(path: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns matches a path.

    `*` and `?` match within one part of a path, and `**/` matches any number of folders. All other characters match
    only themselves; upper and lower case differ on every system. A path with a name that begins with a dot matches only
    patterns that have such a name too.
    """
    return any(
        _compile_file_pattern(pattern).fullmatch(path) and (not has_dot_name(path) or has_dot_name(pattern))
        for pattern in patterns
    )


def matches_test(case: str, pattern: str) -> bool:
    """Return whether a pattern matches the node id `case`, with or without its parameters. `*` matches any text."""
    compiled = _compile_test_pattern(pattern)
    return bool(compiled.fullmatch(case) or compiled.fullmatch(case.partition("[")[0]))


def has_dot_name(path: str) -> bool:
    """Return whether the name of a file or folder in a path begins with a dot."""
    return any(part.startswith(".") for part in path.split("/"))


@lru_cache
def _compile_file_pattern(pattern: str) -> re.Pattern[str]:
    parts = _FILE_PATTERN_PARTS.findall(pattern)
    return re.compile("".join(_REGEX_BY_WILDCARD.get(part, re.escape(part)) for part in parts), re.DOTALL)


@lru_cache
def _compile_test_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
