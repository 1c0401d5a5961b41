"""Tools: input schemas, functions as tools, and bash."""
