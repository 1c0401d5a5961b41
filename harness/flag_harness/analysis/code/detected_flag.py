"""A flag that was found in the code of a project, and the names under which the project may declare it."""

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DetectedFlag:
    """A flag that was found in the project's code.

    Attributes:
        name: the suggested name of the flag, such as `planner_v2`.
        source_kind: where the code reads the flag: `env`, `openfeature`, `set` or `option`; or `attribute` if the
            variable is read at import, so that a test must set the attribute that holds its value.
        key: the environment variable, the key of the flag service, or the option of the command line.
        on, off: the texts of the variable, or the options, that turn the flag on and off; `off` is None if the variable
            must be unset instead.
        is_on_by_default: whether the flag is on if nobody sets it.
        location: the file and line of the first read.
        excludes: the names of flags that must be off if this one is on.
    """

    name: str
    source_kind: str
    key: str
    on: str
    off: str | None
    is_on_by_default: bool
    location: str
    excludes: tuple[str, ...] = ()

    @property
    def toml_declaration(self) -> str:
        """The TOML value with which a project declares this flag in `[tool.flag-harness.flags]`."""
        if self.source_kind == "env" and self.on == "true" and self.off is None and not self.is_on_by_default:
            return f'"{self.key}"'
        is_set_by_fixture = self.source_kind in ("set", "option", "attribute")
        parts = ['set = "harness_set_flags"' if is_set_by_fixture else f'{self.source_kind} = "{self.key}"']
        if self.source_kind == "env":
            parts += [f'on = "{self.on}"'] if self.on != "true" else []
            parts += [f'off = "{self.off}"'] if self.off not in (None, "false") else []
        parts += ["default = true"] if self.is_on_by_default else []
        parts += [f"excludes = {json.dumps(self.excludes)}"] if self.excludes else []
        return f"{{ {', '.join(parts)} }}"


def short_flag_name(key: str) -> str:
    """Return a short name for a flag, given its variable or key: `ENABLE_STREAMING` gives `streaming`."""
    name = full_flag_name(key)
    return re.sub(r"^(enable|use|feature|ff)_", "", name) or name


def full_flag_name(key: str) -> str:
    """Return the whole variable or key of a flag as a name: `ENABLE_STREAMING` gives `enable_streaming`."""
    return re.sub(r"\W+", "_", key).strip("_").lower()


def possible_flag_names(flag: DetectedFlag) -> frozenset[str]:
    """Return the names under which a project may have declared this flag: its short name, and names made of its whole
    key.
    """
    return frozenset({flag.name, short_flag_name(flag.key), full_flag_name(flag.key)})
