"""The command `flag-harness cassette import`, which converts cassettes of other tools."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flag_harness.cassette import Cassette, Filters
from flag_harness.cassette.file.blobs import BLOB_FOLDER
from flag_harness.cassette.importers import (
    VCRPY_DEFAULT_MATCH_PARTS,
    ImportedCassette,
    ImportLimits,
    import_cassette,
    select_stored_match_parts,
)
from flag_harness.cassette.importers.assessment import ImportAssessment, assess_import, make_outdated_model_check
from flag_harness.cassette.match.matching import MatchPart
from flag_harness.cassette.redact.filters import project_filters
from flag_harness.cassette.redact.privacy import refuse_personal_data
from flag_harness.cassette.redact.scan import scan_cassette
from flag_harness.cli.files import OutputFiles, escape_to_one_line
from flag_harness.cli.terminal import print_json
from flag_harness.config import read_project_config
from flag_harness.errors import CassetteError, MissingExtraError
from flag_harness.files import read_regular_file
from flag_harness.models import load_model_table

_EXAMPLES = """examples:
  flag-harness cassette import tests/cassettes --to recordings
  flag-harness cassette import old.yaml --to recordings --match-on method,path,body
  flag-harness cassette import tests/cassettes --check

It reads YAML and JSON of every version of vcrpy, and YAML of go-vcr. Nothing in a file is executed, whatever its tags.
Imported cassettes match as loosely as --match-on says until they are recorded again; "fidelity" in the metadata lists
what does not come from the API. What [tool.flag-harness.filters] names is removed. A cassette of
pytest-recording (tests/cassettes/MODULE/TEST.yaml beside tests/MODULE.py) is written to where that test expects it.
Files over 64 MiB, bodies over 64 MiB decompressed, and values nested 200 deep are refused.

