"""An OpenFeature provider that answers from the running scope (test or `with` block), and a hook that records the
reads.
"""

from collections.abc import Mapping
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagResolutionDetails, Reason
from openfeature.hook import Hook, HookContext
from openfeature.provider import AbstractProvider, FeatureProvider
from openfeature.provider.metadata import Metadata
from openfeature.track import TrackingEventDetails

from flag_harness.flag import Flag, nearest_name_hint
from flag_harness.sources.scope import ACTIVE_SCOPES, FlagRead, FlagScope, running_scope

_PYTHON_TYPES_BY_NAME: Mapping[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "string": str,
    "integer": int,
    "float": (int, float),
    "object": (dict, list, tuple),
}
_ERROR_CODES_WITHOUT_VALUE = (ErrorCode.FLAG_NOT_FOUND, ErrorCode.PROVIDER_NOT_READY)
"""The error codes with which a provider says that it has no value for a key: no error if the key is undeclared."""


def _make_resolver(kind: str) -> Any:
    """Return the method with which `CombinationProvider` answers a read of the type `kind`, such as `boolean`.

    The method returns the value in the running scope. If no flag is declared for the key, it calls the same method of
    the project's own provider.
    """

    def resolve(
        self: "CombinationProvider", flag_key: str, default_value: Any, evaluation_context: Any = None
    ) -> FlagResolutionDetails[Any]:
        details = self.resolve(kind, flag_key, default_value)
        if details is not None:
            return details
        resolve_in_project = getattr(self.project_provider, f"resolve_{kind}_details")
        result: FlagResolutionDetails[Any] = resolve_in_project(flag_key, default_value, evaluation_context)
        return result

    return resolve


def _make_async_resolver(kind: str) -> Any:
    """Return the async version of the method that `_make_resolver` returns."""

    async def resolve(
        self: "CombinationProvider", flag_key: str, default_value: Any, evaluation_context: Any = None
    ) -> FlagResolutionDetails[Any]:
        details = self.resolve(kind, flag_key, default_value)
        if details is not None:
            return details
        resolve_in_project = getattr(self.project_provider, f"resolve_{kind}_details_async")
        result: FlagResolutionDetails[Any] = await resolve_in_project(flag_key, default_value, evaluation_context)
        return result

    return resolve


class CombinationProvider(AbstractProvider):
    """An OpenFeature provider that answers declared flags from the running scope.

    The project's own provider, `project_provider`, answers all other keys, or an error if it is not ready (`is_ready`).
    """

    def __init__(self, project_provider: FeatureProvider, *, is_ready: bool = True) -> None:
        super().__init__()
        self.project_provider, self._is_ready = project_provider, is_ready

    def get_metadata(self) -> Metadata:
        """Return the name of the provider."""
        return Metadata("flag-harness")

    def get_provider_hooks(self) -> list[Hook]:
        """Return the hook that records reads, and the hooks of the project's own provider."""
        return [_ReadRecorder(), *self.project_provider.get_provider_hooks()]

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Pass a tracking event on to the project's own provider."""
        self.project_provider.track(tracking_event_name, evaluation_context, tracking_event_details)

    def resolve(self, kind: str, key: str, default: Any) -> FlagResolutionDetails[Any] | None:
        """Return the value that the running scope gives to the flag `key`, with its details.

        Return None if the project's own provider must answer. `kind` is the requested type, such as `boolean`. If the
        value has another type, the details have an error and `default`.
        """
        scope = running_scope()
        found = scope.find_flag(key) if scope is not None else None
        if scope is not None and found is not None:
            return _evaluate_flag(scope, *found, kind, default)
        if self._is_ready:
            return None
        message = f"no flag is declared for {key!r}, and the provider of the project is not ready"
        return _error_details(default, ErrorCode.PROVIDER_NOT_READY, message)

    resolve_boolean_details = _make_resolver("boolean")
    resolve_string_details = _make_resolver("string")
    resolve_integer_details = _make_resolver("integer")
    resolve_float_details = _make_resolver("float")
    resolve_object_details = _make_resolver("object")
    resolve_boolean_details_async = _make_async_resolver("boolean")
    resolve_string_details_async = _make_async_resolver("string")
    resolve_integer_details_async = _make_async_resolver("integer")
    resolve_float_details_async = _make_async_resolver("float")
    resolve_object_details_async = _make_async_resolver("object")


