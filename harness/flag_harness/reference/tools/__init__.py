"""Tools: schemas, functions as tools, and bash."""
