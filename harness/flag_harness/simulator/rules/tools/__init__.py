"""Rules for tools: definitions, schemas, options, calls and results."""
