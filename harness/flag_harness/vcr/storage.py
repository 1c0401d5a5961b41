"""Load and store cassettes in vcrpy's format: in files, or with a test suite's own persister."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from flag_harness.cassette.file.exporters import decode_if_utf8
from flag_harness.cassette.file.lock import lock_parent_folder
from flag_harness.cassette.importers import vcrpy
from flag_harness.cassette.importers.document import parse_document
from flag_harness.cassette.importers.limits import ImportLimits
from flag_harness.errors import CassetteError, MissingExtraError
from flag_harness.files import read_regular_file, write_atomically
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.responses import VcrResponse, vcr_response_from_import
from flag_harness.vcr.secrets import refuse_secrets
from flag_harness.vcr.serializers import SERIALIZERS, Serializer, VcrDocument

VcrInteraction: TypeAlias = tuple[VcrRequest, VcrResponse]
"""A request and its response, in vcrpy's format."""


@dataclass(frozen=True, slots=True)
class StoredCassette:
    """A cassette's interactions, and the metadata that vcrpy stores with them."""

    interactions: list[VcrInteraction]
    metadata: Mapping[str, Any] = field(default_factory=dict)


class CassetteStorage(Protocol):
    """Loads and updates cassettes. If this fails, both methods raise `CassetteError` naming the cassette."""

    def load(self, path: Path) -> StoredCassette | None:
        """Return the cassette, or None if it does not exist."""
        ...

    def update(self, path: Path, combine: Callable[[StoredCassette | None], StoredCassette]) -> None:
        """Pass the stored cassette (None if it does not exist) to `combine`, and store the result instead.

        The cassette is replaced completely or not at all.
        """
        ...


class Persister(Protocol):
    """What a test suite registers to store cassettes in its own way; it has vcrpy's interface."""

    def load_cassette(self, path: str, /, serializer: Serializer) -> Any: ...

    def save_cassette(self, path: str, document: Any, /, serializer: Serializer) -> Any: ...


@dataclass(frozen=True, slots=True)
class FileStorage:
    """Keeps each cassette in a file."""

    serializer: Serializer = SERIALIZERS["yaml"]

    def load(self, path: Path) -> StoredCassette | None:
        """Return the cassette, or None if the file is missing or empty."""
        if not path.exists():
            return None
        try:
            data = read_regular_file(path, ImportLimits().max_file_bytes)
            return self._parse_file(data) if data.strip() else None
        except (OSError, ValueError, RecursionError) as error:
            raise CassetteError(f"{path}: cannot be read as a cassette of vcrpy: {error}") from None

    def update(self, path: Path, combine: Callable[[StoredCassette | None], StoredCassette]) -> None:
        """Replace the file by the result of `combine`, which takes the stored cassette, or None if the file does not
        exist.

        Raise `CassetteError` if the new file would contain an API key, or could not be read again.
        """
        with lock_parent_folder(path):
            data = self._serialize(path, combine(self.load(path)))
            try:
                parsed = self._parse_file(data)
            except (ValueError, RecursionError) as error:
                raise CassetteError(f"{path} was not written, because it could not be read again: {error}") from None
            refuse_secrets(path, parsed.interactions)
            try:
                write_atomically(path, data)
            except OSError as error:
                raise CassetteError(f"{path} was not written: {error}") from None

    def _parse_file(self, data: bytes) -> StoredCassette:
        document = self._deserialize(data)
        rows = document.get("interactions") if isinstance(document, dict) else document
        if not isinstance(rows, list):
            raise ValueError("it has no list of interactions")  # noqa: TRY004 - a value read from a file
        metadata = document.get("metadata") if isinstance(document, dict) else None
        return StoredCassette([_to_vcr_interaction(row) for row in vcrpy.read_vcrpy(rows)], metadata or {})

    def _deserialize(self, data: bytes) -> Any:
        """Parse the bytes of a file with this package's own parser, or with a test suite's serializer if it has set
        one.
        """
        if self.serializer in SERIALIZERS.values():
            return parse_document(data, ImportLimits())
        return _call_serializer(self.serializer.deserialize, decode_if_utf8(data))

    def _serialize(self, path: Path, cassette: StoredCassette) -> bytes:
        document: VcrDocument = {
            "version": 1,
            "interactions": list(map(_interaction_to_document, cassette.interactions)),
        }
        if cassette.metadata:
            document["metadata"] = cassette.metadata
        try:
            text: str | bytes = _call_serializer(self.serializer.serialize, document)
            data = text if isinstance(text, bytes) else text.encode("utf-8")
        except (CassetteError, ValueError) as error:
            raise CassetteError(f"{path} was not written: {error}") from None
        return data


@dataclass(frozen=True, slots=True)
class PersisterStorage:
    """Stores cassettes through the persister of a test suite.

    The persister must replace a cassette completely or not at all.
    """

    persister: Persister
    serializer: Serializer = SERIALIZERS["yaml"]

    def load(self, path: Path) -> StoredCassette | None:
        """Return the cassette, or None if the persister raises vcrpy's `CassetteNotFoundError`."""
        try:
            requests, responses, *metadata = self.persister.load_cassette(str(path), serializer=self.serializer)
        except Exception as error:
            if "CassetteNotFoundError" in [kind.__name__ for kind in type(error).__mro__]:
                return None
            raise CassetteError(f"{path}: the persister cannot load it: {_describe_error(error)}") from error
        pairs = zip(map(_to_vcr_request, requests), responses, strict=True)
        return StoredCassette(list(pairs), metadata[0] if metadata else {})

    def update(self, path: Path, combine: Callable[[StoredCassette | None], StoredCassette]) -> None:
        """Have the persister save the result of `combine`, which takes the stored cassette, or None if there is none.

        Raise `CassetteError` if the result contains an API key.
        """
        cassette = combine(self.load(path))
        refuse_secrets(path, cassette.interactions)
        document = {
            "requests": [request for request, _ in cassette.interactions],
            "responses": [response for _, response in cassette.interactions],
            **({"metadata": cassette.metadata} if cassette.metadata else {}),
        }
        try:
            self.persister.save_cassette(str(path), document, serializer=self.serializer)
        except Exception as error:
            raise CassetteError(f"{path}: the persister cannot save it: {_describe_error(error)}") from error


def _to_vcr_interaction(entry: Any) -> VcrInteraction:
    headers = dict(reversed(entry.request_headers))  # if a header occurs twice, vcrpy takes the first
    return VcrRequest(entry.method, entry.url, entry.request_body, headers), vcr_response_from_import(entry)


def _to_vcr_request(request: Any) -> VcrRequest:
    """Convert a request object of the library vcrpy, whose body may be an open file."""
    body = request.body.read() if hasattr(request.body, "read") else request.body
    return VcrRequest(request.method, request.uri, body, dict(request.headers))


def _interaction_to_document(interaction: VcrInteraction) -> dict[str, Any]:
    request, response = interaction[0]._to_dict(), dict(interaction[1])
    body = response.get("body")
    if isinstance(body, dict) and "string" in body:
        response["body"] = {**body, "string": decode_if_utf8(body["string"])}
    return {"request": {**request, "body": decode_if_utf8(request["body"])}, "response": response}


def _call_serializer(function: Callable[[Any], Any], argument: Any) -> Any:
    """Return the result of a serializer's function. An unexpected error of the suite's code becomes a `ValueError`."""
    try:
        return function(argument)
    except (ValueError, RecursionError, CassetteError, MissingExtraError):
        raise
    except Exception as error:  # a suite's own code
        raise ValueError(_describe_error(error)) from error


def _describe_error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
