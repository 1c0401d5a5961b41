"""One request of the agent: its parameters, attempts, retries and fallbacks."""