class _ReadRecorder(Hook):
    """An OpenFeature hook that records each read of a flag in the running scope.

    If the read failed, the error is recorded, too, because OpenFeature hides it and returns a default.
    """

    def finally_after(
        self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: Mapping[str, Any]
    ) -> None:
        """Record the read in the scope of the running code.

        If several scopes are active and the code belongs to none, record an error in every scope that declares the key.
        """
        key, kind = hook_context.flag_key, hook_context.flag_type.value.lower()
        scope = running_scope()
        if scope is None:
            message = _message_for_code_without_scope(key)
            for active in list(ACTIVE_SCOPES):
                if active.find_flag(key) is not None:
                    active.add_read(FlagRead(key, kind, details.value, True, message))
            return
        is_declared = scope.find_flag(key) is not None
        hidden = details.error_code is not None and (
            is_declared or details.error_code not in _ERROR_CODES_WITHOUT_VALUE
        )
        error = _error_message(scope, key, kind, details) if hidden else ""
        scope.add_read(FlagRead(key, kind, details.value, is_declared, error))


def _evaluate_flag(scope: FlagScope, flag: Flag, index: int, kind: str, default: Any) -> FlagResolutionDetails[Any]:
    """Return OpenFeature's details of a read: the flag's value at `index`, or an error if its type is not `kind`."""
    value: Any = flag.values[index]
    if not isinstance(value, _PYTHON_TYPES_BY_NAME[kind]) or (isinstance(value, bool) and kind != "boolean"):
        method = f"get_{openfeature_type(value)}_value"
        message = f"flag {flag.name!r} has the value {value!r}, which is no {kind}; read it with {method}"
        return _error_details(default, ErrorCode.TYPE_MISMATCH, message)
    if kind == "float" and isinstance(value, int):
        value = float(value)
    metadata: dict[str, bool | int | float | str] = {"flag": flag.name, "combination": scope.combination.id}
    return FlagResolutionDetails(
        list(value) if isinstance(value, tuple) else value,
        reason=Reason.STATIC,
        variant=flag.labels[index],
        flag_metadata=metadata,
    )


def openfeature_type(value: object) -> str:
    """Return the OpenFeature type of a value.

    >>> openfeature_type(True), openfeature_type(0.5), openfeature_type("haiku"), openfeature_type([1])
    ('boolean', 'float', 'string', 'object')
    """
    kinds = {bool: "boolean", str: "string", int: "integer", float: "float"}
    return kinds.get(type(value), "object")


def _error_details(default: Any, code: ErrorCode, message: str) -> FlagResolutionDetails[Any]:
    """Return OpenFeature's details of a failed read: an error, and the default value that the caller gave."""
    return FlagResolutionDetails(default, error_code=code, error_message=message, reason=Reason.ERROR)


def _error_message(scope: FlagScope, key: str, kind: str, details: FlagEvaluationDetails[Any]) -> str:
    return (
        f"OpenFeature: reading {key!r} as {kind} failed, and the agent got its default {details.value!r}: "
        f"{details.error_code}: {details.error_message or 'no message'}"
        + (
            ""
            if scope.find_flag(key)
            else f"; no flag is declared for {key!r}: {nearest_name_hint(key, scope.openfeature_keys)}"
        )
    )


def _message_for_code_without_scope(key: str) -> str:
    """Return the error message for a read by code that belongs to none of the active scopes (tests or
    `flags` blocks).
    """
    return (
        f"OpenFeature: {key!r} was read by code that no running block has started, and several run, so the provider of "
        "the project answered; start that thread or task inside the block"
    )
