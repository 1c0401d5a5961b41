"""The services that feature flags are fetched from, and how a test sets their flags instead."""

_ADVICE_BY_DOMAIN = {
    "launchdarkly.com": (
        "LaunchDarkly",
        "give ldclient.set_config a Config with TestData in the fixture harness_set_flags, as flag-harness init writes "
        "it, or with offline=True, and unset the SDK key",
    ),
    "getunleash.io": ("Unleash", "load the flags from a dictionary in the fixture harness_set_flags"),
    "growthbook.io": ("GrowthBook", "call set_features in the fixture harness_set_flags"),
    "statsig.com": ("Statsig", "override its gates in the fixture harness_set_flags"),
    "configcat.com": ("ConfigCat", "use local flag overrides in the fixture harness_set_flags"),
    "split.io": ("Split", "use its localhost mode in the fixture harness_set_flags"),
    "flagsmith.com": ("Flagsmith", "use its offline mode in the fixture harness_set_flags"),
}
"""The name of the flag service at each domain, and what a test does instead of fetching flags from the service."""
_DOMAIN_ALIASES = {"launchdarkly.us": "launchdarkly.com", "statsigapi.net": "statsig.com"}


def flag_service_advice(host: str) -> str:
    """Return which flag service a host belongs to and how a test sets its flags instead, or an empty string for other
    hosts.
    """
    domain = ".".join(host.lower().rstrip(".").split(".")[-2:])
    service, advice = _ADVICE_BY_DOMAIN.get(_DOMAIN_ALIASES.get(domain, domain), ("", ""))
    return f"to fetch flags from {service}; set them in the test instead: {advice} (docs/flags.md)" if service else ""
