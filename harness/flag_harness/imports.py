"""Imports of objects that a project names in its configuration as `module:attribute`."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flag_harness.errors import ConfigError


def import_attribute(reference: str, noun: str, example: str, folder: Path | None = None) -> Any:
    """Import the object that `reference` refers to as `module:attribute`. Modules in `folder` are found too.

    Raise `ConfigError` naming the part that cannot be found. In messages, `noun` says what the object is (such as
    `agent`), and `example` shows how to write `reference`.
    """
    module, colon, attribute = reference.partition(":")
    if not colon or not module or not attribute:
        raise ConfigError(f"{noun} {reference!r} must be spelled module:attribute, such as {example}")
    with _extend_import_path(folder):
        found: Any = _import_module(reference, noun, module)
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise ConfigError(f"{noun} {reference!r} cannot be found: {error}") from None
    return found


def _import_module(reference: str, noun: str, module: str) -> Any:
    """Import a module, or raise `ConfigError` if that fails. For the message, `noun` and `reference` say what is
    imported from it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"{noun} {reference!r} cannot be found: {error}") from None
    except Exception as error:
        raise ConfigError(f"{noun} {reference!r} cannot be imported: {type(error).__name__}: {error}") from error


@contextmanager
def _extend_import_path(folder: Path | None) -> Iterator[None]:
    """Add a folder to the import path while the `with` block runs.

    Without this, an installed command imports nothing from the current directory.
    """
    if folder is None or str(folder) in sys.path:
        yield
        return
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
