"""The settings of the gate: `[tool.flag-harness.gate]` in pyproject.toml, or a file `gate.toml`."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from flag_harness.config import read_config
from flag_harness.errors import ConfigError
from flag_harness.files import read_regular_file, reason_unreadable
from flag_harness.flag import Flag
from flag_harness.gate.declared.patterns import pattern_problem
from flag_harness.gate.policy import GatePolicy, parse_policy
from flag_harness.record import flag_declaration
from flag_harness.toml_tables import TomlTable, TomlText, TomlTextList, convert_table, find_line_of_error, parse_toml

GATE_FILE = "gate.toml"
_MAX_SETTINGS_BYTES = 16 << 20
TEST_VARIABLE, PROD_VARIABLE = "TEST_ENV", "PROD_ENV"
"""The environment variables that name the folders TEST and PROD. They override the settings `test` and `prod`."""
_SETTINGS_EXAMPLE = '[tool.flag-harness.gate] files = ["*.py", "prompts/*.md"]'


class _GateTable(msgspec.Struct):
    file_patterns: TomlTextList = msgspec.field(name="files")
    policy: TomlTable
    test_folder: TomlText = msgspec.field(default="", name="test")
    prod_folder: TomlText = msgspec.field(default="", name="prod")
    state_folder: TomlText = msgspec.field(default="", name="state")
    approvals_folder: TomlText = msgspec.field(default="approvals", name="approvals")


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The settings of a project's gate, which decides whether files may go to the production folder (PROD).

    Attributes:
        root_folder: the folder of the settings. Relative paths start here.
        file_patterns: the patterns of the files that are copied between `TEST` and `PROD`.
        test_folder: the folder `TEST`, or None if neither the environment nor the settings name it.
        prod_folder: the folder `PROD`, or None if neither names it.
        state_folder: the folder with the history and the lock, or None for the default, a folder next to `PROD`.
        approvals_folder: the folder of approvals, which should be committed to git.
        policy: what the evidence must show.
        policy_digest: the SHA-256 of everything that decides: the policy, the patterns, the flags and the sweep's
            baseline.
        flags: the declared flags.
    """

    root_folder: Path
    file_patterns: tuple[str, ...]
    test_folder: Path | None
    prod_folder: Path | None
    state_folder: Path | None
    approvals_folder: Path
    policy: GatePolicy
    policy_digest: str
    flags: tuple[Flag, ...]


def read_gate_settings(root: Path, environ: Mapping[str, str] = os.environ) -> GateSettings | None:
    """Read the settings of the gate of the project in `root`. Return None if the project has no gate.

    Raise `ConfigError` if a setting is invalid, or if both pyproject.toml and gate.toml declare a gate.
    """
    pyproject, path = root / "pyproject.toml", root / GATE_FILE
    config = read_config(pyproject)
    table, where = config.gate, "[tool.flag-harness.gate]"
    if path.exists():
        if table is not None:
            raise ConfigError(f"{path}: pyproject.toml has [tool.flag-harness.gate] too; keep one of them")
        table, where = _read_toml_file(path), "[]"
    else:
        path = pyproject
    if table is None:
        return None
    try:
        return _parse_gate(table, where, root, config.flags, environ)
    except ConfigError as error:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        raise ConfigError(f"{path}:{find_line_of_error(text, str(error))}: {str(error).removeprefix('[] ')}") from None


def _read_toml_file(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_regular_file(path, _MAX_SETTINGS_BYTES).decode("utf-8"), path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {reason_unreadable(error)}; put the gate's settings in a file of this name"
        ) from None


def _parse_gate(
    table: Mapping[str, Any], where: str, root: Path, flags: tuple[Flag, ...], environ: Mapping[str, str]
) -> GateSettings:
    parsed = convert_table(table, _GateTable, where)
    if not parsed.file_patterns:
        raise ConfigError(f"{where} files = [] declares no file; name the files to promote: {_SETTINGS_EXAMPLE}")
    for pattern in parsed.file_patterns:
        if problem := pattern_problem(pattern):
            raise ConfigError(f"{where} files: {pattern!r} {problem}")
    policy = parse_policy(parsed.policy, where)
    return GateSettings(
        root_folder=root,
        file_patterns=parsed.file_patterns,
        test_folder=_folder_path(root, environ.get(TEST_VARIABLE) or parsed.test_folder),
        prod_folder=_folder_path(root, environ.get(PROD_VARIABLE) or parsed.prod_folder),
        state_folder=_folder_path(root, parsed.state_folder),
        approvals_folder=root / parsed.approvals_folder,
        policy=policy,
        policy_digest=_policy_digest(parsed, root / policy.sweep_baseline if policy.sweep_baseline else None, flags),
        flags=flags,
    )


def _folder_path(root: Path, name: str) -> Path | None:
    return Path(os.path.normpath(root / name)) if name else None


def _policy_digest(table: _GateTable, sweep_baseline: Path | None, flags: tuple[Flag, ...]) -> str:
    described = {flag.name: flag_declaration(flag) for flag in flags}
    baseline = sweep_baseline.read_bytes() if sweep_baseline and sweep_baseline.is_file() else b""
    bound = {
        "files": sorted(table.file_patterns),
        "policy": table.policy,
        "flags": described,
        "sweep": hashlib.sha256(baseline).hexdigest(),
    }
    return hashlib.sha256(json.dumps(bound, sort_keys=True, default=str).encode()).hexdigest()
