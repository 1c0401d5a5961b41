"""Describe in words the flag values under which tests fail."""

from collections.abc import Iterator, Sequence

from flag_harness.analysis.conjunctions import FlagLiteral


def condition_text(literals: Sequence[FlagLiteral]) -> str:
    """Return the condition that all these literals (statements about one flag each) hold, as part of a sentence.

    >>> on = [FlagLiteral(name, (True,), (False,)) for name in ("tools", "cache")]
    >>> condition_text(on[:1]), condition_text(on)
    ('tools is on', 'tools and cache are both on')
    >>> condition_text([*on, FlagLiteral("model", ("haiku", "opus"), ("sonnet", "fable"))])
    'tools and cache are both on and model is haiku or opus'
    """
    *parts, last = _condition_parts(literals)
    return f"{', '.join(parts)} and {last}" if parts else last


def _condition_parts(literals: Sequence[FlagLiteral]) -> Iterator[str]:
    """Yield one phrase for all flags that must be on, one for all that must be off, and one for each flag with other
    values.
    """
    switches = [one for one in literals if _is_switch(one)]
    for state, value in (("on", True), ("off", False)):
        names = [one.flag for one in switches if one.values == (value,)]
        if len(names) > 1:
            yield f"{_join_names_with_word(names, 'and')} are {'both' if not names[2:] else 'all'} {state}"
        elif names:
            yield f"{names[0]} is {state}"
    for one in literals:
        if one not in switches:
            is_negation = len(one.other_values) == 1 < len(one.values)
            values = (
                f"not {one.other_values[0]}" if is_negation else _join_names_with_word(list(map(str, one.values)), "or")
            )
            yield f"{one.flag} is {values}"


def _is_switch(literal: FlagLiteral) -> bool:
    return all(isinstance(value, bool) for value in (*literal.values, *literal.other_values))


def _join_names_with_word(names: Sequence[str], word: str) -> str:
    return f" {word} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
