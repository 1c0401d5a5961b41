"""One request of the agent: what it asks, its attempts, retries and fallbacks."""
