"""A small project with PROD, TEST, a gate, and records of runs that were never made."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flag_harness.cli import main
from flag_harness.gate import GateSettings, read_gate_settings
from flag_harness.gate.declared.manifest import read_manifest
from flag_harness.record import GateFiles, RequestRecord, RunHeader, RunRow, encode_record, flag_declaration

POLICY = {"tests": ["tests/test_agent.py::*"], "upstream": "simulator"}
FILES = ["*.py", "prompts/*.md"]


@dataclass
class Project:
    """The project in a folder of its own, which is the current one."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def prod(self) -> Path:
        """PROD."""
        return self.root / "prod"

    @property
    def test(self) -> Path:
        """TEST."""
        return self.root / "test"

    @property
    def gate(self) -> GateSettings:
        """The gate, as its settings are now."""
        gate = read_gate_settings(self.root, {})
        assert gate
        return gate

    def write(self, path: str, text: str) -> None:
        """Write a file of the project."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def configure(self, *, files: Iterable[str] = FILES, flags: Iterable[str] = ("planner",), **policy: Any) -> None:
        """Write the settings, with changes to the policy."""
        names = "".join(f'{name} = "{name.upper()}"\n' for name in flags)
        self.write("pyproject.toml", f"[tool.flag-harness.flags]\n{names}")
        rules = "".join(f"{key} = {_toml(value)}\n" for key, value in {**POLICY, **policy}.items())
        head = f'files = {_toml(list(files))}\ntest = "test"\nprod = "prod"\n'
        self.write("gate.toml", f"{head}[policy]\n{rules}")

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run `flag-harness gate`, check the exit code, and return what it printed."""
        found = main(["gate", *arguments])
        printed = self.capsys.readouterr()
        assert (code, "") == (found, "" if code else printed.err), printed.out + printed.err
        return printed.out + printed.err

    def header(self, **changes: Any) -> RunHeader:
        """Return the header of a run that tested the present files of TEST."""
        files = {path: state.digest for path, state in read_manifest(self.test, self.gate.file_patterns).items()}
        header = RunHeader(
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            exit_status=0,
            flags={flag.name: flag_declaration(flag) for flag in self.gate.flags},
            gate_files=GateFiles(
                files, tuple(path for path in files if path.endswith(".py")), (), self.gate.policy_digest
            ),
        )
        return msgspec.structs.replace(header, **changes)

    def record(self, *rows: RunRow, name: str = "run.jsonl", **header: Any) -> str:
        """Write the record of a run, by default of one test that passed, and return its name."""
        (self.root / name).write_bytes(encode_record(self.header(**header), rows or [row()]))
        return name

    def rule(self, name: str, *evidence: str) -> tuple[str, str]:
        """Return the status and the reason of one rule, as `check --json` prints them."""
        main(["gate", "check", *(evidence or ("run.jsonl",)), "--json"])
        rules = json.loads(self.capsys.readouterr().out)["rules"]
        return next(((one["status"], one["reason"]) for one in rules if one["rule"] == name), ("", ""))

    def promote(self, text: str = "two") -> str:
        """Change the prompt in TEST, and test, approve and promote it. Return what the promotion printed."""
        self.write("test/prompts/support.md", text)
        self.run("approve", self.record(), "--name", "Ann", "--reason", text)
        return self.run("promote")

    def tree(self) -> str:
        """Return one hash for all files of PROD, declared or not."""
        return tree_hash(self.prod)

    def git(self, *arguments: str, person: str = "bo") -> str:
        """Run git as a person."""
        identity = ["-c", f"user.name={person}", "-c", f"user.email={person}@example.com"]
        done = subprocess.run(["git", *identity, *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout

    def commit(self, *paths: str, person: str = "bo", message: str = "Change") -> None:
        """Commit paths as a person."""
        self.git("add", "--", *paths)
        self.git("commit", "-q", "-m", message, person=person)


def tree_hash(folder: Path) -> str:
    """Return one hash for the names, permissions and bytes of all files below a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(folder)} {path.stat().st_mode:o}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


def row(case: str = "tests/test_agent.py::test_a", combination: str = "off", **changes: Any) -> RunRow:
    """Return the row of a test that passed with simulated answers."""
    request = RequestRecord("POST", "/v1/messages", 200, "00")
    made = RunRow(case=case, combination=combination, outcome="passed", requests=(request,), answered_by="simulator")
    return msgspec.structs.replace(made, **changes)


def trials(
    rounds: int = 80, case: str = "tests/test_agent.py::test_a", flag: str = "planner", **changes: Any
) -> list[RunRow]:
    """Return the rows of a test that passed in each round, with and without a flag. `changes` are those with it."""
    return [
        row(
            f"{case}[{combination}]",
            combination,
            values={flag: is_on},
            repetition=number,
            **(changes if is_on else {}),
        )
        for number in range(rounds)
        for combination, is_on in (("off", False), (flag, True))
    ]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project whose TEST is a copy of PROD, with the record of a run."""
    for name in ("TEST_ENV", "PROD_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path, capsys)
    made.write("prod/agent.py", "import tools\n")
    made.write("prod/tools.py", "import os\n")
    made.write("prod/prompts/support.md", "one")
    made.write("prod/data.db", "grows")
    made.configure()
    made.run("stage")
    made.record()
    return made


@pytest.fixture
def repository(project: Project) -> Project:
    """Return the project under git, with a policy that demands another person, and a change that Bo committed."""
    project.configure(other_person=True)
    project.git("init", "-q")
    project.commit("gate.toml", "pyproject.toml", "test", "prod", person="start")
    project.write("test/prompts/support.md", "two")
    project.commit("test", person="bo")
    project.run("approve", project.record(), "--name", "Ann", "--reason", "x")
    return project


@pytest.fixture
def make_row() -> Callable[..., RunRow]:
    """Return the function that makes rows."""
    return row
