"""Read production's flag values from an export, and build the combinations that each change one of these values."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from flag_harness.errors import FlagError
from flag_harness.files import read_regular_file, reason_unreadable
from flag_harness.flag import Flag, nearest_name_hint
from flag_harness.matrix.combination import Combination
from flag_harness.matrix.covering import rows_with_single_changes
from flag_harness.matrix.matrix_flag import value_index
from flag_harness.matrix.space import FlagSpace

BASELINE_FORMATS = "an export of flagd or LaunchDarkly, or {flag: value}"
_PRODUCTION_ENVIRONMENT = "production"
_MAX_EXPORT_BYTES = 32 << 20
Converted = TypeVar("Converted")


class _FlagdFlag(msgspec.Struct):
    """A flag in an export of flagd. The fields have the names of the export."""

    variants: dict[str, Any]
    defaultVariant: str | None = None  # noqa: N815 - the name in the export, as those below
    state: Any = None
    targeting: Any = None


class _LaunchDarklyRolloutPart(msgspec.Struct):
    """The share of requests (`weight`) that LaunchDarkly answers with one of the variations of a flag."""

    variation: int
    weight: float


class _LaunchDarklyRollout(msgspec.Struct):
    variations: tuple[_LaunchDarklyRolloutPart, ...] = ()


class _LaunchDarklyFallthrough(msgspec.Struct):
    """What LaunchDarkly serves if no rule applies: the index of a variation, or a rollout by percentage."""

    variation: int | None = None
    rollout: _LaunchDarklyRollout | None = None


class _LaunchDarklyFlag(msgspec.Struct):
    """A flag in an export of LaunchDarkly. The fields have the names of the export."""

    on: bool
    variations: tuple[Any, ...]
    offVariation: int | None = None  # noqa: N815
    fallthrough: _LaunchDarklyFallthrough | None = None
    rules: Any = None
    targets: Any = None
    contextTargets: Any = None  # noqa: N815
    prerequisites: Any = None


class _LaunchDarklyVariation(msgspec.Struct):
    value: Any = None


class _LaunchDarklyRestItem(msgspec.Struct):
    """A flag in an answer of LaunchDarkly's REST API, with its state in each environment."""

    key: str
    variations: tuple[_LaunchDarklyVariation, ...] = ()
    environments: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class ProductionBaseline:
    """The flag values of production, read from a file that a flag service exported.

    Attributes:
        value_by_flag: the value of each declared flag that the file names.
        notes: what was simplified or ignored: targeting rules, rollouts, keys for which no flag is declared.
    """

    value_by_flag: Mapping[str, object]
    notes: tuple[str, ...] = ()


def read_baseline(path: Path, flags: Sequence[Flag]) -> ProductionBaseline:
    """Read the flag values of production from a JSON file.

    The file is an export of flagd or LaunchDarkly, or has the form `{flag: value}`. A key of the file belongs to the
    flag of the same name; case, `-` and `_` are ignored. Raise `FlagError` if the file cannot be read, names none of
    the flags, or gives a flag an unknown value.
    """
    try:
        data = read_regular_file(path, _MAX_EXPORT_BYTES)
    except (OSError, ValueError) as error:
        raise FlagError(f"{path} cannot be read: {reason_unreadable(error)}; give {BASELINE_FORMATS}") from None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FlagError(f"{path} is not JSON: {error}; give {BASELINE_FORMATS}") from None
    if not isinstance(document, dict):
        raise FlagError(f"{path} must be an object, not {type(document).__name__}; give {BASELINE_FORMATS}")
    try:
        return _baseline_from_export(dict(_flags_in_export(document)), flags)
    except FlagError as error:
        raise FlagError(f"{path}: {error}") from None


