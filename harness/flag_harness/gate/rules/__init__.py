"""The rules of the gate. Each passes, fails, or is not shown by the evidence."""
