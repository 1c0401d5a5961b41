"""The outcomes of an earlier sweep, in a file. Failures that are in the file count as known and pass; a result that has
become worse fails.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flag_harness.errors import HarnessError
from flag_harness.files import read_regular_file, write_atomically
from flag_harness.sweep.judge import OracleFinding, TroubleResult

FORMAT_VERSION = 2
_MAX_BYTES = 64 << 20
_IGNORED_OUTCOME = "does not apply"


@dataclass(frozen=True, slots=True)
class EarlierOutcomes:
    """The outcomes of an earlier sweep, with which later results are compared.

    `outcomes_by_test` has, for the id of each test, its outcomes by the name of the trouble (such as a fault).
    """

    outcomes_by_test: Mapping[str, Mapping[str, str]]

    def compare_result(self, result: TroubleResult) -> TroubleResult:
        """Return a result with the outcome `known` if the test failed in the same way in the earlier sweep.

        Return it as failed if the test recovered from the trouble then, and no longer does. Return other results
        unchanged.
        """
        before, now = self.outcomes_by_test.get(result.nodeid, {}).get(result.trouble), describe_outcome(result)
        if before is None:
            return result
        if result.findings and before == now:
            return replace(result, outcome="known", findings=())
        if before == "recovered" and not result.findings and now not in ("recovered", _IGNORED_OUTCOME):
            worse = OracleFinding("regression", f"the agent recovered before; now: {now}")
            return replace(result, outcome="failed", findings=(worse,))
        return result


def describe_outcome(result: TroubleResult) -> str:
    """Return the outcome of a result as text, with the name of the check that found the failure, if there is one."""
    return f"failed: {result.findings[0].oracle}" if result.findings else result.outcome


def load_earlier_outcomes(path: Path) -> EarlierOutcomes | None:
    """Return the outcomes in a file, or None if it does not exist. Raise `HarnessError` if it cannot be read."""
    if not path.exists():
        return None
    try:
        value = json.loads(read_regular_file(path, _MAX_BYTES))
        if value["version"] != FORMAT_VERSION:
            raise HarnessError(f"{path}: version {value['version']!r} is unknown; delete the file to write it anew")
        return EarlierOutcomes({test: dict(outcomes) for test, outcomes in value["outcomes"].items()})
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror}; name another file") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HarnessError(f"{path} is not a baseline of a sweep ({error}); delete it to write it anew") from None


def save_outcomes(path: Path, results: Iterable[TroubleResult]) -> None:
    """Write the outcomes of a sweep to a file, except for troubles that did not apply."""
    outcomes: dict[str, dict[str, str]] = {}
    for one in sorted(results, key=lambda result: (result.nodeid, result.kind, result.trouble)):
        if one.outcome != _IGNORED_OUTCOME:
            outcomes.setdefault(one.nodeid, {})[one.trouble] = describe_outcome(one)
    text = json.dumps({"version": FORMAT_VERSION, "outcomes": outcomes}, indent=1) + "\n"
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written: {error.strerror}; make its folder writable") from None
