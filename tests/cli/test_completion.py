"""`flag-harness completion`: a script for each shell."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flag_harness.cli import main

ASK_BASH = """
complete_line() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _shtab_flag_harness; echo "${COMPREPLY[@]}"
}
complete_line flag-harness upg
complete_line flag-harness cassette re
complete_line flag-harness upgrade --dry
complete_line flag-harness upgrade run
"""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_a_script_names_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of commands of commands, too."""
    assert 0 == main(["completion", shell])
    script = capsys.readouterr().out
    assert [] == [word for word in ("upgrade", "rebase", "dry-run") if word not in script]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_and_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As a user would see them after the Tab key."""
    assert 0 == main(["completion", "bash"])
    (tmp_path / "run.jsonl").touch()
    script = capsys.readouterr().out + ASK_BASH
    run = subprocess.run(["bash"], input=script, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ["upgrade", "rebase", "--dry-run", "run.jsonl"] == run.stdout.split()


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for each other extra."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert 2 == main(["completion", "bash"])
    assert "shtab is not installed: pip install 'flag-harness[completion]'\n" == capsys.readouterr().err
