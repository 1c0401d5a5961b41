"""Let OpenFeature clients read the declared flags from the scope (test or `with` block) in which the caller runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from flag_harness.errors import require_extra
from flag_harness.sources.scope import ACTIVE_SCOPES, running_scope
from flag_harness.transports.patch import replace_attribute

with require_extra("openfeature"):
    from openfeature.client import OpenFeatureClient
    from openfeature.provider import FeatureProvider, ProviderStatus

    from flag_harness.sources.openfeature_provider import CombinationProvider


@contextmanager
def patch_openfeature_clients() -> Iterator[None]:
    """Inside the context, make OpenFeature clients read the declared flags from the scope in which the caller runs.

    A scope is a test or a `flags` block. The provider that the project has set stays in place: it answers calls from
    outside of any scope, and the keys of undeclared flags.
    """
    own_provider: Any = OpenFeatureClient.provider
    own_status: Any = OpenFeatureClient.get_provider_status

    def provider(client: OpenFeatureClient) -> FeatureProvider:
        beneath: FeatureProvider = own_provider.fget(client)
        is_ready = own_status(SimpleNamespace(provider=beneath)) not in (ProviderStatus.NOT_READY, ProviderStatus.FATAL)
        return CombinationProvider(beneath, is_ready=is_ready)

    def get_provider_status(client: OpenFeatureClient) -> Any:
        return ProviderStatus.READY if _is_in_flag_scope() else own_status(client)

    with (
        replace_attribute(OpenFeatureClient, "provider", property(provider)),
        replace_attribute(OpenFeatureClient, "get_provider_status", get_provider_status),
    ):
        yield


def _is_in_flag_scope() -> bool:
    """Return whether the running code belongs to a scope (a test or `flags` block), or some scope is active
    elsewhere.
    """
    return running_scope() is not None or bool(ACTIVE_SCOPES)
