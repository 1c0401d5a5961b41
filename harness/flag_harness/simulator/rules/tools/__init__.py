"""Rules for tools: their definitions, schemas, options, calls and results."""
