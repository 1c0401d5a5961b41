"""The examples of docs/flags.md for packages of vendors, as they are pasted. `nox -s flag_sources` installs these."""

import re
from pathlib import Path

import pytest

DOCS = (Path(__file__).parents[2] / "docs" / "flags.md").read_text(encoding="utf-8")
READS = {
    "ldclient": 'ldclient.get().variation("new-planner", ldclient.Context.create("user-1"), False)',
    "growthbook": 'GROWTHBOOK.is_on("new-planner")',
}
FLAGS = '[tool.flag-harness.flags]\nnew_planner = { set = "harness_set_flags" }\n'


@pytest.mark.parametrize("package", ["ldclient", "UnleashClient", "growthbook"])
def test_the_example_of_a_vendor_runs_offline(pytester: pytest.Pytester, package: str) -> None:
    """Each combination is what the vendor's own client answers, and a test after them reads none of it."""
    pytest.importorskip(package, reason="nox -s flag_sources installs it")
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
    [example] = [block for block in blocks if re.search(rf"^(import|from) {package}\b", block, re.MULTILINE)]
    pytester.makepyprojecttoml(FLAGS)
    after = f"\n\ndef test_without_flags():\n    assert not {READS.get(package, False)}\n"
    pytester.makepyfile(example + after)
    pytester.runpytest_subprocess("-p", "no:asyncio", "-p", "no:cacheprovider").assert_outcomes(passed=3)