def baseline_combinations(
    flags: Sequence[Flag], names: Collection[str], baseline: Mapping[str, object], planned_values: Mapping[str, object]
) -> tuple[Combination, ...]:
    """Return the production combination, and one combination for each other value of each flag in `names`.

    `baseline` has production's flag values by name. If `planned_values` is not empty, one more combination is added:
    production's, with these flag values by name. Raise `FlagError` if a constraint forbids the production combination
    or the planned one.
    """
    declared = tuple(flags)
    space = FlagSpace(declared)
    base = space.row_with_values(baseline)
    if (broken := space.find_broken_constraint(base)) is not None:
        raise FlagError(f"the state of production breaks a constraint: {broken}; correct the file or the constraint")
    fixed = {flag.name: flag.values[value] for flag, value in zip(flags, base, strict=True) if flag.name not in names}
    rows = rows_with_single_changes(FlagSpace(declared, pins=fixed), base)
    if planned_values:
        changed = space.nearest_row(
            base,
            {index: space.row_with_values(planned_values)[index] for index in _flag_indices(flags, planned_values)},
        )
        if changed is None:
            raise FlagError(
                f"the constraints of the flags forbid the change of {', '.join(planned_values)}; ask for another"
            )
        rows = tuple(dict.fromkeys([*rows, changed]))
    return tuple(Combination(declared, row) for row in rows)


def _flag_indices(flags: Sequence[Flag], names: Collection[str]) -> Iterator[int]:
    """Yield the indices, in `flags`, of the flags whose names are in `names`."""
    return (index for index, flag in enumerate(flags) if flag.name in names)


def _baseline_from_export(exported_flags: Mapping[str, "_ExportedFlag"], flags: Sequence[Flag]) -> ProductionBaseline:
    """Return production's flag values, given what an export says about the flag of each key.

    The notes of the result say which flags the export does not name, and which of its keys belong to no declared flag.
    """
    by_key = {_normalise_key(flag.name): flag for flag in flags}
    values: dict[str, object] = {}
    notes: list[str] = []
    unknown: list[str] = []
    for key, exported in exported_flags.items():
        flag = by_key.get(_normalise_key(key))
        if flag is None:
            unknown.append(key)
            continue
        notes += [f"{key}: {note}" for note in exported.notes]
        if exported.value is not None:
            values[flag.name] = flag.values[value_index(flag, exported.value)]
    if not values:
        names, keys = ", ".join(flag.name for flag in flags), ", ".join(exported_flags) or "none"
        raise FlagError(f"it gives no declared flag a value; declared: {names}; its keys: {keys}")
    if missing := [flag.name for flag in flags if flag.name not in values]:
        notes.append(f"not in it, so at their default: {', '.join(missing)}")
    if unknown:
        notes.append(f"not declared, so ignored: {', '.join(unknown)}")
    return ProductionBaseline(values, tuple(notes))


def _normalise_key(key: str) -> str:
    """Return a key of an export in lower case with `_` in place of `-`, to compare it with names of flags."""
    return key.replace("-", "_").casefold()


@dataclass(frozen=True, slots=True)
class _ExportedFlag:
    """What an export says about one flag.

    `value` is the value that production serves, or None if the agent's own default applies. `notes` say what `value`
    leaves out, such as targeting rules.
    """

    value: object
    notes: tuple[str, ...] = ()


def _flags_in_export(document: dict[str, Any]) -> Iterator[tuple[str, _ExportedFlag]]:
    """Yield `(key, exported flag)` for each flag in an export of flagd or LaunchDarkly, or in a plain object
    `{flag: value}`.
    """
    if isinstance(document.get("items"), list):
        for number, row in enumerate(document["items"]):
            item = _convert_export_part(row, _LaunchDarklyRestItem, f"items[{number}]")
            yield item.key, _parse_launchdarkly_rest_item(item)
        return
    flags, values = document.get("flags"), document.get("flagValues")
    described = flags if isinstance(flags, dict) and all(isinstance(flag, dict) for flag in flags.values()) else {}
    plain = values if isinstance(values, dict) else {}
    for key, flag in described.items():
        yield key, _parse_flagd_flag(key, flag) if "variants" in flag else _parse_launchdarkly_flag(key, flag)
    yield from ((key, _ExportedFlag(value)) for key, value in plain.items())
    if not described and not plain:
        yield from ((key, _ExportedFlag(value)) for key, value in document.items() if not key.startswith("$"))


