"""The agent's tools: input schemas, Python functions as tools, and bash."""
