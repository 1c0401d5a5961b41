"""Serializers: they convert a cassette in vcrpy's format to text and back."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from flag_harness.cassette.importers.document import parse_document
from flag_harness.cassette.importers.limits import ImportLimits
from flag_harness.errors import CassetteError, require_extra

VcrDocument = dict[str, Any]
"""The content of a cassette: `{"version": 1, "interactions": [...]}`, in which bodies are texts or bytes."""


class Serializer(Protocol):
    """Converts cassettes to text and back, with vcrpy's interface.

    A module with the functions `serialize` and `deserialize` is accepted, too.
    """

    def deserialize(self, text: str, /) -> Any: ...

    def serialize(self, document: VcrDocument, /) -> str: ...


class YamlSerializer:
    """Writes the same YAML as vcrpy, and reads YAML or JSON."""

    def deserialize(self, text: str) -> Any:
        """Parse the text. Raise `ValueError` if it is neither YAML nor JSON."""
        return parse_document(text.encode("utf-8"), ImportLimits())

    def serialize(self, document: VcrDocument) -> str:
        """Return the cassette as YAML."""
        with require_extra("vcr"):
            import yaml

        text: str = yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
        return text


class JsonSerializer:
    """Writes the same JSON as vcrpy, and reads YAML or JSON."""

    def deserialize(self, text: str) -> Any:
        """Parse the text. Raise `ValueError` if it is neither JSON nor YAML."""
        return parse_document(text.encode("utf-8"), ImportLimits())

    def serialize(self, document: VcrDocument) -> str:
        """Return the cassette as JSON. Raise `CassetteError` if a body is not text, because JSON cannot hold bytes."""
        try:
            return json.dumps(document, indent=4) + "\n"
        except TypeError as error:
            raise CassetteError(
                f"JSON cannot hold it ({error}), because a body is not text; use serializer = 'yaml'"
            ) from None


SERIALIZERS: Mapping[str, Serializer] = MappingProxyType({"yaml": YamlSerializer(), "json": JsonSerializer()})
"""The built-in serializers by name. A test suite need not register them."""
