"""Rules for messages and their content blocks."""
