"""The rules of the gate: each passes, fails, or is not shown by the evidence."""