def _convert_export_part(value: Any, kind: type[Converted], where: str) -> Converted:
    """Convert a part of an export to the type `kind`. Raise `FlagError` naming its first invalid field."""
    try:
        return msgspec.convert(value, kind)
    except ValueError as error:  # msgspec's errors are ValueErrors, as is one of half a surrogate pair
        raise FlagError(f"{where}: {error}; give {BASELINE_FORMATS}") from None


def _parse_flagd_flag(key: str, row: Mapping[str, Any]) -> _ExportedFlag:
    """Return the value that flagd serves for the flag `key`: its default variant, without targeting."""
    flag = _convert_export_part(row, _FlagdFlag, key)
    if flag.state == "DISABLED":
        return _ExportedFlag(None, ("is disabled, so the agent's default counts",))
    if flag.defaultVariant is None:
        return _ExportedFlag(None, ("has no defaultVariant, so the agent's default counts",))
    if flag.defaultVariant not in flag.variants:
        raise FlagError(
            f"{key}: defaultVariant {flag.defaultVariant!r} is none of its variants; "
            f"{nearest_name_hint(flag.defaultVariant, flag.variants)}"
        )
    notes = ("its targeting is not followed",) if flag.targeting else ()
    return _ExportedFlag(flag.variants[flag.defaultVariant], notes)


def _parse_launchdarkly_flag(key: str, row: Mapping[str, Any]) -> _ExportedFlag:
    """Return the value that LaunchDarkly serves for the flag `key` if none of the flag's targeting rules applies."""
    if not isinstance(row.get("variations"), (list, tuple)) or "on" not in row:
        raise FlagError(
            f"{key} has neither variants (flagd) nor variations and on (LaunchDarkly); give {BASELINE_FORMATS}"
        )
    flag = _convert_export_part(row, _LaunchDarklyFlag, key)
    notes = []
    if not flag.on:
        index = flag.offVariation
    else:
        fallthrough = flag.fallthrough or _LaunchDarklyFallthrough()
        index = fallthrough.variation
        if flag.rules or flag.targets or flag.contextTargets or flag.prerequisites:
            notes.append("its rules are not followed")
        if index is None and fallthrough.rollout and (parts := fallthrough.rollout.variations):
            index = max(parts, key=lambda part: part.weight).variation
            notes.append("is rolled out by percentage; its largest part counts")
    if index is None:
        return _ExportedFlag(None, (*notes, "serves no variation, so the agent's default counts"))
    if not 0 <= index < len(flag.variations):
        raise FlagError(f"{key}: variation {index} does not exist; it has {len(flag.variations)}")
    return _ExportedFlag(flag.variations[index], tuple(notes))


def _parse_launchdarkly_rest_item(item: _LaunchDarklyRestItem) -> _ExportedFlag:
    """Return the value that a flag has in production, from an item of LaunchDarkly's REST API, which lists all
    environments.
    """
    key, environments = item.key, item.environments
    name = _PRODUCTION_ENVIRONMENT if _PRODUCTION_ENVIRONMENT in environments else next(iter(environments), "")
    if not name or (name != _PRODUCTION_ENVIRONMENT and len(environments) > 1):
        found = ", ".join(environments) or "none"
        raise FlagError(f"{key} has no environment {_PRODUCTION_ENVIRONMENT!r} (found: {found}); export one: ?env=NAME")
    variations = [variation.value for variation in item.variations]
    return _parse_launchdarkly_flag(key, {"variations": variations, **environments[name]})
