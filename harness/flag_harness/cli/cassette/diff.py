"""The command `flag-harness cassette diff`, which compares two cassettes interaction by interaction."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flag_harness.analysis.comparison import InteractionPair, compare_interactions, difference_to_json
from flag_harness.cassette.match.difference import Difference
from flag_harness.cassette.match.excerpts import MAX_EXCERPT_LENGTH, find_changed_words, make_excerpts
from flag_harness.cli.cassette.revisions import read_file_or_revision
from flag_harness.cli.terminal import (
    add_output_options,
    join_styled_texts,
    make_console,
    make_styled_text,
    print_json,
    print_lines,
)

if TYPE_CHECKING:
    from rich.text import Text

_EXAMPLES = """examples:
  flag-harness cassette diff recordings/matrix/off.json recordings/matrix/streaming.json
  flag-harness cassette diff HEAD:recordings/x.json recordings/x.json
  flag-harness cassette diff A.json B.json --json | jq '.interactions[].request[].path'

Requests are compared in full, answers by content: blocks, texts, usage. Times, ids and signatures are ignored.

Exit code: 0 no difference, 1 they differ, 2 a file cannot be read, or wrong usage."""


def add_diff_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette diff` to the parser."""
    parser = commands.add_parser(
        "diff",
        help="show the differences between two cassettes",
        description="Show the differences between two cassettes: in their requests, and in the content of answers.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", type=Path, metavar="A", help="a cassette, or one of a git revision")
    parser.add_argument("after", type=Path, metavar="B", help="another cassette")
    add_output_options(parser)
    parser.set_defaults(run=_run_diff)


def _run_diff(arguments: argparse.Namespace) -> int:
    pairs = compare_interactions(read_file_or_revision(arguments.before), read_file_or_revision(arguments.after))
    counts: Counter[bool] = Counter()
    if arguments.json:
        found = list(_count_while_yielding_pairs(pairs, counts))
        report = {
            "before": str(arguments.before),
            "after": str(arguments.after),
            "compared": counts.total(),
            "interactions": [_pair_to_json(pair) for pair in found if pair.is_different],
        }
        print_json(report)
    else:
        print_lines(make_console(no_color=arguments.no_color), _report_lines(pairs, counts), soft_wrap=True)
    return 1 if counts[True] else 0


def _count_while_yielding_pairs(pairs: Iterable[InteractionPair], counts: Counter[bool]) -> Iterator[InteractionPair]:
    """Yield the pairs unchanged. Count in `counts[True]` how many differ, and in `counts[False]` how many are equal."""
    for pair in pairs:
        counts[pair.is_different] += 1
        yield pair


def _report_lines(pairs: Iterable[InteractionPair], counts: Counter[bool]) -> Iterator["Text"]:
    """Yield the lines for each pair that differs, and then a line with the totals. The pairs are also counted in
    `counts`.
    """
    for pair in _count_while_yielding_pairs(pairs, counts):
        if pair.is_different:
            yield from _pair_lines(pair)
    different, compared = counts[True], counts.total()
    count = f"{compared} interaction{'s' if compared != 1 else ''} compared"
    yield make_styled_text(f"{count}: {different or 'none'} differ{'s' if different == 1 else ''}", "dim")


def _pair_lines(pair: InteractionPair) -> Iterator["Text"]:
    request = f"{pair.method} {pair.path}"
    if pair.second_index is None:
        yield make_styled_text(f"- {pair.first_index} {request}: only in the first", "bold red")
    elif pair.first_index is None:
        yield make_styled_text(f"+ {pair.second_index} {request}: only in the second", "bold green")
    else:
        moved = f" (there {pair.second_index})" if pair.second_index != pair.first_index else ""
        yield make_styled_text(f"~ {pair.first_index}{moved} {request}", "bold yellow")
        for side, found in (("request", pair.request_differences), ("answer", pair.answer_differences)):
            for difference in found:
                yield join_styled_texts(make_styled_text(f"    {side:<8}", "dim"), *_difference_texts(difference))


def _difference_texts(difference: Difference) -> Iterator["Text"]:
    before, after = make_excerpts(difference.recorded_value, difference.sent_value)
    yield make_styled_text(f"{difference.path or 'body'}  ", "bold")
    both = isinstance(difference.recorded_value, str) and isinstance(difference.sent_value, str)
    if both and len(difference.recorded_value) > MAX_EXCERPT_LENGTH:
        yield make_styled_text(f"{find_changed_words(difference.recorded_value, difference.sent_value)}: ")
    yield from (make_styled_text(before, "red"), make_styled_text(" → ", "dim"), make_styled_text(after, "green"))


def _pair_to_json(pair: InteractionPair) -> dict[str, Any]:
    return {
        "before": pair.first_index,
        "after": pair.second_index,
        "method": pair.method,
        "path": pair.path,
        "request": [difference_to_json(one) for one in pair.request_differences],
        "answer": [difference_to_json(one) for one in pair.answer_differences],
    }