Exit code: 0 all were read, 1 some were not (each is named, the others are imported), 2 none was, or wrong usage."""
_UNEXPECTED_ERROR_TEXT = "cannot be read, for a reason that nobody thought of; please report it with the file"
_SOURCE_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class _ImportSource:
    """A file to import, and the path of the cassette to write."""

    source_path: Path
    cassette_path: Path


@dataclass(frozen=True, slots=True)
class _ImportSettings:
    """The settings of an import, and the target files that are already reserved."""

    match_on: tuple[MatchPart, ...]
    imports_every_path: bool
    filters: Filters
    kept_headers: tuple[str, ...]
    reserved_targets: OutputFiles

    def import_and_filter(self, data: bytes) -> ImportedCassette:
        """Read another tool's cassette, and remove the values that the project's filters find."""
        found = import_cassette(
            data, match_on=self.match_on, keep_other_services=self.imports_every_path, kept_headers=self.kept_headers
        )
        kept = tuple(map(self.filters.filter_interaction, found.cassette.interactions))
        return replace(found, cassette=replace(found.cassette, interactions=kept))


@dataclass(frozen=True, slots=True)
class _ImportOutcome:
    """The result of importing one file: the imported cassette, or an error message."""

    import_source: _ImportSource
    imported_cassette: ImportedCassette | None = None
    error: str = ""


def add_import_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette import` to the parser."""
    parser = commands.add_parser(
        "import",
        help="read cassettes of vcrpy and go-vcr",
        description="Read cassettes of vcrpy and go-vcr, and write them in the harness's format.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar="SRC", help="a cassette, or a directory of them")
    parser.add_argument(
        "--to",
        type=Path,
        metavar="DIR",
        help="the folder to write to; paths below it mirror those of the sources",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; report what is strict and what is stale")
    parser.add_argument(
        "--match-on",
        default=",".join(VCRPY_DEFAULT_MATCH_PARTS),
        metavar="WORDS",
        help="vcrpy's match_on of these cassettes (default: vcrpy's own, %(default)s)",
    )
    parser.add_argument("--every-path", action="store_true", help="also keep requests to other services")
    parser.add_argument("--force", action="store_true", help="overwrite existing cassettes")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=_run_import)


def _run_import(arguments: argparse.Namespace) -> int:
    if arguments.to is None and not arguments.check:
        raise CassetteError("import: give a folder with --to DIR, or --check to write nothing")
    try:
        match_on = select_stored_match_parts(word.strip() for word in arguments.match_on.split(",") if word.strip())
    except ValueError as error:
        raise CassetteError(f"--match-on: {error}") from None
    root, config = read_project_config()
    filters, keep = project_filters(config, root.absolute()), config.headers.get("keep", ())
    settings = _ImportSettings(match_on, arguments.every_path, filters, keep, OutputFiles())
    outcomes = [_import_file(source, settings, arguments) for source in list(_import_sources(arguments))]
    if arguments.json:
        print_json(_json_report(outcomes, arguments.check))
    else:
        _print_report(outcomes, arguments)
    failed = sum(1 for outcome in outcomes if outcome.error)
    return 0 if not failed else 1 if failed < len(outcomes) else 2


def _import_sources(arguments: argparse.Namespace) -> Iterator[_ImportSource]:
    """Yield the files that the arguments name, sorted within each directory.

    Raise `CassetteError` if a directory contains no file to import.
    """
    to = arguments.to or Path()
    for argument in arguments.sources:
        if not argument.is_dir():
            yield _ImportSource(argument, to / (_target_for_pytest_recording_file(argument) or f"{argument.stem}.json"))
            continue
        found = sorted(
            Path(folder, name)
            for folder, _, names in os.walk(argument)
            for name in names
            if name.endswith(_SOURCE_SUFFIXES)
        )
        if not found:
            raise CassetteError(f"{argument}: no file in it ends in {', '.join(_SOURCE_SUFFIXES)}")
        yield from (
            _ImportSource(
                path, to / (_target_for_pytest_recording_file(path) or path.relative_to(argument).with_suffix(".json"))
            )
            for path in found
        )


def _target_for_pytest_recording_file(path: Path) -> Path | None:
    """Return the path of the cassette for a file of pytest-recording, `DIR/cassettes/MODULE/TEST.yaml`.

    It is the path at which the test looks for its cassette. Return None for any other file, or if `DIR/MODULE.py` does
    not exist or is outside the current directory.
    """
    module = Path(os.path.abspath(path)).parent
    tests = module.parent.parent
    if module.parent.name != "cassettes" or not (tests / f"{module.name}.py").is_file():
        return None
    if not tests.is_relative_to(Path.cwd()):
        return None
    return tests.relative_to(Path.cwd()) / module.name / f"{path.stem}.json"


def _import_file(source: _ImportSource, settings: _ImportSettings, arguments: argparse.Namespace) -> _ImportOutcome:
    """Import one file; with `--check`, read it and write nothing."""
    try:
        settings.reserved_targets.reserve_target(source.cassette_path, source.source_path)
        imported = settings.import_and_filter(read_regular_file(source.source_path, ImportLimits().max_file_bytes))
        refuse_personal_data(source.cassette_path, imported.cassette.interactions, settings.filters.detectors)
        if arguments.check:
            _raise_if_api_key_is_found(imported.cassette)
        else:
            _write_cassette(imported, source.cassette_path, arguments)
    except OSError as error:
        return _ImportOutcome(source, error=escape_to_one_line(f"{source.source_path}: {error.strerror or error}"))
    except (CassetteError, ValueError) as error:
        return _ImportOutcome(source, error=escape_to_one_line(f"{source.source_path}: {error}"))
    except MissingExtraError:
        raise  # no other file could be read either
    except Exception as error:  # the other files are imported, whatever is wrong with this one
        return _ImportOutcome(
            source,
            error=escape_to_one_line(
                f"{source.source_path}: {_UNEXPECTED_ERROR_TEXT} ({type(error).__name__}: {error})"
            ),
        )
    return _ImportOutcome(source, imported)


def _raise_if_api_key_is_found(cassette: Cassette) -> None:
    """Raise `CassetteError` if the cassette contains an API key; `Cassette.save` would raise it too."""
    if found := scan_cassette(cassette.metadata, cassette.interactions):
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise CassetteError(f"{found[0]}{more}; name it in [tool.flag-harness.filters] to import the rest")


def _write_cassette(imported: ImportedCassette, target: Path, arguments: argparse.Namespace) -> None:
    if target.exists() and not arguments.force:
        raise CassetteError(f"{target} exists; use --force to overwrite it")
    try:
        imported.cassette.save(target, arguments.to / BLOB_FOLDER)
    except OSError as error:
        raise CassetteError(f"{target} cannot be written: {error.strerror}") from None


def _print_report(outcomes: Sequence[_ImportOutcome], arguments: argparse.Namespace) -> None:
    """Print the imported files and the requests left out, and print errors on stderr."""
    assessments: list[ImportAssessment] = []
    for outcome in outcomes:
        path = outcome.import_source.source_path
        if outcome.imported_cassette is None:
            print(outcome.error, file=sys.stderr)
        elif arguments.check:
            assessments.append(_assess_for_current_api(outcome.imported_cassette))
            print(escape_to_one_line(_import_check_line(path, outcome.imported_cassette, assessments[-1])))
        elif skipped := outcome.imported_cassette.skipped_requests:
            print(escape_to_one_line(f"{path}: left out {', '.join(skipped)}"))
    read = [outcome.imported_cassette for outcome in outcomes if outcome.imported_cassette]
    if read:
        print(
            "\n".join(_total_lines(read, len(outcomes), "read" if arguments.check else f"imported to {arguments.to}"))
        )
    if assessments:
        strict, stale = (
            sum(not one.loose_match_reasons for one in assessments),
            sum(bool(one.outdated_reasons) for one in assessments),
        )
        print(f"{strict} would match strictly, {stale} are stale")


def _total_lines(read: Sequence[ImportedCassette], file_count: int, action: str) -> Iterator[str]:
    interactions = sum(len(one.cassette.interactions) for one in read)
    left_out = sum(len(one.skipped_requests) for one in read)
    yield f"{len(read)} of {file_count} files {action}: {interactions} interactions" + (
        f", {left_out} to other services left out" if left_out else ""
    )
    words = Counter(word for one in read for word in one.cassette.metadata.fidelity)
    yield from (f"{count:>6} {word}" for word, count in words.most_common())


def _import_check_line(path: Path, imported: ImportedCassette, assessment: ImportAssessment) -> str:
    count = len(imported.cassette.interactions)
    parts = [f"{imported.format}, {count} interaction{'s' if count != 1 else ''}"]
    parts.append(
        "not strict: " + ", ".join(assessment.loose_match_reasons) if assessment.loose_match_reasons else "strict"
    )
    parts += ["stale: " + ", ".join(assessment.outdated_reasons)] if assessment.outdated_reasons else []
    return f"{path}: " + "; ".join(parts)


def _assess_for_current_api(imported: ImportedCassette) -> ImportAssessment:
    def find_retirement(model_id: str) -> tuple[bool, Any]:
        model = load_model_table().find(model_id)
        return model.is_known, model.retires

    return assess_import(imported, make_outdated_model_check(datetime.now(UTC).date(), find_retirement))


def _json_report(outcomes: Sequence[_ImportOutcome], check: bool) -> dict[str, Any]:
    return {"files": [_outcome_to_json(outcome, check) for outcome in outcomes]}


def _outcome_to_json(outcome: _ImportOutcome, check: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"source": str(outcome.import_source.source_path)}
    if outcome.imported_cassette is None:
        return {**row, "error": outcome.error}
    row |= {
        "target": None if check else str(outcome.import_source.cassette_path),
        "format": outcome.imported_cassette.format,
        "interactions": len(outcome.imported_cassette.cassette.interactions),
        "left_out": outcome.imported_cassette.skipped_requests,
        "fidelity": outcome.imported_cassette.cassette.metadata.fidelity,
    }
    if check:
        assessment = _assess_for_current_api(outcome.imported_cassette)
        row |= {
            "strict": not assessment.loose_match_reasons,
            "loose_because": assessment.loose_match_reasons,
            "stale": assessment.outdated_reasons,
        }
    return row
