"""Answers the flag requests of other processes. The protocol is OFREP, OpenFeature's HTTP protocol for remote flags."""

import json
from typing import Any
from urllib.parse import unquote

from flag_harness.flag import Flag
from flag_harness.sources.scope import FlagRead, FlagScope
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response

OFREP_PATH = "/ofrep/v1/evaluate/flags"


class FlagEndpoint:
    """A layer of `cassette_server` that answers OFREP requests for one flag or for all flags from a scope.

    OFREP is OpenFeature's HTTP protocol for remote flags. Every other request is passed on to the next layer.
    """

    def __init__(self, scope: FlagScope) -> None:
        self._scope = scope

    def __call__(self, request: Request) -> Response | None:
        path = request.url.partition("?")[0]
        _, found, key = path.partition(OFREP_PATH)
        if not found or (key and not key.startswith("/")):
            return None
        if key.strip("/"):
            return self._answer_for_key(unquote(key.strip("/")))
        flags = map(self._scope.find_flag, self._scope.openfeature_keys)
        return _json_response(200, {"flags": [self._evaluate_flag(*one) for one in flags if one is not None]})

    def _answer_for_key(self, key: str) -> Response:
        found = self._scope.find_flag(key)
        if found is None:
            self._scope.add_read(FlagRead(key, "remote", None, is_declared=False))
            details = f"no flag is declared with openfeature = {key!r}"
            return _json_response(404, {"key": key, "errorCode": "FLAG_NOT_FOUND", "errorDetails": details})
        return _json_response(200, self._evaluate_flag(*found))

    def _evaluate_flag(self, flag: Flag, index: int) -> dict[str, Any]:
        """Return OFREP's JSON for the value of a flag at `index`, and record in the scope that the flag was read."""
        key, value, variant = flag.openfeature, flag.values[index], flag.labels[index]
        self._scope.add_read(FlagRead(key, "remote", value, is_declared=True))
        metadata = {"flag": flag.name, "combination": self._scope.combination.id}
        return {"key": key, "value": value, "reason": "STATIC", "variant": variant, "metadata": metadata}


def _json_response(status: int, document: object) -> Response:
    return Head(0, status, (("content-type", "application/json"),)), Chunk(0, json.dumps(document).encode()), End(0)
